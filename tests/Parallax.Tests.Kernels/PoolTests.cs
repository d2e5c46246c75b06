using Parallax.Kernels;
using Parallax.Kernels.Pool;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Kernels;

public sealed class PoolTests
{
    private static WindowAxis Axis(long input, long kernel, long stride = 1, long dilation = 1, long begin = 0, long end = 0, long? output = null) =>
        new(input, output ?? (input + begin + end - (kernel - 1) * dilation - 1) / stride + 1, kernel, stride, dilation, begin, end);

    private static readonly WindowAxis[][] Problems =
    [
        [Axis(9, 3)], [Axis(40, 3, 2, begin: 1, end: 1)], [Axis(40, 4, 5, 3)], [Axis(10, 3, 3, output: 4)],
        [Axis(5, 5), Axis(7, 7)], [Axis(11, 3, begin: 1, end: 1), Axis(33, 3, begin: 1, end: 1)], [Axis(56, 3, 2, begin: 1, end: 1), Axis(57, 3, 2, begin: 1, end: 1)],
        [Axis(20, 5, begin: 2, end: 2), Axis(20, 5, begin: 2, end: 2)], [Axis(9, 2, 2, output: 5), Axis(9, 2, 2, output: 5)],
        [Axis(13, 3, 1, 2, begin: 2, end: 2), Axis(64, 3, 3, 2)], [Axis(3, 2, 5, begin: 1, end: 1), Axis(2, 2, begin: 1, end: 1)],
        [Axis(6, 2, 2), Axis(7, 3, begin: 1, end: 1), Axis(19, 3, 2, begin: 1)], [Axis(4, 1), Axis(4, 2), Axis(4, 3), Axis(5, 2)],
    ];

