using Parallax.Kernels;

namespace Parallax.Suite;

/// <summary><see cref="KernelRunner"/> for operands that are tensors; tests that guard the operands themselves call that one.</summary>
public static class KernelRun
{
    /// <summary>Runs all phases. Null stands for an absent input or an output that is not wanted.</summary>
    public static void Run(Kernel kernel, Tensor?[] inputs, Tensor?[] outputs, int seed = 1)
    {
        KernelRunner.Run(kernel, Addresses(inputs), Addresses(outputs), seed);
        GC.KeepAlive(inputs);
        GC.KeepAlive(outputs);
    }

    /// <summary>Runs a kernel of one output and returns it, filled with NaN before.</summary>
    public static Tensor Run(Kernel kernel, DType type, long[] dims, params Tensor?[] inputs)
    {
        Tensor output = Tensor.Allocate(type, dims);
        output.Bytes.Fill(0xFF);
        Run(kernel, inputs, [output]);
        return output;
    }

    private static nint[] Addresses(Tensor?[] tensors) => [.. tensors.Select(tensor => tensor?.Address ?? 0)];
}
