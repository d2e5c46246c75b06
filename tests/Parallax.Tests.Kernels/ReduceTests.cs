using Parallax.Kernels;
using Parallax.Kernels.Reduce;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Kernels;

public sealed class ReduceTests
{
    private static readonly (long[] Dims, int[] Axes)[] Problems =
    [
        ([], []), ([7], [0]), ([1], []), ([3, 5], [0]), ([3, 5], [1]), ([3, 5], []), ([2, 3, 4, 5], [1, 3]), ([2, 3, 4, 5], [0, 2]),
        ([2, 3, 4, 5], [0, 1, 2, 3]), ([4, 1, 33], [1]), ([5, 67], [0]), ([67, 5], [1]), ([9000], [0]), ([3, 600], [0]), ([200, 3], [0]),
        ([300_001], [0]), ([70_000, 3], [0]), ([3, 2, 50_000], [0, 2]), ([2, 0, 3], [1]), ([0, 3], [1]), ([2, 0, 3], [0]),
    ];

    public static TheoryData<ReduceKind, int> Cases()
    {
        var cases = new TheoryData<ReduceKind, int>();
        foreach (ReduceKind reduction in Enum.GetValues<ReduceKind>())
            for (int i = 0; i < Problems.Length; i++)
                if (reduction != ReduceKind.Prod || Shape.Count(Problems[i].Dims) <= 10_000) cases.Add(reduction, i); // long products leave float's range
        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Float32FollowsTheDefinition(ReduceKind reduction, int problem)
    {
        (long[] dims, int[] axes) = Problems[problem];
        var random = new Random(17 + problem);
        float[] data = [.. Enumerable.Range(0, (int)Shape.Count(dims)).Select(_ => reduction == ReduceKind.Prod ? 0.5f + random.NextSingle() : 4 * random.NextSingle() - 1.5f)];
        double[] expected = Naive(reduction, Array.ConvertAll(data, v => (double)v), dims, axes, out long[] outDims);
        using Kernel kernel = ReduceKernels.Create(reduction, DType.Float32, dims, axes);
        Span<float> actual = KernelRun.Run(kernel, DType.Float32, outDims, Tensor.From(data, dims)).Span<float>();
        for (int i = 0; i < expected.Length; i++) AssertClose(expected[i], actual[i], $"{reduction} {Shape.ToString(dims)} axes {string.Join(',', axes)} [{i}]");
    }

    [Fact]
    public void IntegersWrapAndBoolsAreLogical()
    {
        Tensor ints = Tensor.From([1, -2, 3, int.MaxValue, 1, 5], [2, 3]);
        Assert.Equal([2, unchecked(int.MaxValue + 6)], KernelRun.Run(ReduceKernels.Create(ReduceKind.Sum, DType.Int32, [2, 3], [1]), DType.Int32, [2], ints).Span<int>());
        Assert.Equal([int.MaxValue, 1, 5], KernelRun.Run(ReduceKernels.Create(ReduceKind.Max, DType.Int32, [2, 3], [0]), DType.Int32, [3], ints).Span<int>());
        Tensor bools = Tensor.From([true, true, false, false], [2, 2]);
        Assert.Equal([true, false], KernelRun.Run(ReduceKernels.Create(ReduceKind.Min, DType.Bool, [2, 2], [1]), DType.Bool, [2], bools).Span<bool>());
        Tensor none = Tensor.Allocate(DType.Bool, [0]);
        Assert.True(KernelRun.Run(ReduceKernels.Create(ReduceKind.Min, DType.Bool, [0], [0]), DType.Bool, [], none).Span<bool>()[0]);
        Assert.False(KernelRun.Run(ReduceKernels.Create(ReduceKind.Max, DType.Bool, [0], [0]), DType.Bool, [], none).Span<bool>()[0]);
    }

    [Theory]
    [InlineData(1, 5, 1, false)]
    [InlineData(3, 17, 1, true)]
    [InlineData(2, 9, 5, false)]
    [InlineData(2, 9, 300, true)]
    [InlineData(100, 300, 1, false)]
    public void ArgFindsTheFirstOrLastExtreme(int outer, int count, int inner, bool last)
    {
        var random = new Random(3);
        int[] data = [.. Enumerable.Range(0, outer * count * inner).Select(_ => random.Next(0, 6))];
        foreach (bool largest in (bool[])[true, false])
        {
            using Kernel kernel = ReduceKernels.CreateArg(largest, last, DType.Int32, outer, count, inner);
            Span<long> actual = KernelRun.Run(kernel, DType.Int64, [outer, inner], Tensor.From(data, [outer, count, inner])).Span<long>();
            for (int o = 0; o < outer; o++)
                for (int i = 0; i < inner; i++)
                {
                    int[] run = [.. Enumerable.Range(0, count).Select(c => data[(o * count + c) * inner + i])];
                    int extreme = largest ? run.Max() : run.Min();
                    Assert.Equal(last ? Array.LastIndexOf(run, extreme) : Array.IndexOf(run, extreme), actual[o * inner + i]);
                }
        }
    }

    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(3, 7, 1)]
    [InlineData(2, 1000, 1)]
    [InlineData(40, 513, 1)]
    [InlineData(2, 5, 3)]
    [InlineData(2, 5, 16)]
    [InlineData(3, 21, 301)]
    public void SoftmaxFollowsTheDefinition(int outer, int count, int inner)
    {
        var random = new Random(5);
        float[] data = [.. Enumerable.Range(0, outer * count * inner).Select(_ => 2000 + 10 * random.NextSingle())];
        foreach (SoftmaxKind function in Enum.GetValues<SoftmaxKind>())
            foreach (DType type in (DType[])[DType.Float32, DType.Float64])
            {
                using Kernel kernel = SoftmaxKernels.Create(function, type, outer, count, inner);
                long[] dims = [outer, count, inner];
                double[] actual = type == DType.Float32
                    ? Array.ConvertAll(KernelRun.Run(kernel, type, dims, Tensor.From(data, dims)).Span<float>().ToArray(), v => (double)v)
                    : KernelRun.Run(kernel, type, dims, Tensor.From(Array.ConvertAll(data, v => (double)v), dims)).Span<double>().ToArray();
                for (int o = 0; o < outer; o++)
                    for (int i = 0; i < inner; i++)
                        CheckSoftmax(function, data, actual, o * count * inner + i, count, inner);
            }
    }

