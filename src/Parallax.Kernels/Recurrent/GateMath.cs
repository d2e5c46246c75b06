using System.Runtime.CompilerServices;

namespace Parallax.Kernels.Recurrent;

/// <summary>Elementwise work of recurrent cells, on padded rows: all lengths are whole vectors.</summary>
internal static unsafe class GateMath<V> where V : struct, IVec<V>
{
    /// <summary>f(clip(x)), in place.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Apply(CellActivation function, float clip, float* data, int n)
    {
        if (clip > 0) Clip(data, n, clip);
        switch (function.Function)
        {
            case CellFunction.Sigmoid:
                for (int i = 0; i < n; i += V.Count) V.Store(data + i, FloatMath.Sigmoid(V.Load(data + i)));
                break;
            case CellFunction.Tanh:
                for (int i = 0; i < n; i += V.Count) V.Store(data + i, FloatMath.Tanh(V.Load(data + i)));
                break;
            default:
                for (int i = 0; i < n; i++) data[i] = Scalar(function, data[i]);
                break;
        }
    }

    /// <summary>target += x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Add(float* target, float* x, int n)
    {
        for (int i = 0; i < n; i += V.Count) V.Store(target + i, V.Load(target + i) + V.Load(x + i));
    }

    /// <summary>target += a * b.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void AddProduct(float* target, float* a, float* b, int n)
    {
        for (int i = 0; i < n; i += V.Count) V.Store(target + i, V.MultiplyAdd(V.Load(a + i), V.Load(b + i), V.Load(target + i)));
    }

    /// <summary>target = a * b.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Multiply(float* target, float* a, float* b, int n)
    {
        for (int i = 0; i < n; i += V.Count) V.Store(target + i, V.Load(a + i) * V.Load(b + i));
    }

    /// <summary>target = 1 - x.</summary>
    internal static void OneMinus(float* target, float* x, int n)
    {
        for (int i = 0; i < n; i += V.Count) V.Store(target + i, V.Create(1f) - V.Load(x + i));
    }

    /// <summary>h = (1 - z) * candidate + z * h.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Blend(float* h, float* z, float* candidate, int n)
    {
        for (int i = 0; i < n; i += V.Count)
        {
            V c = V.Load(candidate + i);
            V.Store(h + i, V.MultiplyAdd(V.Load(z + i), V.Load(h + i) - c, c));
        }
    }

    private static void Clip(float* data, int n, float clip)
    {
        for (int i = 0; i < n; i += V.Count) V.Store(data + i, Vec.Clamp(V.Load(data + i), V.Create(-clip), V.Create(clip)));
    }

    private static float Scalar(CellActivation function, float x) => function.Function switch
    {
        CellFunction.Relu => x < 0 ? 0 : x,
        CellFunction.Affine => function.Alpha * x + function.Beta,
        CellFunction.LeakyRelu => x < 0 ? function.Alpha * x : x,
        CellFunction.ThresholdedRelu => x >= function.Alpha ? x : 0,
        CellFunction.ScaledTanh => function.Alpha * MathF.Tanh(function.Beta * x),
        CellFunction.HardSigmoid => Math.Clamp(function.Alpha * x + function.Beta, 0, 1),
        CellFunction.Elu => x < 0 ? function.Alpha * (MathF.Exp(x) - 1) : x,
        CellFunction.Softsign => x / (1 + Math.Abs(x)),
        CellFunction.Softplus => x > 20 ? x : MathF.Log(1 + MathF.Exp(x)),
        _ => throw new InvalidOperationException($"{function.Function} has a vector form"),
    };
}
