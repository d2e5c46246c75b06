namespace Parallax.Kernels;

/// <summary>A kernel some of whose operands begin behind the first elements of the node's: one that computes a part of a result.</summary>
/// <param name="kernel">Whose place this one takes: its inputs are two factors, a bias and a residual.</param>
internal sealed unsafe class OffsetKernel(Kernel kernel, PartOffsets offsets, int elementBytes) : Kernel
{
    private readonly long[] inputBytes = [offsets.First * elementBytes, offsets.Second * elementBytes, offsets.Bias * elementBytes, offsets.Result * elementBytes];

    public override string Name => kernel.Name;

    public override KernelWork Work => kernel.Work;

    public override int PhaseCount => kernel.PhaseCount;

    public override long ScratchBytes => kernel.ScratchBytes;

    public override long WorkerScratchBytes => kernel.WorkerScratchBytes;

    public override int BlockCount(int phase) => kernel.BlockCount(phase);

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        void** inputs = stackalloc void*[inputBytes.Length];
        for (int i = 0; i < inputBytes.Length; i++) inputs[i] = args.Input<byte>(i) is var first && first == null ? null : first + inputBytes[i];
        void* output = args.Output<byte>(0) + offsets.Result * elementBytes;
        kernel.RunBlock(phase, block, new KernelArgs(inputs, inputBytes.Length, &output, 1, args.Scratch, args.WorkerScratch));
    }

    public override void Dispose()
    {
        kernel.Dispose();
        base.Dispose();
    }
}