    private static void CheckSoftmax(SoftmaxKind function, float[] data, double[] actual, int start, int count, int stride)
    {
        double[] run = [.. Enumerable.Range(0, count).Select(c => (double)data[start + c * stride])];
        double largest = run.Max(), sum = run.Sum(v => Math.Exp(v - largest));
        for (int c = 0; c < count; c++)
        {
            double expected = function switch
            {
                SoftmaxKind.Softmax => Math.Exp(run[c] - largest) / sum,
                SoftmaxKind.LogSoftmax => run[c] - largest - Math.Log(sum),
                _ => c == Array.IndexOf(run, largest) ? 1 : 0,
            };
            AssertClose(expected, actual[start + c * stride], $"{function} of {count} by {stride} at {c}");
        }
    }

    private static double[] Naive(ReduceKind reduction, double[] data, long[] dims, int[] axes, out long[] outDims)
    {
        outDims = [.. dims.Where((_, i) => !axes.Contains(i))];
        long[] strides = Shape.Strides(dims), outStrides = Shape.Strides(outDims);
        int[] kept = [.. Enumerable.Range(0, dims.Length).Where(i => !axes.Contains(i))];
        var groups = new List<double>[Shape.Count(outDims)];
        for (int i = 0; i < groups.Length; i++) groups[i] = [];
        for (long i = 0; i < data.Length; i++)
            groups[kept.Select((axis, k) => i / strides[axis] % dims[axis] * outStrides[k]).Sum()].Add(data[i]);
        return Array.ConvertAll(groups, g => reduction switch
        {
            ReduceKind.Sum => g.Sum(),
            ReduceKind.Mean => g.Sum() / g.Count,
            ReduceKind.Max => g.DefaultIfEmpty(double.NegativeInfinity).Max(),
            ReduceKind.Min => g.DefaultIfEmpty(double.PositiveInfinity).Min(),
            ReduceKind.Prod => g.Aggregate(1.0, (a, b) => a * b),
            ReduceKind.L1 => g.Sum(Math.Abs),
            ReduceKind.L2 => Math.Sqrt(g.Sum(v => v * v)),
            ReduceKind.LogSum => Math.Log(g.Sum()),
            ReduceKind.SumSquare => g.Sum(v => v * v),
            _ => Math.Log(g.Sum(Math.Exp)),
        });
    }

    private static void AssertClose(double expected, double actual, string what)
    {
        if (double.IsNaN(expected) ? double.IsNaN(actual) : expected == actual || Math.Abs(expected - actual) <= 2e-6 + 2e-5 * Math.Abs(expected)) return;
        Assert.Fail($"{what}: expected {expected}, got {actual}");
    }
}
