namespace Parallax.Kernels;

/// <summary>
/// A computation on tensors of fixed types and shapes, prepared once and run many times, by many callers at once: it holds what is
/// constant (shapes, strides, packed weights) and no state of a run.
/// <para>
/// The work is cut into phases, and each phase into blocks. Blocks of one phase are independent: they may run in any order, on any
/// worker, at the same time; all blocks of a phase end before the next phase begins. The cut depends on types and shapes alone, never
/// on how many workers there are: that is what makes results bit-identical on every schedule. A block should cost 10 microseconds or
/// more (one block for a small tensor). A block must not allocate on the managed heap, block, or throw for well-formed input.
/// </para>
/// </summary>
public abstract class Kernel : IDisposable
{
    /// <summary>The kernel's name in dumps and profiles, by the grammar <c>family_type_variant_isa</c>, e.g. <c>gemm_f32_6x16_v256fma</c>.</summary>
    public abstract string Name { get; }

    /// <summary>What it counts of its work; nothing by default.</summary>
    public virtual KernelWork Work => default;

    public virtual int PhaseCount => 1;

    /// <summary>Blocks of a phase; 0 where there is nothing to do.</summary>
    public abstract int BlockCount(int phase);

    /// <summary>Bytes that all blocks of one run share (a packed operand, partial sums). Undefined contents at the start.</summary>
    public virtual long ScratchBytes => 0;

    /// <summary>Bytes that each worker has to itself while it runs a block. Undefined contents at the start of every block.</summary>
    public virtual long WorkerScratchBytes => 0;

    /// <summary>Computes one block. Inputs and outputs are those of the node, by position.</summary>
    public abstract void RunBlock(int phase, int block, in KernelArgs args);

    /// <summary>Whether output 0 may lie in the same bytes as input <paramref name="input"/>: element i is written only after it was read, by the same block.</summary>
    public virtual bool CanRunInPlace(int input) => false;

    /// <summary>Whether single blocks may run on zeros and any scratch, alone and out of order, so that their code is compiled before it is needed: contents decide neither addresses nor how long a block takes.</summary>
    public virtual bool CanRehearse => false;

    /// <summary>What computes the next run, from its first block to its last: the kernel itself, or where it is not settled another one with the same operands and the same results, within the scratch of this one.</summary>
    public virtual Kernel Current => this;

    /// <summary>Whether nothing is left for <see cref="Settle"/>.</summary>
    public virtual bool IsSettled => true;

    /// <summary>Does what pays from a second run on, such as packing weights. Runs may be under way; several threads may call it.</summary>
    public virtual void Settle()
    {
    }

    /// <summary>Frees native memory, such as packed weights.</summary>
    public virtual void Dispose() => GC.SuppressFinalize(this);
}

/// <summary>The addresses of one run of a kernel. Inputs and outputs are 64-byte aligned unless they are views or a caller's own memory.</summary>
public readonly unsafe struct KernelArgs(void** inputs, int inputCount, void** outputs, int outputCount, byte* scratch, byte* workerScratch)
{
    private readonly void** inputs = inputs, outputs = outputs;
    private readonly int inputCount = inputCount, outputCount = outputCount;

    /// <summary>The same run as seen by another worker.</summary>
    public KernelArgs(in KernelArgs run, byte* workerScratch) : this(run.inputs, run.inputCount, run.outputs, run.outputCount, run.Scratch, workerScratch)
    {
    }

    /// <summary><see cref="Kernel.ScratchBytes"/> bytes, 64-byte aligned.</summary>
    public byte* Scratch { get; } = scratch;

    /// <summary><see cref="Kernel.WorkerScratchBytes"/> bytes, 64-byte aligned, for the calling worker alone.</summary>
    public byte* WorkerScratch { get; } = workerScratch;

    /// <summary>First element of input <paramref name="index"/>; null where the optional input is absent.</summary>
    public T* Input<T>(int index) where T : unmanaged => index < inputCount ? (T*)inputs[index] : null;

    /// <summary>First element of output <paramref name="index"/>; null where the optional output is not wanted.</summary>
    public T* Output<T>(int index) where T : unmanaged => index < outputCount ? (T*)outputs[index] : null;
}
