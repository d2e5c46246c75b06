using System.Numerics;
using System.Runtime.InteropServices;
using Parallax.Kernels;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Kernels;

public sealed class ElementwiseTests
{
    private const int Seed = 20;

    public static TheoryData<string, string, string> BroadcastShapes => new()
    {
        { "", "", "" }, { "7", "", "1" }, { "0,3", "3", "0,1" }, { "5,1,7", "1,4,1", "7" }, { "2,3,4,5", "3,1,1", "2,1,4,1" }, { "2,3,4,5", "2,3,4,5", "5" },
        { "1,1,33", "17,1", "1" }, { "70000", "70000", "1" }, { "3,20000", "3,1", "20000" }, { "20000,3", "20000,1", "3" }, { "2,1,2,1,2,1,2", "2,1,2,1,2", "1,2,1,2,1,2" },
        { "129,131", "1,131", "129,131" },
    };

    [Theory]
    [MemberData(nameof(BroadcastShapes))]
    public void BroadcastingReadsTheElementsThatNumPyWould(string first, string second, string third)
    {
        long[][] operands = [Dims(first), Dims(second), Dims(third)];
        long[] dims = Join(Join(operands[0], operands[1]), operands[2]);
        int count = (int)Shape.Count(dims);
        Tensor a = Numbers(operands[0], 1), b = Numbers(operands[1], 2);
        Tensor condition = Tensor.From(RandomData.Integers<byte>((int)Shape.Count(operands[2]), Seed, 0, 1).Select(v => v != 0).ToArray(), operands[2]);
        long[] pairDims = Join(operands[0], operands[1]);
        var pair = new Broadcast(pairDims, operands[0], operands[1]);
        Tensor difference = KernelRun.Run(BinaryKernels.Create(BinaryFunction.Sub, DType.Float32, pair), DType.Float32, pairDims, a, b);
        Tensor less = KernelRun.Run(BinaryKernels.Create(BinaryFunction.Less, DType.Float32, pair), DType.Bool, pairDims, a, b);
        for (int i = 0; i < difference.ElementCount; i++)
        {
            float x = a.Span<float>()[At(i, pairDims, operands[0])], y = b.Span<float>()[At(i, pairDims, operands[1])];
            Assert.Equal(x - y, difference.Span<float>()[i]);
            Assert.Equal(x < y, less.Span<bool>()[i]);
        }
        var three = new Broadcast(dims, operands[2], operands[0], operands[1]);
        Tensor chosen = KernelRun.Run(new SelectKernel<uint>(three), DType.Float32, dims, condition, a, b);
        for (int i = 0; i < count; i++)
            Assert.Equal(condition.Span<bool>()[At(i, dims, operands[2])] ? a.Span<float>()[At(i, dims, operands[0])] : b.Span<float>()[At(i, dims, operands[1])], chosen.Span<float>()[i]);
    }

    [Fact]
    public void BroadcastingRefusesWhatDoesNotFit() => Assert.Throws<ArgumentException>(() => new Broadcast([4, 3], [4, 3], [2]));

