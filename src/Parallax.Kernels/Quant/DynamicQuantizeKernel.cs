using Parallax.Kernels.Reduce;

namespace Parallax.Kernels;

/// <summary>
/// Input: float32 data. Outputs: the data as uint8, its scale, its zero point. The range of the data, extended to hold 0, becomes [0, 255].
/// Data that is all zeros has scale 1.
/// </summary>
public sealed unsafe class DynamicQuantizeKernel(long count) : Kernel
{
    private const int BlockElements = 16384;

    public override string Name => "dynamic_quantize";

    public override int PhaseCount => 3;

    public override long ScratchBytes => Blocks * 2L * sizeof(float);

    private int Blocks => checked((int)((count + BlockElements - 1) / BlockElements));

    public override int BlockCount(int phase) => phase == 1 ? 1 : Blocks;

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        long start = (long)block * BlockElements;
        var x = new ReadOnlySpan<float>(args.Input<float>(0) + start, (int)Math.Min(BlockElements, count - start));
        float* extremes = (float*)args.Scratch;
        if (phase == 0)
        {
            extremes[2 * block] = VectorFold.Smallest(x);
            extremes[2 * block + 1] = VectorFold.Largest(x);
        }
        else if (phase == 1) FindScale(new ReadOnlySpan<float>(extremes, 2 * Blocks), args.Output<float>(1), args.Output<byte>(2));
        else QuantizedElements.Quantize(args.Input<float>(0) + start, *args.Output<float>(1), *args.Output<byte>(2), (byte.MinValue, byte.MaxValue), args.Output<byte>(0) + start, x.Length);
    }

    private static void FindScale(ReadOnlySpan<float> extremes, float* scale, byte* zero)
    {
        float min = 0, max = 0;
        for (int i = 0; i < extremes.Length; i += 2)
        {
            min = Math.Min(min, extremes[i]);
            max = Math.Max(max, extremes[i + 1]);
        }
        *scale = max == min ? 1f : (max - min) / 255f;
        float rounded = MathF.Round(Math.Clamp(0f - min / *scale, 0f, 255f));
        *zero = (byte)rounded;
    }
}
