using Parallax.Kernels;
using Parallax.Runtime.Memory;

namespace Parallax.Runtime.Execution;

/// <summary>Runs kernels on tensors rather than on the slots of a plan.</summary>
internal static unsafe class KernelRun
{
    /// <summary>Runs a kernel with all the workers that are free.</summary>
    internal static void Run(Kernel kernel, ReadOnlySpan<Tensor?> inputs, ReadOnlySpan<Tensor?> outputs)
    {
        void** table = stackalloc void*[inputs.Length + outputs.Length + 1];
        FillTable<Tensor>(table, inputs, outputs);
        using NativeStorage? scratch = kernel.ScratchBytes > 0 ? new NativeStorage(kernel.ScratchBytes) : null;
        var args = new KernelArgs(table, inputs.Length, table + inputs.Length, outputs.Length, scratch is null ? null : (byte*)scratch.Address, null);
        WorkerPool.Shared.Run(kernel, args, Environment.ProcessorCount, new BlockJob());
        KeepAlive(inputs);
        KeepAlive(outputs);
    }

    /// <summary>Writes the addresses of inputs, then of outputs; null where one is absent.</summary>
    internal static void FillTable<TDatum>(void** table, ReadOnlySpan<TDatum?> inputs, ReadOnlySpan<TDatum?> outputs) where TDatum : Datum
    {
        foreach (TDatum? input in inputs) *table++ = input is Tensor tensor ? (void*)tensor.Address : null;
        foreach (TDatum? output in outputs) *table++ = output is Tensor tensor ? (void*)tensor.Address : null;
    }

    /// <summary>Native memory is freed when its last tensor is collected: these are in use until here.</summary>
    internal static void KeepAlive<TDatum>(ReadOnlySpan<TDatum?> data) where TDatum : Datum
    {
        foreach (TDatum? datum in data) GC.KeepAlive(datum);
    }
}