    [Theory]
    [InlineData(UnaryFunction.Exp, 0f, 0f)]
    [InlineData(UnaryFunction.Erf, 0f, 0f)]
    [InlineData(UnaryFunction.Elu, 1.5f, 0f)]
    [InlineData(UnaryFunction.Selu, 1.67f, 1.05f)]
    [InlineData(UnaryFunction.Celu, 2f, 0f)]
    [InlineData(UnaryFunction.Softplus, 0f, 0f)]
    [InlineData(UnaryFunction.Softsign, 0f, 0f)]
    [InlineData(UnaryFunction.ThresholdedRelu, 0.7f, 0f)]
    [InlineData(UnaryFunction.Shrink, 0.5f, 0.25f)]
    [InlineData(UnaryFunction.Mish, 0f, 0f)]
    [InlineData(UnaryFunction.Gelu, 0f, 0f)]
    [InlineData(UnaryFunction.GeluTanh, 0f, 0f)]
    [InlineData(UnaryFunction.Swish, 1f, 0f)]
    [InlineData(UnaryFunction.Swish, 1.702f, 0f)]
    [InlineData(UnaryFunction.HardSwish, 0f, 0f)]
    [InlineData(UnaryFunction.Sin, 0f, 0f)]
    [InlineData(UnaryFunction.Atan, 0f, 0f)]
    [InlineData(UnaryFunction.Round, 0f, 0f)]
    public void FloatFunctionsFollowTheirFormulas(UnaryFunction function, float alpha, float beta)
    {
        foreach (int count in (int[])[0, 1, 3, 4, 7, 8, 15, 16, 17, 31, 33, 257, 16384, 16401])
        {
            using var x = new GuardedBuffer<float>([.. RandomData.Floats(count, Seed).Select(v => v * 9)]);
            using var y = new GuardedBuffer<float>(count);
            Run(UnaryKernels.Create(function, DType.Float32, count, alpha, beta), x, y);
            for (int i = 0; i < count; i++)
            {
                double expected = Formula(function, x.Span[i], alpha, beta);
                Assert.True(Math.Abs(expected - y.Span[i]) <= 4e-6 * Math.Max(Math.Abs(expected), 0.15), $"{function}({x.Span[i]:R}) = {y.Span[i]:R}, expected {expected:R} (seed {Seed}, {i} of {count})");
            }
        }
    }

    [Fact]
    public void SoftplusAndEluKeepTheirDigitsInTheTails()
    {
        float[] x = [-80f, -30f, -1e-6f, 0f, 1e-6f, 30f, 90f];
        Span<float> softplus = Unary(UnaryFunction.Softplus, x), elu = Unary(UnaryFunction.Elu, x, 1f);
        for (int i = 0; i < x.Length; i++)
        {
            double e = Math.Exp(-Math.Abs((double)x[i])), expected = Math.Max(x[i], 0) + (e < 1e-6 ? e : Math.Log(1 + e));
            Assert.InRange(softplus[i], expected * (1 - 1e-6), expected * (1 + 1e-6));
        }
        Assert.Equal(-1e-6, elu[2], 1e-12);
        Assert.Equal(-1f, elu[0]);
    }

    [Fact]
    public void NaNStaysNaNAndInfinitiesEndInTheirLimits()
    {
        float[] x = [float.NaN, float.PositiveInfinity, float.NegativeInfinity];
        foreach (UnaryFunction function in (UnaryFunction[])[UnaryFunction.Relu, UnaryFunction.Exp, UnaryFunction.Sigmoid, UnaryFunction.Tanh, UnaryFunction.Softplus, UnaryFunction.Sign, UnaryFunction.Abs])
            Assert.True(float.IsNaN(Unary(function, x)[0]), $"{function}");
        Assert.Equal([float.PositiveInfinity, 0f], Unary(UnaryFunction.Exp, x)[1..].ToArray());
        Assert.Equal([1f, 0f], Unary(UnaryFunction.Sigmoid, x)[1..].ToArray());
        Assert.Equal([float.PositiveInfinity, -2f], Unary(UnaryFunction.Elu, x, 2f)[1..].ToArray());
        Tensor positive = KernelRun.Run(UnaryKernels.Create(UnaryFunction.IsInf, DType.Float32, 3, 1f, 0f), DType.Bool, [3], Tensor.From(x, [3]));
        Assert.Equal([false, true, false], positive.Span<bool>().ToArray());
    }