    public static TheoryData<Pooling, int, bool, double> Cases()
    {
        var cases = new TheoryData<Pooling, int, bool, double>();
        for (int i = 0; i < Problems.Length; i++)
        {
            cases.Add(Pooling.Max, i, false, 2);
            cases.Add(Pooling.Average, i, false, 2);
            cases.Add(Pooling.Average, i, true, 2);
            cases.Add(Pooling.Lp, i, false, 2);
            cases.Add(Pooling.Lp, i, false, 3);
        }
        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Float32FollowsTheDefinition(Pooling pooling, int problem, bool countIncludePad, double p)
    {
        WindowAxis[] axes = Problems[problem];
        const int planes = 3;
        long[] dims = [planes, .. axes.Select(a => a.Input)], outDims = [planes, .. axes.Select(a => a.Output)];
        var random = new Random(23);
        float[] data = [.. Enumerable.Range(0, (int)Shape.Count(dims)).Select(_ => 2 * random.NextSingle() - 1.5f)];
        using Kernel kernel = PoolKernels.Create(pooling, DType.Float32, planes, axes, countIncludePad, p);
        Span<float> actual = KernelRun.Run(kernel, DType.Float32, outDims, Tensor.From(data, dims)).Span<float>();
        for (int i = 0; i < actual.Length; i++)
        {
            double expected = Naive(pooling, data, axes, i, countIncludePad, p, out _);
            Assert.True(Math.Abs(expected - actual[i]) <= 1e-5 * (1 + Math.Abs(expected)), $"{pooling} problem {problem} at {i}: expected {expected}, got {actual[i]}");
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void BytesAndPositions(bool columnMajor)
    {
        foreach (WindowAxis[] axes in Problems.Where(a => a.Length <= 3))
        {
            long[] dims = [2, .. axes.Select(a => a.Input)], outDims = [2, .. axes.Select(a => a.Output)];
            var random = new Random(29);
            byte[] data = [.. Enumerable.Range(0, (int)Shape.Count(dims)).Select(_ => (byte)random.Next(256))];
            float[] floats = Array.ConvertAll(data, v => (float)v);
            Tensor input = Tensor.From(data, dims), output = Tensor.Allocate(DType.UInt8, outDims), positions = Tensor.Allocate(DType.Int64, outDims);
            KernelRun.Run(PoolKernels.CreateWithIndices(DType.UInt8, 2, axes, columnMajor), [input], [output, positions]);
            Tensor plain = KernelRun.Run(PoolKernels.Create(Pooling.Max, DType.UInt8, 2, axes), DType.UInt8, outDims, input);
            Assert.Equal(output.Bytes, plain.Bytes);
            for (int i = 0; i < output.ElementCount; i++)
            {
                Assert.Equal(Naive(Pooling.Max, floats, axes, i, false, 2, out long at), output.Span<byte>()[i]);
                Assert.Equal(columnMajor ? Transposed(at, axes) : at, positions.Span<long>()[i]);
            }
        }
    }

    [Fact]
    public void UnpoolPlacesInTheCorner()
    {
        Tensor input = Tensor.From([5f, 6, 7, 8], [1, 1, 2, 2]), positions = Tensor.From([5L, 7, 13, 15], [1, 1, 2, 2]);
        Tensor output = KernelRun.Run(PoolKernels.CreateUnpool(DType.Float32, 4, [1, 1, 4, 4], [1, 1, 5, 5]), DType.Float32, [1, 1, 5, 5], input, positions);
        float[] expected = new float[25];
        (expected[6], expected[8], expected[16], expected[18]) = (5, 6, 7, 8);
        Assert.Equal(expected, output.Span<float>());
        Tensor outside = Tensor.From([16L, 7, 13, 15], [1, 1, 2, 2]);
        Assert.Throws<InvalidInputException>(() => KernelRun.Run(PoolKernels.CreateUnpool(DType.Float32, 4, [1, 1, 4, 4], [1, 1, 5, 5]), DType.Float32, [1, 1, 5, 5], input, outside));
    }

    private static double Naive(Pooling pooling, float[] data, WindowAxis[] axes, long result, bool countIncludePad, double p, out long largestAt)
    {
        long[] at = new long[axes.Length];
        for (int i = axes.Length - 1; i >= 0; i--) (result, at[i]) = Math.DivRem(result, axes[i].Output);
        long planeElements = Shape.Count(axes.Select(a => a.Input).ToArray());
        double largest = double.NegativeInfinity, sum = 0;
        int count = 0;
        largestAt = -1;
        long[] strides = Shape.Strides(axes.Select(a => a.Input).ToArray());
        foreach (long[] taps in Odometer([.. axes.Select(a => a.Kernel)]))
        {
            long[] positions = [.. axes.Select((a, i) => a.Start(at[i]) + taps[i] * a.Dilation)];
            bool inside = axes.Zip(positions).All(x => x.Second >= 0 && x.Second < x.First.Input);
            bool counted = countIncludePad ? axes.Zip(positions).All(x => x.Second < x.First.Input + x.First.PadEnd) : inside;
            count += counted ? 1 : 0;
            if (!inside) continue;
            long index = result * planeElements + positions.Select((x, i) => x * strides[i]).Sum();
            double value = data[index];
            if (value > largest) (largest, largestAt) = (value, index);
            sum += pooling == Pooling.Lp ? Math.Pow(Math.Abs(value), p) : value;
        }
        return pooling switch
        {
            Pooling.Max => largest,
            Pooling.Average => count == 0 ? 0 : sum / count,
            _ => Math.Pow(sum, 1 / p),
        };
    }

    private static long Transposed(long position, WindowAxis[] axes)
    {
        long planeElements = Shape.Count(axes.Select(a => a.Input).ToArray());
        (long plane, long rest) = Math.DivRem(position, planeElements);
        long[] digits = new long[axes.Length];
        for (int i = axes.Length - 1; i >= 0; i--) (rest, digits[i]) = Math.DivRem(rest, axes[i].Input);
        long result = 0;
        for (int i = axes.Length - 1; i >= 0; i--) result = result * axes[i].Input + digits[i];
        return plane * planeElements + result;
    }

    private static IEnumerable<long[]> Odometer(long[] limits)
    {
        for (long i = 0; i < Shape.Count(limits); i++)
        {
            long rest = i;
            var digits = new long[limits.Length];
            for (int axis = limits.Length - 1; axis >= 0; axis--) (rest, digits[axis]) = Math.DivRem(rest, limits[axis]);
            yield return digits;
        }
    }
}
