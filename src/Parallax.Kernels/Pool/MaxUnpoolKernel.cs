namespace Parallax.Kernels.Pool;

/// <summary>Zeros (phase 0), then elements of input 0 at the positions that input 1 gives in a shape that the output may exceed (phase 1).</summary>
internal sealed unsafe class MaxUnpoolKernel<T> : Kernel where T : unmanaged
{
    private const long ZeroBlock = 1 << 18;

    private readonly long elements, outputElements;
    private readonly long[] positionDims, outputStrides;

    internal MaxUnpoolKernel(long elements, ReadOnlySpan<long> positionDims, ReadOnlySpan<long> outputDims)
    {
        this.elements = elements;
        this.positionDims = positionDims.ToArray();
        outputElements = Shape.Count(outputDims);
        outputStrides = Shape.Strides(outputDims);
    }

    public override string Name => $"maxunpool_{sizeof(T)}";

    public override int PhaseCount => 2;

    // Two elements may have the same position: the later one wins, so one block places all.
    public override int BlockCount(int phase) => phase == 0 ? (int)((outputElements + ZeroBlock - 1) / ZeroBlock) : 1;

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        T* output = args.Output<T>(0);
        if (phase == 0)
        {
            long start = block * ZeroBlock;
            new Span<T>(output + start, (int)Math.Min(ZeroBlock, outputElements - start)).Clear();
            return;
        }
        T* input = args.Input<T>(0);
        long* positions = args.Input<long>(1);
        for (long i = 0; i < elements; i++) output[Place(positions[i])] = input[i];
    }

    private long Place(long position)
    {
        long rest = position, place = 0;
        for (int axis = positionDims.Length - 1; axis >= 0; axis--)
        {
            (rest, long digit) = Math.DivRem(rest, positionDims[axis]);
            place += digit * outputStrides[axis];
        }
        if (rest != 0 || position < 0 || place >= outputElements)
            throw new InvalidInputException($"position {position} is outside of the unpooled shape {Shape.ToString(positionDims)}");
        return place;
    }
}