    [Fact]
    public void IntegerDivisionNeverFaults()
    {
        int[] x = [7, -7, int.MinValue, 5, int.MinValue, 0], y = [2, 2, -1, 0, 0, -1];
        Assert.Equal([3, -3, int.MinValue, 0, 0, 0], Binary(BinaryFunction.Div, x, y));
        Assert.Equal([1, 1, 0, 0, 0, 0], Binary(BinaryFunction.Mod, x, y));
        Assert.Equal([1, -1, 0, 0, 0, 0], Binary(BinaryFunction.FMod, x, y));
        Assert.Equal([-1, 1, -2], Binary(BinaryFunction.Mod, [5, -5, 4], [-3, 3, -3]));
        Assert.Equal([255, 0, 127], Binary<byte>(BinaryFunction.Div, [255, 3, 255], [1, 255, 2]));
        Assert.Equal([sbyte.MinValue], Binary<sbyte>(BinaryFunction.Div, [sbyte.MinValue], [-1]));
    }

    [Fact]
    public void ShiftsByTheWidthOrMoreLeaveNothing()
    {
        Assert.Equal([254, 0, 0], Binary<byte>(BinaryFunction.ShiftLeft, [255, 255, 255], [1, 8, 200]));
        Assert.Equal([127, 0, 0], Binary<byte>(BinaryFunction.ShiftRight, [255, 255, 255], [1, 8, 200]));
    }

    [Fact]
    public void IntegerPowersAreExact()
    {
        var loop = new Broadcast([3], [3], [3]);
        Tensor power = KernelRun.Run(PowKernels.Create(DType.Int64, DType.Int32, loop), DType.Int64, [3], Tensor.From([3037000499L, -3L, -1L], [3]), Tensor.From([2, 3, -3], [3]));
        Assert.Equal([9223372030926249001L, -27L, -1L], power.Span<long>().ToArray());
    }

    [Theory]
    [InlineData(BinaryFunction.Equal)]
    [InlineData(BinaryFunction.Greater)]
    [InlineData(BinaryFunction.GreaterOrEqual)]
    [InlineData(BinaryFunction.Less)]
    [InlineData(BinaryFunction.LessOrEqual)]
    public void ComparisonsOfRowsAndSingleElements(BinaryFunction function)
    {
        float[] floats = [-2, float.NaN, 0, -0f, float.PositiveInfinity, 1, float.NegativeInfinity];
        int[] integers = [int.MinValue, -1, 0, 3, int.MaxValue];
        uint[] naturals = [0, 1, int.MaxValue, 0x80000000, uint.MaxValue];
        foreach (int count in (int[])[1, 15, 16, 17, 53])
        {
            Check(DType.Float32, floats, count);
            Check(DType.Int32, integers, count);
            Check(DType.UInt32, naturals, count);
            Check(DType.Int64, (long[])[long.MinValue, 4, -7, 4], count);
        }

        void Check<T>(DType type, T[] values, int count) where T : unmanaged, INumber<T>
        {
            T[] some = [.. Enumerable.Range(0, count).Select(i => values[i % values.Length])], others = [.. Enumerable.Range(0, count).Select(i => values[i * 3 / 2 % values.Length])];
            foreach ((T[] x, T[] y) in ((T[], T[])[])[(some, others), (some, [values[1]]), ([values[2]], others)])
            {
                long[] xDims = [x.Length], yDims = [y.Length], dims = [count];
                Tensor result = KernelRun.Run(BinaryKernels.Create(function, type, new Broadcast(dims, xDims, yDims)), DType.Bool, dims, Tensor.From(x, xDims), Tensor.From(y, yDims));
                for (int i = 0; i < count; i++)
                {
                    (T a, T b) = (x[i % x.Length], y[i % y.Length]);
                    bool expected = function switch
                    {
                        BinaryFunction.Equal => a == b,
                        BinaryFunction.Greater => a > b,
                        BinaryFunction.GreaterOrEqual => a >= b,
                        BinaryFunction.Less => a < b,
                        _ => a <= b,
                    };
                    Assert.Equal(expected ? 1 : 0, result.Bytes[i]);
                }
            }
        }
    }

    [Fact]
    public void MinAndMaxPropagateNaN()
    {
        float[] x = [1f, float.NaN, 2f], y = [float.NaN, 1f, -2f];
        Assert.Equal([float.NaN, float.NaN, 2f], Binary(BinaryFunction.Max, x, y));
        Assert.Equal([float.NaN, float.NaN, -2f], Binary(BinaryFunction.Min, x, y));
    }

