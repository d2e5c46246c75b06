using System.Runtime.InteropServices;
using Parallax.Kernels;

namespace Parallax.Suite;

/// <summary>Runs a prepared kernel on tensors, as an unfriendly executor would: blocks in random order, scratch full of NaN.</summary>
public static unsafe class KernelRun
{
    /// <summary>Runs all phases. Null stands for an absent input or an output that is not wanted.</summary>
    public static void Run(Kernel kernel, Tensor?[] inputs, Tensor?[] outputs, int seed = 1)
    {
        var random = new Random(seed);
        byte* scratch = Scratch(kernel.ScratchBytes), worker = Scratch(kernel.WorkerScratchBytes);
        void** ins = Addresses(inputs), outs = Addresses(outputs);
        try
        {
            for (int phase = 0; phase < kernel.PhaseCount; phase++)
            {
                int[] order = [.. Enumerable.Range(0, kernel.BlockCount(phase))];
                random.Shuffle(order);
                foreach (int block in order)
                {
                    new Span<byte>(worker, checked((int)kernel.WorkerScratchBytes)).Fill(0xFF);
                    kernel.RunBlock(phase, block, new KernelArgs(ins, inputs.Length, outs, outputs.Length, scratch, worker));
                }
            }
        }
        finally
        {
            NativeMemory.AlignedFree(scratch);
            NativeMemory.AlignedFree(worker);
            NativeMemory.Free(ins);
            NativeMemory.Free(outs);
        }
    }

    /// <summary>Runs a kernel of one output and returns it, filled with NaN before.</summary>
    public static Tensor Run(Kernel kernel, DType type, long[] dims, params Tensor?[] inputs)
    {
        Tensor output = Tensor.Allocate(type, dims);
        output.Bytes.Fill(0xFF);
        Run(kernel, inputs, [output]);
        return output;
    }

    private static byte* Scratch(long bytes)
    {
        byte* memory = (byte*)NativeMemory.AlignedAlloc((nuint)Math.Max(64, bytes), 64);
        new Span<byte>(memory, checked((int)bytes)).Fill(0xFF);
        return memory;
    }

    private static void** Addresses(Tensor?[] tensors)
    {
        void** addresses = (void**)NativeMemory.Alloc((nuint)(tensors.Length + 1), (nuint)sizeof(void*));
        for (int i = 0; i < tensors.Length; i++) addresses[i] = (void*)(tensors[i]?.Address ?? 0);
        return addresses;
    }
}
