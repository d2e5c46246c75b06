using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Parallax.Kernels.Copy;

namespace Parallax.Kernels.Resize;

/// <summary>Resamples the middle axis of [outer, in, inner] with precomputed weights. A unit is one row of the result, or, for the innermost axis, one line.</summary>
internal sealed unsafe class AxisPass<T> where T : unmanaged, INumber<T>
{
    private readonly AxisWeights axis;
    private readonly T[] weights, bias;
    private readonly int[] first, second; // the two taps apart
    private readonly T[] firstWeight, secondWeight;
    private readonly long inner, units, unitsPerBlock;
    private readonly bool doubles;

    internal AxisPass(AxisWeights axis, long outer, long inner)
    {
        this.axis = axis;
        this.inner = inner;
        weights = Array.ConvertAll(axis.Weights, T.CreateTruncating);
        bias = axis.Bias.Length == 0 ? new T[axis.Length] : Array.ConvertAll(axis.Bias, T.CreateTruncating);
        units = inner == 1 ? outer : outer * axis.Length;
        long unitBytes = (inner == 1 ? axis.Length * 4 : inner) * sizeof(T);
        unitsPerBlock = Math.Max(1, StridedCopy.BlockBytes / 2 / Math.Max(1, unitBytes));
        ResultElements = outer * axis.Length * inner;
        bool pairs = axis.Taps == 2;
        first = pairs ? Every(axis.Indices, 0) : [];
        second = pairs ? Every(axis.Indices, 1) : [];
        firstWeight = pairs ? Every(weights, 0) : [];
        secondWeight = pairs ? Every(weights, 1) : [];
        doubles = IsDoubling();
    }

    internal long ResultElements { get; }

    internal int BlockCount => ResultElements == 0 ? 0 : checked((int)((units + unitsPerBlock - 1) / unitsPerBlock));

    internal void RunBlock(int block, T* source, T* target)
    {
        long end = Math.Min(units, (block + 1) * unitsPerBlock);
        for (long unit = block * unitsPerBlock; unit < end; unit++)
        {
            if (inner > 1) RunRow(unit, source, target + unit * inner);
            else if (axis.Taps == 2) RunPairs(source + unit * axis.InLength, target + unit * axis.Length);
            else RunLine(source + unit * axis.InLength, target + unit * axis.Length);
        }
    }

    private void RunRow(long unit, T* source, T* target)
    {
        (long outer, long o) = Math.DivRem(unit, axis.Length);
        source += outer * axis.InLength * inner;
        int length = checked((int)inner), tap = (int)o * axis.Taps;
        var row = new Span<T>(target, length);
        TensorPrimitives.Multiply(Row(tap), weights[tap], row);
        for (int k = 1; k < axis.Taps; k++)
            if (weights[tap + k] != T.Zero) TensorPrimitives.MultiplyAdd(Row(tap + k), weights[tap + k], row, row);
        if (bias[o] != T.Zero) TensorPrimitives.Add(row, bias[o], row);

        ReadOnlySpan<T> Row(int index) => new(source + axis.Indices[index] * inner, length);
    }

    private void RunLine(T* source, T* target)
    {
        int taps = axis.Taps;
        for (int o = 0; o < bias.Length; o++)
        {
            T sum = bias[o];
            for (int k = o * taps; k < (o + 1) * taps; k++) sum += weights[k] * source[axis.Indices[k]];
            target[o] = sum;
        }
    }

    private void RunPairs(T* source, T* target)
    {
        fixed (int* i0 = first, i1 = second)
        fixed (T* w0 = firstWeight, w1 = secondWeight, b = bias)
        {
            int length = bias.Length, o = 0;
            if (doubles)
            {
                for (; o < 2; o++) target[o] = source[i0[o]] * w0[o] + source[i1[o]] * w1[o] + b[o];
                o = Double((float*)source, (float*)target, o);
            }
            else if (typeof(T) == typeof(float) && Avx2.IsSupported)
            {
                for (; o + 8 <= length; o += 8)
                {
                    Vector256<float> x0 = Avx2.GatherVector256((float*)source, Vector256.Load(i0 + o), 4), x1 = Avx2.GatherVector256((float*)source, Vector256.Load(i1 + o), 4);
                    (x0 * Vector256.Load((float*)w0 + o) + x1 * Vector256.Load((float*)w1 + o) + Vector256.Load((float*)b + o)).Store((float*)target + o);
                }
            }
            for (; o < length; o++) target[o] = source[i0[o]] * w0[o] + source[i1[o]] * w1[o] + b[o];
        }
    }

    /// <summary>The inner part of an enlargement by two, whose weights repeat: <c>r[2i] = a x[i-1] + b x[i], r[2i+1] = c x[i] + d x[i+1]</c>. Returns where it stopped.</summary>
    private int Double(float* source, float* target, int o)
    {
        float a = float.CreateTruncating(firstWeight[2]), b = float.CreateTruncating(secondWeight[2]), c = float.CreateTruncating(firstWeight[3]), d = float.CreateTruncating(secondWeight[3]);
        for (; o / 2 + Vector256<float>.Count < axis.InLength; o += 2 * Vector256<float>.Count)
        {
            float* x = source + o / 2;
            Vector256<float> middle = Vector256.Load(x), even = Vector256.Load(x - 1) * a + middle * b, odd = middle * c + Vector256.Load(x + 1) * d;
            (Vector256<ulong> evenLow, Vector256<ulong> evenHigh) = Vector256.Widen(even.AsUInt32());
            (Vector256<ulong> oddLow, Vector256<ulong> oddHigh) = Vector256.Widen(odd.AsUInt32());
            (evenLow | (oddLow << 32)).Store((ulong*)(target + o));
            (evenHigh | (oddHigh << 32)).Store((ulong*)(target + o) + Vector256<ulong>.Count);
        }
        return o;
    }

    private bool IsDoubling()
    {
        if (typeof(T) != typeof(float) || axis.Taps != 2 || axis.Bias.Length > 0 || axis.Length != 2 * axis.InLength || axis.InLength < 3) return false;
        for (int i = 1; i < axis.InLength - 1; i++)
        {
            int even = 4 * i, odd = even + 2;
            if (axis.Indices[even] != i - 1 || axis.Indices[even + 1] != i || axis.Indices[odd] != i || axis.Indices[odd + 1] != i + 1) return false;
            for (int k = 0; k < 4; k++)
                if (weights[even + k] != weights[4 + k]) return false;
        }
        return true;
    }

    private static TItem[] Every<TItem>(TItem[] pairs, int at) => [.. Enumerable.Range(0, pairs.Length / 2).Select(i => pairs[2 * i + at])];
}