    [Fact]
    public void CastsRoundWrapAndSaturateAsDocumented()
    {
        float[] x = [-1.7f, 300.9f, float.NaN, 1e20f, -0.5f, 255f];
        Assert.Equal([-1, 300, 0, int.MaxValue, 0, 255], Cast<float, int>(x, DType.Float32, DType.Int32));
        Assert.Equal([255, 44, 0, 255, 0, 255], Cast<float, byte>(x, DType.Float32, DType.UInt8));
        Assert.Equal([true, true, true, true, true, true], Cast<float, bool>(x, DType.Float32, DType.Bool));
        Assert.Equal([0xFF, 0x1D, 0x01], Cast<int, byte>([-1, -1, -3, 1, 1], DType.Int32, DType.Int4));
        Assert.Equal([-1, -1, -3, 1, 1], Cast<byte, long>(new byte[] { 0xFF, 0x1D, 0x01 }, DType.Int4, DType.Int64, count: 5));
        Assert.Equal([3, 2, 1, 0, 1], Cast<byte, byte>(new byte[] { 0b00_01_10_11, 0b01 }, DType.UInt2, DType.UInt8, count: 5));
    }

    [Fact]
    public void EveryFloat4RoundsToItselfAndTiesGoToEven()
    {
        for (int code = 0; code < 16; code++)
        {
            var value = new float[1];
            NarrowElements.Reader(DType.Float4E2M1)([(byte)code], value);
            Assert.Equal(code, NarrowElements.RoundToE2M1(value[0]));
        }
        float[] ties = [0.25f, 0.75f, 1.25f, 1.75f, 2.5f, 3.5f, 5f, 100f];
        Assert.Equal([0, 2, 2, 4, 4, 6, 6, 7], Array.ConvertAll(ties, NarrowElements.RoundToE2M1));
    }

    [Fact]
    public void NarrowFloatsAreRoundedAsTheirTypesSay()
    {
        float[] x = [.. RandomData.Floats(531, Seed).Select((v, i) => v * MathF.Pow(10, i % 9 - 4)), float.NaN, float.PositiveInfinity, 1e-41f, -0f, 3.4e38f, 65520f];
        Assert.Equal(Array.ConvertAll(x, v => BFloat16.Round(v)), Cast<float, BFloat16>(x, DType.Float32, DType.BFloat16));
        Assert.Equal(Array.ConvertAll(x, v => (Half)v), Cast<float, Half>(x, DType.Float32, DType.Float16));
        BFloat16[] narrow = [.. Enumerable.Range(0, 600).Select(i => new BFloat16((ushort)(i * 109)))];
        Assert.Equal(Array.ConvertAll(narrow, BFloat16.Widen), Cast<BFloat16, float>(narrow, DType.BFloat16, DType.Float32));
        Half[] halves = [.. Enumerable.Range(0, 600).Select(i => BitConverter.UInt16BitsToHalf((ushort)(i * 109)))];
        Assert.Equal(Array.ConvertAll(halves, h => (float)h), Cast<Half, float>(halves, DType.Float16, DType.Float32));
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(37, 1)]
    [InlineData(37, 37)]
    public void PReluScalesWhatIsNegative(int count, int slopes)
    {
        float[] x = RandomData.Floats(count, Seed), slope = RandomData.Floats(slopes, Seed + 1);
        var loop = new Broadcast([count], [count], [slopes]);
        Tensor y = KernelRun.Run(BinaryKernels.Create(BinaryFunction.PRelu, DType.Float32, loop), DType.Float32, [count], Tensor.From(x, [count]), Tensor.From(slope, [slopes]));
        for (int i = 0; i < count; i++) Assert.Equal(x[i] < 0 ? x[i] * slope[slopes == 1 ? 0 : i] : x[i], y.Span<float>()[i]);
    }

