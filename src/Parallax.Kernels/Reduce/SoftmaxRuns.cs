using System.Numerics;
using System.Runtime.CompilerServices;

namespace Parallax.Kernels.Reduce;

/// <summary>Softmax and its kin of runs; a result may lie where its run does.</summary>
internal unsafe interface ISoftmaxRun<T> where T : unmanaged
{
    /// <summary>Runs that <see cref="RunLanes"/> takes.</summary>
    static abstract int Lanes { get; }

    /// <summary>One contiguous run.</summary>
    static abstract void Run(SoftmaxKind function, T* x, T* y, int n);

    /// <summary>As many runs as there are lanes, side by side, each with <paramref name="stride"/> elements from one of its elements to the next; no Hardmax.</summary>
    static abstract void RunLanes(SoftmaxKind function, T* x, T* y, int n, nint stride);
}

internal readonly unsafe struct PlainSoftmax<T> : ISoftmaxRun<T> where T : unmanaged, IFloatingPointIeee754<T>
{
    public static int Lanes => 1;

    public static void Run(SoftmaxKind function, T* x, T* y, int n) => SoftmaxKernels.Run(function, new ReadOnlySpan<T>(x, n), new Span<T>(y, n));

    public static void RunLanes(SoftmaxKind function, T* x, T* y, int n, nint stride) => throw new NotSupportedException("one lane is a run");
}

/// <summary>Float32 in three passes: largest, exponentials with their sum, scaling. The rest behind the last whole vector is padded with -infinity.</summary>
internal readonly unsafe struct VectorSoftmax<V> : ISoftmaxRun<float> where V : struct, IVec<V>
{
    public static int Lanes => V.Count;

    public static void Run(SoftmaxKind function, float* x, float* y, int n)
    {
        if (function == SoftmaxKind.Hardmax)
        {
            PlainSoftmax<float>.Run(function, x, y, n);
            return;
        }
        float* rest = stackalloc float[16];
        int whole = n - n % V.Count;
        V.Store(rest, V.Create(float.NegativeInfinity));
        for (int i = whole; i < n; i++) rest[i - whole] = x[i];
        V shift = V.Create(Largest(x, whole, rest));
        if (function == SoftmaxKind.Softmax) Softmax(x, y, whole, n, rest, shift);
        else LogSoftmax(x, y, whole, n, rest, shift);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void RunLanes(SoftmaxKind function, float* x, float* y, int n, nint stride)
    {
        V largest = V.Load(x), sum = default;
        for (int i = 1; i < n; i++)
        {
            V v = V.Load(x + i * stride);
            largest = V.Select(V.Less(largest, v), v, largest);
        }
        if (function == SoftmaxKind.Softmax)
        {
            for (int i = 0; i < n; i++)
            {
                V e = FloatMath.ExpOrZero(V.Load(x + i * stride) - largest);
                V.Store(y + i * stride, e);
                sum += e;
            }
            V factor = V.Create(1f) / sum;
            for (int i = 0; i < n; i++) V.Store(y + i * stride, V.Load(y + i * stride) * factor);
            return;
        }
        for (int i = 0; i < n; i++) sum += FloatMath.ExpOrZero(V.Load(x + i * stride) - largest);
        V log = FloatMath.Log(sum);
        for (int i = 0; i < n; i++) V.Store(y + i * stride, V.Load(x + i * stride) - largest - log);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Softmax(float* x, float* y, int whole, int n, float* rest, V shift)
    {
        V sum = whole < n ? FloatMath.ExpOrZero(V.Load(rest) - shift) : default;
        V.Store(rest, sum);
        for (int i = 0; i < whole; i += V.Count)
        {
            V e = FloatMath.ExpOrZero(V.Load(x + i) - shift);
            V.Store(y + i, e);
            sum += e;
        }
        float inverse = 1 / V.Sum(sum);
        V factor = V.Create(inverse);
        for (int i = 0; i < whole; i += V.Count) V.Store(y + i, V.Load(y + i) * factor);
        for (int i = whole; i < n; i++) y[i] = rest[i - whole] * inverse;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void LogSoftmax(float* x, float* y, int whole, int n, float* rest, V shift)
    {
        V sum = whole < n ? FloatMath.ExpOrZero(V.Load(rest) - shift) : default;
        for (int i = 0; i < whole; i += V.Count) sum += FloatMath.ExpOrZero(V.Load(x + i) - shift);
        V log = V.Create(MathF.Log(V.Sum(sum)));
        for (int i = 0; i < whole; i += V.Count) V.Store(y + i, V.Load(x + i) - shift - log);
        V.Store(rest, V.Load(rest) - shift - log);
        for (int i = whole; i < n; i++) y[i] = rest[i - whole];
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Largest(float* x, int whole, float* rest)
    {
        V largest = V.Load(rest);
        for (int i = 0; i < whole; i += V.Count)
        {
            V v = V.Load(x + i);
            largest = V.Select(V.Less(largest, v), v, largest);
        }
        float* lanes = stackalloc float[16];
        V.Store(lanes, largest);
        float result = lanes[0];
        for (int i = 1; i < V.Count; i++) result = lanes[i] > result ? lanes[i] : result;
        return result;
    }
}
