using System.Numerics;
using System.Numerics.Tensors;
using Parallax.Kernels.Reduce;

namespace Parallax.Kernels.Norm;

/// <summary>Local response normalization of [batch, channels, spatial] over neighbouring channels.</summary>
internal sealed unsafe class LrnKernel<T> : Kernel where T : unmanaged, IFloatingPointIeee754<T>
{
    private const int ChunkLength = 1024;

    private readonly long batch, channels, spatial, chunks, before, after;
    private readonly T alphaOverSize, beta, bias;

    internal LrnKernel(long batch, long channels, long spatial, long size, double alpha, double beta, double bias)
    {
        (this.batch, this.channels, this.spatial) = (batch, channels, spatial);
        chunks = (spatial + ChunkLength - 1) / ChunkLength;
        (before, after) = ((size - 1) / 2, size - 1 - (size - 1) / 2);
        alphaOverSize = T.CreateChecked(alpha / size);
        this.beta = T.CreateChecked(beta);
        this.bias = T.CreateChecked(bias);
    }

    public override string Name => $"lrn_{typeof(T).Name.ToLowerInvariant()}";

    public override int BlockCount(int phase) => (int)(batch * channels * chunks);

    public override long WorkerScratchBytes => ChunkLength * sizeof(T);

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        (long plane, long chunk) = Math.DivRem(block, chunks);
        long channel = plane % channels, start = chunk * ChunkLength;
        int length = (int)Math.Min(ChunkLength, spatial - start);
        Span<T> sum = new(args.WorkerScratch, length);
        sum.Clear();
        T* data = args.Input<T>(0) + plane * spatial + start;
        for (long c = -Math.Min(before, channel); c <= Math.Min(after, channels - 1 - channel); c++)
        {
            ReadOnlySpan<T> neighbour = new(data + c * spatial, length);
            TensorPrimitives.MultiplyAdd(neighbour, neighbour, sum, sum);
        }
        TensorPrimitives.Multiply(sum, alphaOverSize, sum);
        TensorPrimitives.Add(sum, bias, sum);
        TensorPrimitives.Pow(sum, beta, sum);
        TensorPrimitives.Divide(new ReadOnlySpan<T>(data, length), sum, new Span<T>(args.Output<T>(0) + plane * spatial + start, length));
    }
}

/// <summary>Division by the 1- or 2-norm along the middle of [outer, count, inner].</summary>
internal sealed unsafe class LpNormKernel<T> : Kernel where T : unmanaged, IFloatingPointIeee754<T>
{
    private const int ColumnCount = 256;

    private readonly long outer, count, inner, chunks;
    private readonly bool squared;

    internal LpNormKernel(long outer, long count, long inner, bool squared)
    {
        (this.outer, this.count, this.inner, this.squared) = (outer, count, inner, squared);
        chunks = (inner + ColumnCount - 1) / ColumnCount;
    }

    public override string Name => $"lpnorm_{typeof(T).Name.ToLowerInvariant()}_{(squared ? 2 : 1)}";

    public override int BlockCount(int phase) => (int)(outer * chunks);

    public override long WorkerScratchBytes => ColumnCount * sizeof(T);

    public override bool CanRunInPlace(int input) => input == 0;

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        (long o, long chunk) = Math.DivRem(block, chunks);
        long start = o * count * inner + chunk * ColumnCount;
        int width = (int)Math.Min(ColumnCount, inner - chunk * ColumnCount);
        T* x = args.Input<T>(0) + start, y = args.Output<T>(0) + start, norm = (T*)args.WorkerScratch;
        new Span<T>(norm, width).Clear();
        for (long i = 0; i < count; i++)
            for (int j = 0; j < width; j++)
            {
                T element = x[i * inner + j];
                norm[j] += squared ? element * element : T.Abs(element);
            }
        for (int j = 0; j < width; j++)
        {
            T length = squared ? T.Sqrt(norm[j]) : norm[j];
            for (long i = 0; i < count; i++) y[i * inner + j] = length == T.Zero ? T.Zero : x[i * inner + j] / length;
        }
    }
}

/// <summary>(x - mean) / deviation over axes; an output group is one kept position.</summary>
internal sealed unsafe class MeanVarianceKernel<T> : Kernel where T : unmanaged, IFloatingPointIeee754<T>
{
    private readonly ReduceLayout layout;

    internal MeanVarianceKernel(ReduceLayout layout) => this.layout = layout;

    public override string Name => $"mvn_{typeof(T).Name.ToLowerInvariant()}";

    public override int BlockCount(int phase) => (int)layout.Outputs;

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        (long kept, long column) = layout.InnerReduced ? (block, 0L) : Math.DivRem(block, layout.Inner);
        long start = layout.KeptOffset(kept) + column;
        int run = layout.InnerReduced ? (int)layout.Inner : 1;
        T count = T.CreateChecked(layout.PerOutput), mean = T.Zero, square = T.Zero;
        for (long r = 0; r < layout.Reduced; r++) mean += VectorFold.Sum(Run(args.Input<T>(0), start, r, run));
        mean /= count;
        for (long r = 0; r < layout.Reduced; r++) square += VectorFold.SumOfSquaredDifferences(Run(args.Input<T>(0), start, r, run), mean);
        // The operator's definition adds this to the deviation, so that constant data give zeros.
        T deviation = T.Sqrt(square / count) + T.CreateChecked(1e-9);
        for (long r = 0; r < layout.Reduced; r++)
        {
            Span<T> y = new(args.Output<T>(0) + start + layout.ReducedOffset(r), run);
            TensorPrimitives.Subtract(Run(args.Input<T>(0), start, r, run), mean, y);
            TensorPrimitives.Divide(y, deviation, y);
        }
    }

    private ReadOnlySpan<T> Run(T* data, long start, long r, int run) => new(data + start + layout.ReducedOffset(r), run);
}