    [Fact]
    public void ClipTakesEitherBoundAndLetsTheMaximumWin()
    {
        float[] x = [-2f, float.NaN, 0.5f, 7f];
        Tensor low = Tensor.Scalar(-1f), high = Tensor.Scalar(1f);
        Assert.Equal([-1f, float.NaN, 0.5f, 1f], Clip(low, high));
        Assert.Equal([-1f, float.NaN, 0.5f, 7f], Clip(low, null));
        Assert.Equal([-2f, float.NaN, 0.5f, 1f], Clip(null, high));
        Assert.Equal([-1f, float.NaN, -1f, -1f], Clip(high, low));
        Tensor ints = KernelRun.Run(new ClipKernel<sbyte>(3, true, true), DType.Int8, [3], Tensor.From(new sbyte[] { -100, 3, 100 }, [3]), Tensor.Scalar((sbyte)-5), Tensor.Scalar((sbyte)5));
        Assert.Equal([-5, 3, 5], ints.Span<sbyte>().ToArray());

        float[] Clip(Tensor? min, Tensor? max) =>
            KernelRun.Run(new ClipKernel<float>(4, min is not null, max is not null), DType.Float32, [4], Tensor.From(x, [4]), min, max).Span<float>().ToArray();
    }

    public static TheoryData<string> InPlaceKernels => [.. InPlace.Keys];

    private static readonly Dictionary<string, Func<int, (Kernel Kernel, DType From, DType To)>> InPlace = new()
    {
        ["abs"] = n => (UnaryKernels.Create(UnaryFunction.Abs, DType.Float32, n), DType.Float32, DType.Float32),
        ["gelu"] = n => (UnaryKernels.Create(UnaryFunction.Gelu, DType.Float32, n), DType.Float32, DType.Float32),
        ["neg int"] = n => (UnaryKernels.Create(UnaryFunction.Neg, DType.Int32, n), DType.Int32, DType.Int32),
        ["clip"] = n => (new ClipKernel<float>(n, false, false), DType.Float32, DType.Float32),
        ["to int"] = n => (CastKernels.Create(DType.Float32, DType.Int32, n), DType.Float32, DType.Int32),
        ["from int"] = n => (CastKernels.Create(DType.Int32, DType.Float32, n), DType.Int32, DType.Float32),
        ["to double"] = n => (CastKernels.Create(DType.Int64, DType.Float64, n), DType.Int64, DType.Float64),
        ["to short"] = n => (CastKernels.Create(DType.Float16, DType.Int16, n), DType.Float16, DType.Int16),
        ["to brain float"] = n => (CastKernels.Create(DType.Float16, DType.BFloat16, n), DType.Float16, DType.BFloat16),
        ["to signed"] = n => (CastKernels.Create(DType.UInt8, DType.Int8, n), DType.UInt8, DType.Int8),
    };

    [Theory]
    [MemberData(nameof(InPlaceKernels))]
    public void KernelsThatMayRunInPlaceDo(string name)
    {
        foreach (int count in (int[])[1, 9, 700, 20_000])
        {
            (Kernel kernel, DType from, DType to) = InPlace[name](count);
            Assert.True(kernel.CanRunInPlace(0));
            Tensor x = Tensor.Allocate(from, [count]);
            byte[] bytes = RandomData.Integers<byte>((int)x.ByteCount, Seed, 0, 0x42);
            bytes.CopyTo(x.Bytes);
            byte[] expected = KernelRun.Run(kernel, to, [count], x).Bytes.ToArray();
            KernelRun.Run(kernel, [x], [new Tensor(to, [count], x.Storage!)]);
            Assert.Equal(expected, x.Bytes.ToArray());
        }
    }

    private static TOut[] Cast<TIn, TOut>(TIn[] x, DType from, DType to, int count = -1) where TIn : unmanaged where TOut : unmanaged
    {
        if (count < 0) count = x.Length;
        Tensor input = Tensor.Allocate(from, [count]), output = Tensor.Allocate(to, [count]);
        MemoryMarshal.AsBytes(x.AsSpan()).CopyTo(input.Bytes);
        KernelRun.Run(CastKernels.Create(from, to, count), [input], [output]);
        return MemoryMarshal.Cast<byte, TOut>(output.Bytes).ToArray();
    }

