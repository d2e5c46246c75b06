using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Graphs.Passes;
using Xunit;

namespace Parallax.Tests.Graphs.Passes;

/// <summary>Integer convolutions that are turned to channels last, the transposes that are left, and what is left alone.</summary>
public sealed class ChannelsLastTests
{
    private static readonly ConvolveChannelsLast Convolutions = new();

    private static ValueId[] Parameters(Net net, byte zero = 3) => [net.Const(0.5f), net.Const(Tensor.Scalar(zero))];

    /// <summary>Weights of so many outputs that see so many inputs each.</summary>
    private static ValueId Conv(Net net, ValueId x, int outputs, int inputs, long groups = 1, sbyte weightZero = 0, int taps = 1, bool isConstant = true)
    {
        long[] dims = [outputs, inputs, .. Enumerable.Repeat((long)taps, net.Shape(x).Rank - 2)];
        ValueId weights = isConstant ? net.Const(Tensor.From(new sbyte[Shape.Count(dims)], dims)) : net.In(DType.Int8, [.. dims.Select(d => (Dim)d)]);
        return net.Add(new IntegerConv(new SpatialWindow([], [], [], []), groups, Requantizes: true),
            [x, .. Parameters(net), weights, net.Const(0.1f), net.Const(Tensor.Scalar(weightZero)), .. Parameters(net, 7)]);
    }

    private static ValueId Data(Net net, int channels = 8) => net.In(DType.UInt8, Dim.Symbol("n"), channels, 9, 10);

    private static ValueId Sum(Net net, ValueId a, ValueId b) => net.Add(new QuantizedBinary(BinaryFunction.Add), [a, .. Parameters(net), b, .. Parameters(net), .. Parameters(net)]);

    private static Graph Turn(Net net) => net.Apply([.. StandardPasses.QuantizedLayout]).Graph;

    private static List<Node> Transposes(Graph graph) => [.. graph.TopologicalOrder().Where(node => node.Op is Transpose)];

    [Fact]
    public void Neighbours_are_turned_and_only_the_transposes_at_the_ends_are_left()
    {
        var net = new Net();
        ValueId first = Conv(net, Data(net), 16, 8, taps: 3), depthwise = Conv(net, first, 16, 1, groups: 16, taps: 3), last = Conv(net, depthwise, 5, 16);
        Graph graph = Turn(net.Out(last));
        Assert.All(graph.TopologicalOrder().Where(node => node.Op is IntegerConv), node => Assert.True(((IntegerConv)node.Op).ChannelsLast));
        Assert.Equal(["[nx9x10x8]", "[nx5x5x6]"], Transposes(graph).Select(node => graph.TensorFact(node.Outputs[0])!.Shape!.Value.ToString()));
        Assert.Equal(["[nx7x8x16]", "[nx5x6x16]", "[nx5x6x5]"], graph.TopologicalOrder().Where(node => node.Op is IntegerConv).Select(node => graph.TensorFact(node.Outputs[0])!.Shape!.Value.ToString()));
    }

    [Fact]
    public void Signals_and_volumes_are_turned_too()
    {
        foreach (Dim[] dims in (Dim[][])[[1, 8, 20], [1, 8, 4, 5, 6]])
        {
            var net = new Net();
            Graph graph = Turn(net.Out(Conv(net, Conv(net, net.In(DType.Int8, dims), 16, 8), 4, 16)));
            Assert.Equal(2, Transposes(graph).Count);
        }
    }

    [Fact]
    public void Transposes_pass_functions_of_elements_and_concatenations()
    {
        var net = new Net();
        ValueId first = Conv(net, Data(net), 8, 8), second = Conv(net, first, 8, 8), sum = Sum(net, first, second);
        ValueId table = net.Add(new TableLookup(), sum, net.Const(Tensor.From(new byte[256], [256])));
        ValueId joined = net.Add(new Concat(1), table, first);
        Graph graph = Turn(net.Out(Conv(net, joined, 4, 16)));
        Assert.Equal(2, Transposes(graph).Count);
        Node concat = Assert.Single(graph.TopologicalOrder(), node => node.Op is Concat);
        Assert.Equal(new Concat(3), concat.Op);
    }

    [Fact]
    public void Functions_of_elements_may_lie_between()
    {
        var net = new Net();
        ValueId first = net.Add(new TableLookup(), Conv(net, Data(net), 8, 8), net.Const(Tensor.From(new byte[256], [256])));
        Graph graph = Turn(net.Out(Conv(net, first, 8, 8)));
        Assert.Equal(2, Transposes(graph).Count);
        Assert.All(graph.TopologicalOrder().Where(node => node.Op is IntegerConv), node => Assert.True(((IntegerConv)node.Op).ChannelsLast));
    }

    [Fact]
    public void A_sum_with_data_that_stay_first_is_computed_there()
    {
        var net = new Net();
        ValueId first = Conv(net, Data(net), 8, 8), second = Conv(net, first, 8, 8);
        Graph graph = Turn(net.Out(Sum(net, second, Data(net))));
        Node sum = Assert.Single(graph.TopologicalOrder(), node => node.Op is QuantizedBinary);
        Assert.Equal("[nx8x9x10]", graph.TensorFact(sum.Outputs[0])!.Shape!.Value.ToString());
        // Where one convolution after such a sum would be alone, it is left as it is.
        net = new Net();
        net.Out(Conv(net, Sum(net, Conv(net, Data(net), 8, 8), Data(net)), 8, 8)).Leaves(Convolutions);
    }

    [Fact]
    public void A_sum_with_data_that_a_convolution_reads_is_computed_with_channels_last()
    {
        var net = new Net();
        ValueId data = Data(net), second = Conv(net, Conv(net, data, 8, 8), 8, 8), third = Conv(net, Sum(net, data, second), 8, 8);
        Graph graph = Turn(net.Out(Conv(net, Sum(net, third, net.Const(Tensor.From(new byte[8], [1, 8, 1, 1]))), 8, 8)));
        Assert.All(graph.TopologicalOrder().Where(node => node.Op is QuantizedBinary), sum => Assert.Equal("[nx9x10x8]", graph.TensorFact(sum.Outputs[0])!.Shape!.Value.ToString()));
        Assert.Equal(3, Transposes(graph).Count); // the data, the constant, the result
    }

    [Fact]
    public void One_alone_and_what_no_kernel_takes_are_left()
    {
        Leaves((net, x) => Conv(net, x, 8, 8));
        Leaves((net, x) => Conv(net, Conv(net, x, 8, 8, weightZero: 1), 8, 8, weightZero: 1));
        Leaves((net, x) => Conv(net, Conv(net, x, 8, 4, groups: 2), 8, 4, groups: 2));
        Leaves((net, x) => Conv(net, Conv(net, x, 16, 1, groups: 8), 16, 2, groups: 8));
        Leaves((net, _) => Depthwise(net, 17));
        var largest = new Net();
        Assert.Equal(2, largest.Out(Depthwise(largest, 16)).Apply(Convolutions).Fired[Convolutions.Name]);
        Leaves((net, x) => Conv(net, Conv(net, x, 8, 8, isConstant: false), 8, 8, isConstant: false));

        // So many products of one channel's taps, in each direction, that float32 does not hold their sums.
        static ValueId Depthwise(Net net, int taps) => Conv(net, Conv(net, net.In(DType.UInt8, 1, 8, 40, 40), 8, 1, groups: 8, taps: taps), 8, 1, groups: 8, taps: taps);

        static void Leaves(Func<Net, ValueId, ValueId> make)
        {
            var net = new Net();
            net.Out(make(net, Data(net))).Leaves(Convolutions);
        }
    }
}
