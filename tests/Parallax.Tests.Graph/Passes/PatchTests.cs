using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Graphs.Passes;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Graphs.Passes;

/// <summary>Convolutions over windows side by side whose planes become rows.</summary>
public sealed class PatchTests
{
    private static readonly PatchesAsRows Pass = new();

    private static SpatialWindow Window(long[] strides, long[]? pads = null, long[]? dilations = null) => new([], [.. strides], [.. dilations ?? []], [.. pads ?? []]);

    [Theory]
    [InlineData(new long[] { 2, 3, 8, 12 }, new long[] { 4, 4 }, true)]
    [InlineData(new long[] { 1, 2, 6, 10 }, new long[] { 3, 2 }, false)]
    [InlineData(new long[] { 2, 5, 21 }, new long[] { 7 }, true)]
    [InlineData(new long[] { 1, 2, 4, 6, 9 }, new long[] { 2, 1, 3 }, true)]
    public void Patches_become_rows_of_a_product(long[] dims, long[] kernel, bool biased)
    {
        const int outputs = 5;
        var net = new Net();
        net.Out(Rows(net, net.In([Dim.Symbol("batch"), .. dims[1..].Select(d => (Dim)d)]), kernel, Window(kernel), outputs, biased));
        RewriteResult result = net.Apply(Pass);
        Assert.Equal(1, result.Fired[Pass.Name]);
        Assert.DoesNotContain(result.Graph.Nodes, n => n.Op is Conv);
        Tensor input = Net.Floats(1, dims);
        Tensor expected = Interpreter.Run(net.Build(), input)[0], actual = Interpreter.Run(result.Graph, input)[0];
        Assert.Equal(expected.Dims.ToArray(), actual.Dims.ToArray());
        for (int i = 0; i < expected.ElementCount; i++) Assert.Equal(expected.Span<float>()[i], actual.Span<float>()[i], 1e-4f);
    }

    [Fact]
    public void Other_windows_stay()
    {
        Leaves([1, 2, 8, 8], [2, 2], Window([2, 1]));
        Leaves([1, 2, 8, 8], [2, 2], Window([2, 2], pads: [0, 0, 2, 0]));
        Leaves([1, 2, 8, 8], [2, 2], Window([2, 2], dilations: [2, 1]));
        Leaves([1, 2, 9, 8], [2, 2], Window([2, 2]));
        Leaves([1, 2, 8, 8], [1, 1], Window([1, 1]));
        Leaves([1, 2, 8, 8], [2, 2], Window([2, 2]) with { AutoPad = AutoPad.SameUpper });
        Leaves([1, 2, Dim.Symbol("height"), 8], [2, 2], Window([2, 2]));
    }

    [Fact]
    public void Planes_that_others_read_stay()
    {
        var net = new Net();
        ValueId planes = Planes(net, net.In(1, 2, 8, 8), [2, 2], Window([2, 2]), 4, biased: true);
        net.Out(net.Add(new Transpose([0, 2, 1]), net.Reshape(planes, 1, 4, 16)), planes).Leaves(Pass);
    }

    [Fact]
    public void Planes_that_are_cut_in_another_way_stay()
    {
        var net = new Net();
        net.Out(net.Add(new Transpose([0, 2, 1]), net.Reshape(Planes(net, net.In(1, 2, 8, 8), [2, 2], Window([2, 2]), 4, biased: true), 1, 8, 8))).Leaves(Pass);
        net = new Net();
        net.Out(net.Add(new Transpose([1, 2, 0]), net.Reshape(Planes(net, net.In(1, 2, 8, 8), [2, 2], Window([2, 2]), 4, biased: true), 1, 4, 16))).Leaves(Pass);
    }

    private static void Leaves(Dim[] dims, long[] kernel, SpatialWindow window)
    {
        var net = new Net();
        net.Out(Rows(net, net.In(dims), kernel, window, 4, biased: true)).Leaves(Pass);
    }

    private static ValueId Rows(Net net, ValueId x, long[] kernel, SpatialWindow window, int outputs, bool biased) =>
        net.Add(new Transpose([0, 2, 1]), net.Reshape(Planes(net, x, kernel, window, outputs, biased), 0, outputs, -1));

    private static ValueId Planes(Net net, ValueId x, long[] kernel, SpatialWindow window, int outputs, bool biased)
    {
        long[] dims = [outputs, net.Shape(x)[1].Value, .. kernel];
        ValueId weights = net.Const(Net.Floats(2, dims)), bias = net.Const(Tensor.From(RandomData.Floats(outputs, 3), [outputs]));
        return biased ? net.Add(new Conv(window), x, weights, bias) : net.Add(new Conv(window), x, weights);
    }
}