    private static Span<float> Unary(UnaryFunction function, float[] x, float alpha = 0f) =>
        KernelRun.Run(UnaryKernels.Create(function, DType.Float32, x.Length, alpha), DType.Float32, [x.Length], Tensor.From(x, [x.Length])).Span<float>();

    private static T[] Binary<T>(BinaryFunction function, T[] x, T[] y) where T : unmanaged
    {
        var loop = new Broadcast([x.Length], [x.Length], [y.Length]);
        return KernelRun.Run(BinaryKernels.Create(function, DTypes.Of<T>(), loop), DTypes.Of<T>(), [x.Length], Tensor.From(x, [x.Length]), Tensor.From(y, [y.Length])).Span<T>().ToArray();
    }

    private static unsafe void Run(Kernel kernel, GuardedBuffer<float> x, GuardedBuffer<float> y) =>
        KernelRunner.Run(kernel, [(nint)x.Pointer], [(nint)y.Pointer]);

    private static double Formula(UnaryFunction function, double x, double alpha, double beta) => function switch
    {
        UnaryFunction.Exp => Math.Exp(x),
        UnaryFunction.Erf => ActivationReference.Erf(x),
        UnaryFunction.Elu => x < 0 ? alpha * (Math.Exp(x) - 1) : x,
        UnaryFunction.Selu => beta * (x < 0 ? alpha * (Math.Exp(x) - 1) : x),
        UnaryFunction.Celu => x < 0 ? alpha * (Math.Exp(x / alpha) - 1) : x,
        UnaryFunction.Softplus => Math.Log(1 + Math.Exp(x)),
        UnaryFunction.Softsign => x / (1 + Math.Abs(x)),
        UnaryFunction.ThresholdedRelu => x > alpha ? x : 0,
        UnaryFunction.Shrink => x < -alpha ? x + beta : x > alpha ? x - beta : 0,
        UnaryFunction.Mish => x * Math.Tanh(Math.Log(1 + Math.Exp(x))),
        UnaryFunction.Gelu => ActivationReference.Apply(Activation.GeluErf, x),
        UnaryFunction.GeluTanh => ActivationReference.Apply(Activation.GeluTanh, x),
        UnaryFunction.Swish => x / (1 + Math.Exp(-alpha * x)),
        UnaryFunction.HardSwish => ActivationReference.Apply(Activation.HardSwish, x),
        UnaryFunction.Sin => Math.Sin(x),
        UnaryFunction.Atan => Math.Atan(x),
        _ => Math.Round(x, MidpointRounding.ToEven),
    };

    private static Tensor Numbers(long[] dims, int seed) => Tensor.From(RandomData.Floats((int)Shape.Count(dims), Seed + seed), dims);

    private static long[] Dims(string text) => text.Length == 0 ? [] : [.. text.Split(',').Select(long.Parse)];

    private static long[] Join(long[] a, long[] b)
    {
        var dims = new long[Math.Max(a.Length, b.Length)];
        for (int i = 1; i <= dims.Length; i++)
        {
            long left = i <= a.Length ? a[^i] : 1, right = i <= b.Length ? b[^i] : 1;
            dims[^i] = left == 1 ? right : left;
        }
        return dims;
    }

    /// <summary>The element of an operand that element <paramref name="i"/> of the result reads.</summary>
    private static int At(int i, long[] dims, long[] operand)
    {
        long at = 0, step = 1, rest = i;
        for (int axis = 1; axis <= dims.Length; axis++)
        {
            long index = rest % dims[^axis];
            rest /= dims[^axis];
            if (axis > operand.Length) continue;
            if (operand[^axis] != 1) at += index * step;
            step *= operand[^axis];
        }
        return (int)at;
    }
}
