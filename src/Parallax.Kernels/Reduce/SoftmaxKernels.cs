using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;

namespace Parallax.Kernels.Reduce;

/// <summary>Softmax and its kin along the middle of [outer, count, inner]. Float32 and float64.</summary>
public static class SoftmaxKernels
{
    public static Kernel Create(SoftmaxKind function, DType type, long outer, long count, long inner) => type switch
    {
        DType.Float32 => Vec.Widest switch
        {
            VecWidth.V512 => new SoftmaxKernel<float, VectorSoftmax<Vec512>>(function, outer, count, inner),
            VecWidth.V256 => new SoftmaxKernel<float, VectorSoftmax<Vec256>>(function, outer, count, inner),
            VecWidth.V128 => new SoftmaxKernel<float, VectorSoftmax<Vec128>>(function, outer, count, inner),
            _ => new SoftmaxKernel<float, VectorSoftmax<Vec1>>(function, outer, count, inner),
        },
        DType.Float64 => new SoftmaxKernel<double, PlainSoftmax<double>>(function, outer, count, inner),
        _ => throw new UnsupportedModelException($"{function} of {type}", [$"{function} of {type}"]),
    };

    /// <summary>One run, from <paramref name="x"/> to <paramref name="y"/>, which may be the same.</summary>
    internal static void Run<T>(SoftmaxKind function, ReadOnlySpan<T> x, Span<T> y) where T : unmanaged, IFloatingPointIeee754<T>
    {
        T largest = TensorPrimitives.Max(x);
        switch (function)
        {
            case SoftmaxKind.Softmax:
                TensorPrimitives.Subtract(x, largest, y);
                TensorPrimitives.Exp(y, y);
                TensorPrimitives.Multiply(y, T.One / VectorFold.Sum<T>(y), y);
                break;
            case SoftmaxKind.LogSoftmax:
                LogSoftmax(x, largest, y);
                break;
            default:
                int hot = x.IndexOf(largest);
                y.Clear();
                y[Math.Max(hot, 0)] = T.One;
                break;
        }
    }

    // The exponentials go through a small buffer, so that x may be y.
    private static void LogSoftmax<T>(ReadOnlySpan<T> x, T largest, Span<T> y) where T : unmanaged, IFloatingPointIeee754<T>
    {
        Span<T> buffer = stackalloc T[256];
        T sum = T.Zero;
        for (int i = 0; i < x.Length; i += buffer.Length)
        {
            ReadOnlySpan<T> part = x.Slice(i, Math.Min(buffer.Length, x.Length - i));
            TensorPrimitives.Subtract(part, largest, buffer);
            TensorPrimitives.Exp(buffer[..part.Length], buffer);
            sum += VectorFold.Sum<T>(buffer[..part.Length]);
        }
        TensorPrimitives.Subtract(x, largest, y);
        TensorPrimitives.Subtract(y, T.Log(sum), y);
    }
}

internal sealed unsafe class SoftmaxKernel<T, TRun> : Kernel where T : unmanaged, IFloatingPointIeee754<T> where TRun : struct, ISoftmaxRun<T>
{
    private const int ColumnCount = 256;

    private readonly SoftmaxKind function;
    private readonly long outer, inner, chunks, unitsPerBlock;
    private readonly int count;
    private readonly bool across;

    internal SoftmaxKernel(SoftmaxKind function, long outer, long count, long inner)
    {
        (this.function, this.outer, this.count, this.inner) = (function, outer, checked((int)count), inner);
        across = TRun.Lanes > 1 && inner >= TRun.Lanes && function != SoftmaxKind.Hardmax;
        chunks = across ? (inner + ColumnCount - 1) / ColumnCount : inner;
        unitsPerBlock = Math.Max(1, 8192 / Math.Max(1, count * (across ? Math.Min(inner, ColumnCount) : 1)));
    }

    public override string Name => $"{function.ToString().ToLowerInvariant()}_{typeof(T).Name.ToLowerInvariant()}_{(across ? "across" : "along")}";

    public override int BlockCount(int phase) => count == 0 ? 0 : (int)((outer * chunks + unitsPerBlock - 1) / unitsPerBlock);

    public override long WorkerScratchBytes => inner > 1 ? (long)count * sizeof(T) : 0;

    // In place: a strided or whole run is read before it is written, and belongs to one unit.
    public override bool CanRunInPlace(int input) => input == 0;

    public override bool CanRehearse => true;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        long end = Math.Min(outer * chunks, (block + 1) * unitsPerBlock);
        for (long unit = block * unitsPerBlock; unit < end; unit++)
        {
            (long o, long chunk) = Math.DivRem(unit, chunks);
            long start = o * count * inner + chunk * (across ? ColumnCount : 1);
            T* x = args.Input<T>(0) + start, y = args.Output<T>(0) + start;
            if (inner == 1) TRun.Run(function, x, y, count);
            else if (across) Columns(x, y, (int)Math.Min(ColumnCount, inner - chunk * ColumnCount), (T*)args.WorkerScratch);
            else Strided(x, y, (T*)args.WorkerScratch);
        }
    }

    /// <summary>Neighbouring runs side by side, the last, which fill no vector, one by one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Columns(T* x, T* y, int width, T* run)
    {
        int column = 0;
        for (; column <= width - TRun.Lanes; column += TRun.Lanes) TRun.RunLanes(function, x + column, y + column, count, (nint)inner);
        for (; column < width; column++) Strided(x + column, y + column, run);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Strided(T* x, T* y, T* run)
    {
        for (int i = 0; i < count; i++) run[i] = x[i * inner];
        TRun.Run(function, run, run, count);
        for (int i = 0; i < count; i++) y[i * inner] = run[i];
    }
}
