namespace Parallax.Kernels;

/// <summary>
/// A product whose constant B is packed after its first run: that reads every element of B once, and packing reads and writes it once more. Until then <see cref="Current"/> reads B where it lies.
/// Both sum in the same order: the bits are the same.
/// </summary>
internal sealed class DeferredGemm(GemmKernel packed, GemmKernel direct, PackedMatrix weights) : Kernel
{
    public override string Name => packed.Name;

    public override KernelWork Work => packed.Work;

    public override int PhaseCount => packed.PhaseCount;

    public override long ScratchBytes => Math.Max(packed.ScratchBytes, direct.ScratchBytes);

    public override long WorkerScratchBytes => Math.Max(packed.WorkerScratchBytes, direct.WorkerScratchBytes);

    public override bool CanRehearse => true;

    public override Kernel Current => weights.IsFilled ? packed : direct;

    public override bool IsSettled => weights.IsFilled;

    public override int BlockCount(int phase) => packed.BlockCount(phase);

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        Settle();
        packed.RunBlock(phase, block, args);
    }

    public override void Settle() => weights.Fill();

    public override void Dispose()
    {
        packed.Dispose();
        direct.Dispose();
        base.Dispose();
    }
}
