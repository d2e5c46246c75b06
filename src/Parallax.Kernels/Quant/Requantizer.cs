using System.Runtime.CompilerServices;

namespace Parallax.Kernels;

/// <summary>
/// Real numbers in units of the result's scale to 8-bit results: the nearest integer, ties to even, limited to the type, plus the zero point.
/// </summary>
internal readonly struct Requantizer
{
    // In floats of this size the last bit is worth 1: adding it rounds as the processor rounds, ties to even.
    private const float Rounding = 3 << 22;

    private readonly float low, high;
    private readonly int toByte;

    /// <param name="zero">The zero point, as a number.</param>
    /// <param name="isSigned">Whether results are int8; otherwise uint8.</param>
    internal Requantizer(int zero, bool isSigned)
    {
        (low, high) = ((isSigned ? sbyte.MinValue : byte.MinValue) - zero, (isSigned ? sbyte.MaxValue : byte.MaxValue) - zero);
        toByte = zero - BitConverter.SingleToInt32Bits(Rounding);
    }

    /// <summary>Lanes of int32 whose low bytes are the results.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal V Apply<V>(V x) where V : struct, IVec<V> => V.AddBits(ByteLanes.Clamp(x, V.Create(low), V.Create(high)) + V.Create(Rounding), V.CreateBits(toByte));

    /// <summary>What <see cref="Row{V}"/> does, for a width.</summary>
    internal static unsafe delegate*<in Requantizer, int*, int, float, float*, byte*, int, void> RowFor(VecWidth width) => width switch
    {
        VecWidth.V512 => &Row<Vec512>,
        VecWidth.V256 => &Row<Vec256>,
        VecWidth.V128 => &Row<Vec128>,
        _ => &Row<Vec1>,
    };

    /// <summary>
    /// <c>y[i] = (sums[i] + add) scales[i]</c>, where there are no scales <paramref name="scale"/>. Whole vectors are
    /// read, up to 15 elements behind the last.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static unsafe void Row<V>(in Requantizer to, int* sums, int add, float scale, float* scales, byte* y, int count) where V : struct, IVec<V>
    {
        byte* last = stackalloc byte[16];
        Requantizer requantizer = to;
        V all = V.CreateBits(add), factor = V.Create(scale);
        for (int i = 0; i < count; i += V.Count)
        {
            V sum = V.AddBits(V.Load((float*)sums + i), all);
            V result = requantizer.Apply(ByteLanes.FromInts(sum) * (scales == null ? factor : V.Load(scales + i)));
            if (count - i >= V.Count)
            {
                ByteLanes.Store(y + i, result);
                continue;
            }
            ByteLanes.Store(last, result);
            for (int j = 0; i + j < count; j++) y[i + j] = last[j];
        }
    }
}
