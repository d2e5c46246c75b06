using Parallax.Graphs.Ops;
using Parallax.Suite;
using Xunit;
using static Parallax.Tests.OpenCL.ClHarness;

namespace Parallax.Tests.OpenCL;

public sealed class MovementTests
{
    private static readonly DType[] Widths = [DType.UInt8, DType.Float16, DType.Float32, DType.Int64];

    [ClFact]
    public void Transposes()
    {
        foreach (DType type in Widths)
        {
            Agrees(new Transpose(), [Filled(type, 37, 70)], 0);
            Agrees(new Transpose([0, 2, 3, 1]), [Filled(type, 2, 3, 9, 17)], 0);
            Agrees(new Transpose([3, 1, 0, 2]), [Filled(type, 2, 1, 5, 4)], 0);
        }
        foreach (int rows in (int[])[1, 7, 8, 9, 33, 130])
            foreach (int columns in (int[])[2, 8, 31, 64, 75]) Agrees(new Transpose(), [Floats(1, 1, rows, columns)], 0);
        Agrees(new Transpose([0, 2, 1, 3]), [Floats(1, 1, 2, 30, 7, 40)], 0);
        Agrees(new Transpose([2, 3, 1, 0]), [Floats(1, 1, 9, 10, 17, 12)], 0);
        Agrees(new Transpose(), [Floats(1, 1)], 0);
        Agrees(new Transpose(), [Floats(1, 1, 0, 4)], 0);
    }

    [ClFact]
    public void Concats()
    {
        foreach (DType type in Widths)
            Agrees(new Concat(1), [Filled(type, 3, 2, 5), Filled(type, 3, 0, 5), Filled(type, 3, 33, 5)], 0);
        Agrees(new Concat(-1), [Floats(1, 1, 4, 7), Floats(2, 1, 4, 1)], 0);
        Agrees(new Concat(0), [Floats(1, 1, 1000), Floats(2, 1, 24), Floats(3, 1, 3)], 0);
    }

    [ClFact]
    public void Splits()
    {
        foreach (DType type in Widths) Agrees(new Split(1), [Filled(type, 3, 7, 5)], 0, outputCount: 3);
        Agrees(new Split(-1), [Floats(1, 1, 6, 10), Ints(1, 0, 9)], 0, 3, constants: 1);
    }

    [ClFact]
    public void Slices()
    {
        foreach (DType type in Widths)
            Agrees(new Slice(), [Filled(type, 9, 10, 11), Ints(1, -3), Ints(100, 0), Ints(0, 2), Ints(3, -2)], 0, 1, 1, 2, 3, 4);
        Agrees(new Slice(), [Floats(1, 1, 30), Ints(-1), Ints(long.MinValue), Ints(0), Ints(-1)], 0, 1, 1, 2, 3, 4);
        Agrees(new Slice(), [Floats(1, 1, 4, 6), Ints(2), Ints(2)], 0, 1, 1, 2);
    }

    [ClFact]
    public void Expands_and_tiles()
    {
        foreach (DType type in Widths)
        {
            Agrees(new Expand(), [Filled(type, 3, 1, 5), Ints(2, 1, 4, 1)], 0, 1, 1);
            Agrees(new Tile(), [Filled(type, 3, 5), Ints(2, 3)], 0, 1, 1);
        }
        Agrees(new Expand(), [Tensor.Scalar(3f), Ints(300)], 0, 1, 1);
    }

    [ClFact]
    public void Depth_and_space()
    {
        Agrees(new DepthToSpace(2, DepthOrder.Dcr), [Floats(1, 1, 2, 12, 5, 7)], 0);
        Agrees(new DepthToSpace(2, DepthOrder.Crd), [Floats(1, 1, 2, 12, 5, 7)], 0);
        Agrees(new SpaceToDepth(3), [Floats(1, 1, 2, 2, 6, 9)], 0);
    }

    [ClFact]
    public void What_alternates_over_too_many_dims_is_refused() =>
        Assert.Equal("the operands are walked over 10 dims, at most 9 are supported", WhyNot(new Transpose(), [Floats(1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2)]));

    [ClFact]
    public void Where_broadcasts_three_operands()
    {
        foreach (DType type in Widths)
        {
            Agrees(new Where(), [Truths(3, 1, 5), Filled(type, 4, 1), Filled(type, 3, 4, 5)], 0);
            Agrees(new Where(), [Truths(60), Filled(type, 60), Filled(type, 1)], 0);
        }
    }

    [ClFact]
    public void Gathers_at_known_indices()
    {
        foreach (DType type in Widths)
        {
            Agrees(new Gather(1), [Filled(type, 3, 7, 5), Tensor.From<long>([6, 0, -7, 3], [2, 2])], 0, 1, 1);
            Agrees(new Gather(-1), [Filled(type, 3, 7), Tensor.From([2, -1], [2])], 0, 1, 1);
        }
        Agrees(new Gather(), [Floats(1, 1, 300, 2), Tensor.From<long>([5], [])], 0, 1, 1);
        foreach (long inner in (long[])[1, 15, 16, 17, 5000]) Agrees(new Gather(), [Floats(1, 1, 9, inner), Tensor.From<long>([5, -1, 0], [3])], 0, 1, 1);
    }

    [ClFact]
    public void Gather_is_refused_where_an_index_may_be_out_of_range()
    {
        Tensor data = Floats(1, 1, 4, 4);
        Assert.Equal("the indices are not known before the run, and could be out of range", WhyNot(new Gather(), [data, Ints(1)]));
        Assert.Equal("index 4 is out of range for an axis of length 4", WhyNot(new Gather(), [data, Ints(1, 4)], 1, 1));
    }

    [ClFact]
    public void Casts()
    {
        float[] special = [0f, -0f, 1e9f, 3e9f, -3e9f, 1e30f, -1e30f, float.NaN, float.PositiveInfinity, float.NegativeInfinity, 255.9f, 256.5f, -1.5f, -128.7f, 2.5f];
        Tensor[] sources =
        [
            Tensor.From(special, [special.Length]), Tensor.From<long>([0, 1, -1, 300, long.MaxValue, long.MinValue, (1L << 40) + 12345], [7]),
            Tensor.From([0, 1, -1, 128, 255, 256, int.MaxValue, int.MinValue, 16777217], [9]), Tensor.From<byte>([0, 1, 127, 128, 255], [5]),
            Tensor.From<sbyte>([0, 1, 127, -128, -1], [5]), Truths(300),
        ];
        foreach (Tensor source in sources)
            foreach (DType to in (DType[])[DType.Float32, DType.Int64, DType.Int32, DType.UInt8, DType.Int8, DType.Bool])
                Agrees(new Cast(to), [source], 0);
        Assert.Equal("Float32 as Float16 is not supported", WhyNot(new Cast(DType.Float16), [Floats(1, 1, 3)]));
    }

    private static Tensor Filled(DType type, params long[] dims)
    {
        Tensor tensor = Tensor.Zeros(type, dims);
        RandomData.Integers<byte>((int)tensor.ByteCount, (int)Shape.Count(dims), 1, 100).CopyTo(tensor.Bytes);
        return tensor;
    }

    private static Tensor Truths(params long[] dims) =>
        Tensor.From(RandomData.Integers<byte>((int)Shape.Count(dims), 5, 0, 1).Select(v => v != 0).ToArray(), dims);

    private static Tensor Ints(params long[] values) => Tensor.From(values, [values.Length]);
}
