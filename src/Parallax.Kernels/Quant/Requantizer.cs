using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Parallax.Kernels;

/// <summary>
/// Exact sums to 8-bit results: <c>y = limit(round(sum * factor + addend) + zero)</c>, ties to even. Factors and addends are in units of the result's scale and float64,
/// in which the product of an int32 and two float32 scales is off by 2^-52 of itself: a result is that of real numbers but where they lie that close to a tie.
/// Where one factor serves many sums they are scaled in float32, at less than half the cost, and again in float64 where one of a vector is so close to a tie that float32 may round it otherwise.
/// </summary>
internal readonly unsafe struct Requantizer
{
    // In float64 of this size the last bit is worth 1: adding it rounds as the processor rounds, ties to even, and leaves the integer in the low bits.
    private const double Rounding = 3L << 51;

    /// <summary>Rows of one column of vectors between two looks at how near to a tie their sums came.</summary>
    private const int RowsAtOnce = 32;

    /// <summary>Most sums of two operands that <see cref="Sums"/> takes: their vectors have a bit each.</summary>
    internal const int MaxSums = 256;

    private readonly double low, high;
    private readonly float shiftedLow, shiftedHigh;
    private readonly int zero;

    /// <param name="zero">The zero point, as a number.</param>
    /// <param name="low">The smallest result.</param>
    /// <param name="high">The largest result, of the same 8-bit type as the smallest.</param>
    internal Requantizer(int zero, int low, int high)
    {
        this.zero = zero;
        (this.low, this.high) = (low - zero, high - zero);
        (shiftedLow, shiftedHigh) = (low, high);
    }

    /// <summary>How sums become results that have one factor and addend.</summary>
    internal RowScale ScaleOf(int add, double factor, double addend) => new(add, factor, addend, zero);

    /// <summary><c>y[i] = (sums[i] + add) * factor + addend</c>; whole vectors are read, up to 15 elements behind the last.</summary>
    internal void Row(int* sums, int add, double factor, double addend, byte* y, int count)
    {
        RowScale scale = ScaleOf(add, factor, addend);
        Rows(sums, 0, 1, &scale, y, 0, count);
    }

    /// <summary><c>y[i] = (sums[i] + add) * factors[i] + addends[i]</c>; whole vectors are read, up to 15 elements behind the last.</summary>
    internal void Row(int* sums, int add, double* factors, double* addends, byte* y, int count) => Row<Each>(sums, add, factors, addends, y, count);

    /// <summary>Rows of sums, 64 at most and <paramref name="stride"/> elements apart, each with a scale of its own; whole vectors are read, up to 15 elements behind the last of a row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal void Rows(int* sums, nint stride, int rows, RowScale* scales, byte* y, nint yStride, int count)
    {
        ulong again = Vec512.IsSupported && count >= Vec512.Count ? RoughRows<Vec512>(this, sums, stride, rows, scales, y, yStride, count)
            : Vec256.IsSupported && count >= Vec256.Count ? RoughRows<Vec256>(this, sums, stride, rows, scales, y, yStride, count)
            : count >= Vec128.Count ? RoughRows<Vec128>(this, sums, stride, rows, scales, y, yStride, count) : ulong.MaxValue;
        for (int row = 0; row < rows && again != 0; row++, again >>= 1)
            if ((again & 1) != 0) ExactRow(sums + row * stride, scales[row], y + row * yStride, count);
    }

    /// <summary>A row in float64; whole vectors are read, up to 15 elements behind the last.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void ExactRow(int* sums, in RowScale scale, byte* y, int count)
    {
        double factor = scale.Factor, addend = scale.Addend;
        Row<One>(sums, scale.Add, &factor, &addend, y, count);
    }

    /// <summary>The rows in float32, a vector or more of each, the last of which overlaps those before it; returns a bit for each row that has a sum too near to a tie. It calls nothing, so that constants stay in registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static ulong RoughRows<V>(in Requantizer to, int* sums, nint stride, int rows, RowScale* scales, byte* y, nint yStride, int count) where V : struct, IVec<V>
    {
        ulong again = 0;
        to.Limits(out V low, out V high);
        for (int row = 0; row < rows; row++, scales++, sums += stride, y += yStride)
        {
            V add = V.CreateBits(scales->Add), factor = V.Create(scales->RoughFactor), addend = V.Create(scales->RoughAddend), farthest = default;
            for (int i = 0; i < count; i += V.Count)
            {
                int at = Math.Min(i, count - V.Count);
                Rough(ByteLanes.FromInts(V.AddBits(V.Load((float*)sums + at), add)), factor, addend, low, high, y + at, ref farthest);
            }
            if (!V.AllLess(farthest, V.Create(scales->Safe))) again |= 1ul << row;
        }
        return again;
    }

    /// <summary>Rows of sums, <paramref name="stride"/> elements apart, whose columns have a scale each, those of the lanes from <paramref name="lane"/> on; up to 15 elements are read behind the last of a row.</summary>
    internal void Columns(int* sums, nint stride, int rows, in LaneScales scales, int lane, byte* y, nint yStride, int count)
    {
        if (Vec512.IsSupported && count >= Vec512.Count) Columns<Vec512>(sums, stride, rows, scales, lane, y, yStride, count);
        else if (Vec256.IsSupported && count >= Vec256.Count) Columns<Vec256>(sums, stride, rows, scales, lane, y, yStride, count);
        else if (count >= Vec128.Count) Columns<Vec128>(sums, stride, rows, scales, lane, y, yStride, count);
        else
            for (int row = 0; row < rows; row++) ExactColumns(sums + row * stride, scales, lane, y + row * yStride, count);
    }

    /// <summary>A vector of columns after another, the last of which overlaps those before it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Columns<V>(int* sums, nint stride, int rows, in LaneScales scales, int lane, byte* y, nint yStride, int count) where V : struct, IVec<V>
    {
        for (int i = 0; i < count; i += V.Count)
        {
            int at = Math.Min(i, count - V.Count);
            for (int row = 0; row < rows; row += RowsAtOnce)
            {
                int some = Math.Min(RowsAtOnce, rows - row);
                int* from = sums + row * stride + at;
                byte* to = y + row * yStride + at;
                if (!RoughColumns<V>(this, from, stride, some, scales, lane + at, to, yStride)) ExactColumns<V>(this, from, stride, some, scales, lane + at, to, yStride);
            }
        }
    }

    /// <summary>A vector of columns in float32; whether no sum is too near to a tie.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static bool RoughColumns<V>(in Requantizer to, int* sums, nint stride, int rows, in LaneScales scales, int lane, byte* y, nint yStride) where V : struct, IVec<V>
    {
        to.Limits(out V low, out V high);
        V add = V.Load((float*)scales.Adds + lane), factor = V.Load(scales.RoughFactors + lane), addend = V.Load(scales.RoughAddends + lane), farthest = default;
        for (int row = 0; row < rows; row++, sums += stride, y += yStride)
            Rough(ByteLanes.FromInts(V.AddBits(V.Load((float*)sums), add)), factor, addend, low, high, y, ref farthest);
        return V.AllLess(farthest, V.Load(scales.Safe + lane));
    }

    /// <summary>A vector of columns: those rows in float64 of which a sum is too near to a tie.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ExactColumns<V>(in Requantizer to, int* sums, nint stride, int rows, in LaneScales scales, int lane, byte* y, nint yStride) where V : struct, IVec<V>
    {
        byte* rough = stackalloc byte[Vec.LineElements];
        to.Limits(out V low, out V high);
        V add = V.Load((float*)scales.Adds + lane), factor = V.Load(scales.RoughFactors + lane), addend = V.Load(scales.RoughAddends + lane), safe = V.Load(scales.Safe + lane);
        for (int row = 0; row < rows; row++, sums += stride, y += yStride)
        {
            V farthest = default;
            Rough(ByteLanes.FromInts(V.AddBits(V.Load((float*)sums), add)), factor, addend, low, high, rough, ref farthest);
            if (!V.AllLess(farthest, safe)) to.ExactColumns(sums, scales, lane, y, V.Count);
        }
    }

    /// <summary>Up to 16 columns of a row in float64.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void ExactColumns(int* sums, in LaneScales scales, int lane, byte* y, int count)
    {
        int* exact = stackalloc int[Vec.LineElements];
        for (int i = 0; i < count; i++) exact[i] = sums[i] + scales.Adds[lane + i];
        Row(exact, 0, scales.Factors + lane, scales.Addends + lane, y, count);
    }

    /// <summary>An addend in units of the result's scale, and the zero point.</summary>
    internal double Shifted(double addend) => addend + zero;

    /// <summary>How many sums of two operands a vector has of so many; 0 where these are too few.</summary>
    internal static int SumsAtOnce(int count) =>
        Vec512.IsSupported && count >= Vec512.Count ? Vec512.Count : Vec256.IsSupported && count >= Vec256.Count ? Vec256.Count : count >= Vec128.Count ? Vec128.Count : 0;

    /// <summary>
    /// <c>y[i] = (a[i] xor aFlip) * scale.A + (b[i] xor bFlip) * scale.B + scale.Addend</c> in float32, of at least one vector, the last of which overlaps those before it; returns a bit for
    /// each vector that has a sum too near to a tie.
    /// </summary>
    internal ulong Sums(in SumScale scale, byte* a, int aFlip, byte* b, int bFlip, byte* y, int count) => SumsAtOnce(count) switch
    {
        16 => Sums<Vec512>(this, scale, a, aFlip, b, bFlip, y, count),
        8 => Sums<Vec256>(this, scale, a, aFlip, b, bFlip, y, count),
        _ => Sums<Vec128>(this, scale, a, aFlip, b, bFlip, y, count),
    };

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static ulong Sums<V>(in Requantizer to, in SumScale scale, byte* a, int aFlip, byte* b, int bFlip, byte* y, int count) where V : struct, IVec<V>
    {
        ulong again = 0;
        to.Limits(out V low, out V high);
        V aFactor = V.Create(scale.A), bFactor = V.Create(scale.B), addend = V.Create(scale.Addend), safe = V.Create(scale.Safe), aFlips = V.CreateBits(aFlip), bFlips = V.CreateBits(bFlip);
        for (int i = 0, vector = 0; i < count; i += V.Count, vector++)
        {
            int at = Math.Min(i, count - V.Count);
            V x = ByteLanes.FromInts(V.Xor(ByteLanes.Load<V>(a + at), aFlips)), z = ByteLanes.FromInts(V.Xor(ByteLanes.Load<V>(b + at), bFlips)), farthest = default;
            Rough(x, aFactor, V.MultiplyAdd(z, bFactor, addend), low, high, y + at, ref farthest);
            if (!V.AllLess(farthest, safe)) again |= 1ul << vector;
        }
        return again;
    }

    /// <summary>The smallest and the largest result, as <see cref="Rough"/> takes them.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void Limits<V>(out V low, out V high) where V : struct, IVec<V> => (low, high) = (V.Create(shiftedLow), V.Create(shiftedHigh));

    /// <summary>A vector of sums in float32: results, and the farthest that any was from an integer.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Rough<V>(V sums, V factor, V addend, V low, V high, byte* y, ref V farthest) where V : struct, IVec<V> =>
        ByteLanes.Store(y, ByteLanes.RoundToInts(V.Min(high, V.Max(low, V.MultiplyAdd(sums, factor, addend))), ref farthest));

    private void Row<P>(int* sums, int add, double* factors, double* addends, byte* y, int count) where P : struct, IParameters
    {
        if (Vector512.IsHardwareAccelerated) Row<Sums512<P>>(this, sums, add, factors, addends, y, count);
        else if (Vector256.IsHardwareAccelerated) Row<Sums256<P>>(this, sums, add, factors, addends, y, count);
        else Row<Sums128<P>>(this, sums, add, factors, addends, y, count);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Row<S>(in Requantizer to, int* sums, int add, double* factors, double* addends, byte* y, int count) where S : struct, ISums
    {
        byte* last = stackalloc byte[16];
        Requantizer requantizer = to;
        int i = 0;
        for (; i <= count - S.Count; i += S.Count) S.Apply(requantizer, sums, add, factors, addends, i, y + i);
        if (i == count) return;
        S.Apply(requantizer, sums, add, factors, addends, i, last);
        for (int j = 0; i + j < count; j++) y[i + j] = last[j];
    }

    /// <summary>Factors or addends of the sums from one on.</summary>
    private interface IParameters
    {
        static abstract Vector512<double> At512(double* values, int i);

        static abstract Vector256<double> At256(double* values, int i);

        static abstract Vector128<double> At128(double* values, int i);
    }

    /// <summary>One number for all sums.</summary>
    private readonly struct One : IParameters
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<double> At512(double* values, int i) => Vector512.Create(*values);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<double> At256(double* values, int i) => Vector256.Create(*values);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector128<double> At128(double* values, int i) => Vector128.Create(*values);
    }

    /// <summary>A number for each sum.</summary>
    private readonly struct Each : IParameters
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<double> At512(double* values, int i) => Vector512.Load(values + i);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<double> At256(double* values, int i) => Vector256.Load(values + i);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector128<double> At128(double* values, int i) => Vector128.Load(values + i);
    }

    /// <summary>As many sums as a vector holds.</summary>
    private interface ISums
    {
        static abstract int Count { get; }

        /// <summary>The sums from <paramref name="i"/> on; <paramref name="y"/> is where the first result goes.</summary>
        static abstract void Apply(in Requantizer to, int* sums, int add, double* factors, double* addends, int i, byte* y);
    }

    private readonly struct Sums512<P> : ISums where P : struct, IParameters
    {
        public static int Count => 16;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Apply(in Requantizer to, int* sums, int add, double* factors, double* addends, int i, byte* y)
        {
            (Vector512<long> lower, Vector512<long> upper) = Vector512.Widen(Vector512.Load(sums + i) + Vector512.Create(add));
            Vector512<int> results = Vector512.Narrow(
                Round(to, lower, P.At512(factors, i), P.At512(addends, i)), Round(to, upper, P.At512(factors, i + 8), P.At512(addends, i + 8)));
            ByteLanes.Store(y, Unsafe.BitCast<Vector512<int>, Vec512>(results + Vector512.Create(to.zero)));
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector512<long> Round(in Requantizer to, Vector512<long> sums, Vector512<double> factors, Vector512<double> addends)
        {
            Vector512<double> rounding = Vector512.Create(Rounding), exact = (sums + rounding.AsInt64()).AsDouble() - rounding;
            Vector512<double> scaled = Vector512.MultiplyAddEstimate(exact, factors, addends);
            return (Vector512.MinNative(Vector512.MaxNative(scaled, Vector512.Create(to.low)), Vector512.Create(to.high)) + rounding).AsInt64();
        }
    }

    private readonly struct Sums256<P> : ISums where P : struct, IParameters
    {
        public static int Count => 8;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Apply(in Requantizer to, int* sums, int add, double* factors, double* addends, int i, byte* y)
        {
            (Vector256<long> lower, Vector256<long> upper) = Vector256.Widen(Vector256.Load(sums + i) + Vector256.Create(add));
            Vector256<int> results = Vector256.Narrow(
                Round(to, lower, P.At256(factors, i), P.At256(addends, i)), Round(to, upper, P.At256(factors, i + 4), P.At256(addends, i + 4)));
            ByteLanes.Store(y, Unsafe.BitCast<Vector256<int>, Vec256>(results + Vector256.Create(to.zero)));
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector256<long> Round(in Requantizer to, Vector256<long> sums, Vector256<double> factors, Vector256<double> addends)
        {
            Vector256<double> rounding = Vector256.Create(Rounding), exact = (sums + rounding.AsInt64()).AsDouble() - rounding;
            Vector256<double> scaled = Vector256.MultiplyAddEstimate(exact, factors, addends);
            return (Vector256.MinNative(Vector256.MaxNative(scaled, Vector256.Create(to.low)), Vector256.Create(to.high)) + rounding).AsInt64();
        }
    }

    private readonly struct Sums128<P> : ISums where P : struct, IParameters
    {
        public static int Count => 4;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Apply(in Requantizer to, int* sums, int add, double* factors, double* addends, int i, byte* y)
        {
            (Vector128<long> lower, Vector128<long> upper) = Vector128.Widen(Vector128.Load(sums + i) + Vector128.Create(add));
            Vector128<int> results = Vector128.Narrow(
                Round(to, lower, P.At128(factors, i), P.At128(addends, i)), Round(to, upper, P.At128(factors, i + 2), P.At128(addends, i + 2)));
            ByteLanes.Store(y, Unsafe.BitCast<Vector128<int>, Vec128>(results + Vector128.Create(to.zero)));
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector128<long> Round(in Requantizer to, Vector128<long> sums, Vector128<double> factors, Vector128<double> addends)
        {
            Vector128<double> rounding = Vector128.Create(Rounding), exact = (sums + rounding.AsInt64()).AsDouble() - rounding;
            Vector128<double> scaled = Vector128.MultiplyAddEstimate(exact, factors, addends);
            return (Vector128.MinNative(Vector128.MaxNative(scaled, Vector128.Create(to.low)), Vector128.Create(to.high)) + rounding).AsInt64();
        }
    }
}

/// <summary>How the sums of a row become results: <c>y = (sum + Add) * Factor + Addend</c>, to which the zero point is added.</summary>
internal readonly struct RowScale
{
    internal readonly double Factor, Addend;
    internal readonly int Add;

    /// <summary>
    /// Factor, and the sum of addend and zero point, in float32, and how far from an integer a sum may be that they scaled, for the exact one to be rounded to the same; nothing is so near where
    /// there is no such bound.
    /// </summary>
    internal readonly float RoughFactor, RoughAddend, Safe;

    internal RowScale(int add, double factor, double addend, int zero)
    {
        (Add, Factor, Addend) = (add, factor, addend);
        (RoughFactor, RoughAddend) = ((float)factor, (float)(addend + zero));
        // The sum as a float, factor, addend and result are off by 2^-24 of themselves each. Results beyond 257 are limited to the same number either way; the product of others is no larger than 257 and the addend together.
        double error = (200 + Math.Abs(addend + zero)) / (1 << 22);
        Safe = float.IsNormal(RoughFactor) ? (float)(0.5 - error) : -1;
    }
}

/// <summary>How two operands without a sign become one result: <c>a * A + b * B + Addend</c>, in float32, the zero point included.</summary>
internal readonly struct SumScale
{
    internal readonly float A, B, Addend;

    /// <summary>As <see cref="RowScale.Safe"/>.</summary>
    internal readonly float Safe;

    internal SumScale(double a, double b, double addend)
    {
        (A, B, Addend) = ((float)a, (float)b, (float)addend);
        // Factors, addend, the sum so far and the result are off by 2^-24 of themselves each; operands are at most 255, and the result 257 where it matters.
        double error = (100 + 255 * (Math.Abs(a) + Math.Abs(b)) + Math.Abs(addend)) / (1 << 22);
        Safe = float.IsNormal(A) && float.IsNormal(B) ? (float)(0.5 - error) : -1;
    }
}
