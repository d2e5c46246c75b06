using Parallax.Graphs.Ops;
using Parallax.Suite;
using Xunit;
using static Parallax.Tests.OpenCL.ClHarness;

namespace Parallax.Tests.OpenCL;

public sealed class ReductionTests
{
    [ClTheory]
    [InlineData(ReduceKind.Sum)]
    [InlineData(ReduceKind.Mean)]
    [InlineData(ReduceKind.Max)]
    [InlineData(ReduceKind.Min)]
    [InlineData(ReduceKind.Prod)]
    [InlineData(ReduceKind.L1)]
    [InlineData(ReduceKind.L2)]
    [InlineData(ReduceKind.LogSum)]
    [InlineData(ReduceKind.SumSquare)]
    public void Reductions_of_rows_and_columns(ReduceKind kind)
    {
        foreach (long[] dims in (long[][])[[5, 1], [3, 15], [3, 16], [3, 20], [4, 32], [3, 333], [33, 47]])
        {
            Agrees(new Reduce(kind), [Near1(dims), Axes(1)], 3e-5, 1, 1);
            Agrees(new Reduce(kind, KeepDims: false), [Near1(dims), Axes(0)], 3e-5, 1, 1);
        }
        Agrees(new Reduce(kind), [Near1(2, 3, 1, 5, 4), Axes(3, 1)], 3e-5, 1, 1);
        Agrees(new Reduce(kind), [Near1(2, 3, 50)], 3e-5);
        Agrees(new Reduce(kind, NoopWithEmptyAxes: true), [Near1(2, 3, 50)], 3e-5);
    }

    [ClFact]
    public void Positions_of_extremes()
    {
        Tensor x = Floats(1, 3, 3, 40, 17), whole = Tensor.From(RandomData.Integers<long>(600, 1, -9, 9), [5, 120]);
        x.Span<float>()[4] = float.NaN;
        x.Span<float>()[21] = float.NaN;
        foreach (bool largest in (bool[])[false, true])
            foreach (bool last in (bool[])[false, true])
            {
                for (int axis = 0; axis < 3; axis++) Agrees(new ArgReduce(largest, axis, KeepDims: axis == 1, last), [x]);
                Agrees(new ArgReduce(largest, -1, SelectLastIndex: last), [whole]);
                Agrees(new ArgReduce(largest, 0, SelectLastIndex: last), [whole]);
            }
        Assert.Equal("Float64 is not supported", WhyNot(new ArgReduce(true), [Tensor.Zeros(DType.Float64, [3])]));
    }

    [ClFact]
    public void What_has_no_reduction_is_refused()
    {
        Assert.Equal("LogSumExp is not supported", WhyNot(new Reduce(ReduceKind.LogSumExp), [Floats(1, 1, 4)]));
        Assert.Equal("Int64 is not supported", WhyNot(new Reduce(ReduceKind.Sum), [Axes(3, 4)]));
        Assert.Equal("the axes reduced of [2x3x4] are not neighbours", WhyNot(new Reduce(ReduceKind.Sum), [Floats(1, 1, 2, 3, 4), Axes(0, 2)], 1, 1));
    }

    [ClFact]
    public void Pools_over_whole_planes()
    {
        foreach (PoolKind kind in (PoolKind[])[PoolKind.Max, PoolKind.Average])
        {
            Agrees(new GlobalPool(kind), [Floats(1, 1, 2, 5, 7, 7)]);
            Agrees(new GlobalPool(kind), [Floats(1, 1, 2, 5, 3)]);
        }
        Assert.Equal("Lp pooling is not supported", WhyNot(new GlobalPool(PoolKind.Lp), [Floats(1, 1, 2, 5, 3)]));
    }

    [ClTheory]
    [InlineData(PoolKind.Max, false)]
    [InlineData(PoolKind.Average, false)]
    [InlineData(PoolKind.Average, true)]
    public void Pools_over_windows(PoolKind kind, bool countIncludePad)
    {
        Check([1, 3, 40], new SpatialWindow([5], [3], [2], [1, 4]));
        Check([2, 3, 17, 23], new SpatialWindow([3, 3], [2, 2], [], [1, 1, 1, 1]));
        Check([2, 3, 16, 20], new SpatialWindow([3, 2], [2, 3], [1, 2], [0, 1, 1, 0], CeilMode: true));
        Check([1, 2, 9, 14], new SpatialWindow([3, 5], [2, 2], [], [], AutoPad.SameUpper));
        Check([1, 2, 20, 20], new SpatialWindow([5, 5], [1, 1], [], [2, 2, 2, 2]));
        Check([1, 2, 4, 1300], new SpatialWindow([3, 3], [1, 1], [], [1, 1, 1, 1]));
        Check([1, 1, 3, 1300], new SpatialWindow([2, 9], [1, 4], [1, 3], [0, 5, 0, 4]));
        Check([1, 1, 2, 1300], new SpatialWindow([1, 700], [1, 3], [], [0, 300, 0, 300]));
        Check([1, 1, 3, 3], new SpatialWindow([3, 3], [1, 1], [], [2, 2, 2, 2]));
        Check([2, 2, 5, 6, 7], new SpatialWindow([2, 3, 3], [1, 2, 2], [], [1, 1, 0, 0, 1, 1]));

        void Check(long[] dims, SpatialWindow window) => Agrees(new Pool(kind, window, countIncludePad), [Floats(1, 4, dims)]);
    }

    [ClFact]
    public void What_has_no_pooling_is_refused()
    {
        var window = new SpatialWindow([2], [], [], []);
        Tensor x = Floats(1, 1, 2, 3, 8);
        Assert.Equal("Lp pooling is not supported", WhyNot(new Pool(PoolKind.Lp, window), [x]));
        Assert.Equal("positions of the largest elements are not supported", WhyNot(new Pool(PoolKind.Max, window), [x], outputCount: 2));
        Assert.Equal("4 spatial axes, at most 3 are supported", WhyNot(new Pool(PoolKind.Max, new SpatialWindow([1, 1, 1, 1], [], [], [])), [Floats(1, 1, 1, 1, 2, 2, 2, 2)]));
    }

    /// <summary>Products and logarithms of sums stay in range.</summary>
    private static Tensor Near1(params long[] dims)
    {
        Tensor x = Floats(3, 0.02f, dims);
        foreach (ref float value in x.Span<float>()) value += 1;
        return x;
    }

    private static Tensor Axes(params long[] values) => Tensor.From(values, [values.Length]);
}
