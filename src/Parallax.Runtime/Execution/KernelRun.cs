using Parallax.Kernels;
using Parallax.Runtime.Memory;

namespace Parallax.Runtime.Execution;

/// <summary>Runs a kernel on tensors, outside any plan, with all the workers that are free.</summary>
internal static unsafe class KernelRun
{
    internal static void Run(Kernel kernel, ReadOnlySpan<Tensor?> inputs, ReadOnlySpan<Tensor?> outputs)
    {
        void** table = stackalloc void*[inputs.Length + outputs.Length + 1];
        for (int i = 0; i < inputs.Length; i++) table[i] = inputs[i] is { } tensor ? (void*)tensor.Address : null;
        for (int i = 0; i < outputs.Length; i++) table[inputs.Length + i] = outputs[i] is { } tensor ? (void*)tensor.Address : null;
        using NativeStorage? scratch = kernel.ScratchBytes > 0 ? new NativeStorage(kernel.ScratchBytes) : null;
        var args = new KernelArgs(table, inputs.Length, table + inputs.Length, outputs.Length, scratch is null ? null : (byte*)scratch.Address, null);
        WorkerPool.Shared.Run(kernel, args, Environment.ProcessorCount, new BlockJob());
        KeepAlive(inputs);
        KeepAlive(outputs);
    }

    /// <summary>Native memory is freed when its last tensor is collected: these are in use until here.</summary>
    internal static void KeepAlive(ReadOnlySpan<Tensor?> tensors)
    {
        foreach (Tensor? tensor in tensors) GC.KeepAlive(tensor);
    }
}
