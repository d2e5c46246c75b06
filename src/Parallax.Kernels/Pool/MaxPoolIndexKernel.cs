using System.Numerics;

namespace Parallax.Kernels.Pool;

/// <summary>Max pooling of [planes, up to 3 spatial axes] with the positions of the largest elements (output 1, int64, counted over all planes).</summary>
internal sealed unsafe class MaxPoolIndexKernel<T> : Kernel where T : unmanaged, INumber<T>
{
    private readonly WindowAxis d, h, w;
    private readonly long planes, planeElements, planeResults;
    private readonly long dStep, hStep, wStep;

    internal MaxPoolIndexKernel(long planes, ReadOnlySpan<WindowAxis> axes, bool columnMajor)
    {
        // Missing axes are outermost, so that row-major positions need no care.
        d = axes.Length > 2 ? axes[^3] : WindowAxis.Trivial;
        h = axes.Length > 1 ? axes[^2] : WindowAxis.Trivial;
        w = axes[^1];
        this.planes = planes;
        planeElements = d.Input * h.Input * w.Input;
        planeResults = d.Output * h.Output * w.Output;
        (dStep, hStep, wStep) = columnMajor ? (1L, d.Input, d.Input * h.Input) : (h.Input * w.Input, w.Input, 1L);
    }

    public override string Name => $"maxpool_{typeof(T).Name.ToLowerInvariant()}_indices";

    public override int BlockCount(int phase) => planeResults == 0 ? 0 : (int)planes;

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        T* input = args.Input<T>(0) + block * planeElements, output = args.Output<T>(0) + block * planeResults;
        long* positions = args.Output<long>(1) + block * planeResults;
        for (long i = 0; i < d.Output; i++)
            for (long j = 0; j < h.Output; j++)
                for (long k = 0; k < w.Output; k++)
                {
                    long found = Largest(input, i, j, k, out *output++);
                    *positions++ = found + block * planeElements;
                }
    }

    private long Largest(T* input, long i, long j, long k, out T largest)
    {
        (long dFirst, long dEnd) = d.Inside(i);
        (long hFirst, long hEnd) = h.Inside(j);
        (long wFirst, long wEnd) = w.Inside(k);
        long found = -1;
        largest = T.CreateSaturating(double.NegativeInfinity);
        for (long a = dFirst; a < dEnd; a++)
            for (long b = hFirst; b < hEnd; b++)
                for (long c = wFirst; c < wEnd; c++)
                {
                    long z = d.Start(i) + a * d.Dilation, y = h.Start(j) + b * h.Dilation, x = w.Start(k) + c * w.Dilation;
                    T element = input[(z * h.Input + y) * w.Input + x];
                    if (found >= 0 && !(element > largest)) continue;
                    largest = element;
                    found = z * dStep + y * hStep + x * wStep;
                }
        return found;
    }
}
