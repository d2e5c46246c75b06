using System.Runtime.InteropServices;
using Parallax.Graphs.Ops;
using Parallax.Kernels;

namespace Parallax.Runtime.Execution;

/// <summary>
/// Idle workers run a first and a last block of each kind of kernel on zeros while the first schedule of a plan is made, for no other effect than that the code is compiled when the run comes to it.
/// Only kernels take part that say they may, with operands of moderate size; what goes wrong here will tell when it runs.
/// </summary>
internal sealed unsafe class Rehearsal : PoolJob
{
    private const long MaxOperandBytes = 64 << 20, Padding = 4096;

    private readonly List<KernelStep> steps = [];
    private readonly WorkerPool pool;
    private byte* zeros;
    private int next, slot = -1;

    private Rehearsal(WorkerPool pool) => this.pool = pool;

    internal override bool HasWork => Volatile.Read(ref next) < steps.Count;

    internal override bool IsLeaf => false;

    /// <summary>Null where there is nobody or nothing to rehearse.</summary>
    internal static Rehearsal? Start(ExecutionPlan plan, RunSettings settings)
    {
        if (settings.Workers < 2) return null;
        var rehearsal = new Rehearsal(settings.Pool);
        var met = new HashSet<string>();
        long bytes = 0;
        foreach (Step[] branch in plan.Branches)
            foreach (Step step in branch)
            {
                if (step is not KernelStep { Kernel.CanRehearse: true } kernel || !met.Add(KindOf(kernel))) continue;
                long needed = Math.Max(MostBytes(step.Inputs), MostBytes(step.Outputs));
                if (needed is 0 or > MaxOperandBytes || kernel.Kernel.ScratchBytes > MaxOperandBytes) continue;
                bytes = Math.Max(bytes, needed);
                rehearsal.steps.Add(kernel);
            }
        if (rehearsal.steps.Count == 0) return null;
        rehearsal.zeros = (byte*)NativeMemory.AllocZeroed((nuint)(bytes + Padding));
        rehearsal.MaxHelpers = settings.Workers - 1;
        rehearsal.slot = settings.Pool.Publish(rehearsal);
        return rehearsal;
    }

    /// <summary>Takes up nothing more, and waits for what is under way.</summary>
    internal void End()
    {
        Volatile.Write(ref next, steps.Count);
        pool.Withdraw(this, slot);
        NativeMemory.Free(zeros);
    }

    internal override void Help()
    {
        while (Interlocked.Increment(ref next) - 1 is var taken && taken < steps.Count)
            try
            {
                Rehearse(steps[taken]);
            }
            catch (Exception)
            {
                // Nobody asked for this run.
            }
    }

    private void Rehearse(KernelStep step)
    {
        Kernel kernel = step.Kernel.Current;
        byte* results = (byte*)NativeMemory.AlignedAlloc((nuint)(MostBytes(step.Outputs) + Padding), Storage.Alignment);
        byte* scratch = (byte*)NativeMemory.AlignedAlloc((nuint)(kernel.ScratchBytes + Padding), Storage.Alignment);
        void** table = stackalloc void*[step.Inputs.Length + step.Outputs.Length + 1];
        try
        {
            for (int i = 0; i < step.Inputs.Length; i++)
                table[i] = step.Inputs[i] is not { } input ? null : input.Slot.Constant is { } constant ? (void*)constant.Address : Aligned(zeros);
            for (int i = 0; i < step.Outputs.Length; i++) table[step.Inputs.Length + i] = step.Outputs[i] is null ? null : results;
            var args = new KernelArgs(table, step.Inputs.Length, table + step.Inputs.Length, step.Outputs.Length, scratch, WorkerPool.WorkerScratchFor(kernel.WorkerScratchBytes));
            for (int phase = 0; phase < kernel.PhaseCount; phase++)
            {
                int blocks = kernel.BlockCount(phase);
                if (blocks > 0) kernel.RunBlock(phase, 0, args);
                if (blocks > 1) kernel.RunBlock(phase, blocks - 1, args);
            }
        }
        finally
        {
            NativeMemory.AlignedFree(results);
            NativeMemory.AlignedFree(scratch);
        }
    }

    private static byte* Aligned(byte* address) => (byte*)(((nint)address + Storage.Alignment - 1) & -Storage.Alignment);

    /// <summary>Kernels of one kind run the same code.</summary>
    private static string KindOf(KernelStep step) => $"{step.Kernel.GetType()} {step.Kernel.Name} {(step.Node.Op as IFusible)?.Activation.Kind}";

    private static long MostBytes(Operand?[] operands)
    {
        long most = 0;
        foreach (Operand? operand in operands)
            if (operand is { Dims: { } dims, Type: var type }) most = Math.Max(most, type.ByteCount(Shape.Count(dims)));
        return most;
    }
}
