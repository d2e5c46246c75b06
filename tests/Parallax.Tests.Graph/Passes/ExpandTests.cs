using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Graphs.Passes;
using Xunit;

namespace Parallax.Tests.Graphs.Passes;

/// <summary>Expansions that a reader does by itself.</summary>
public sealed class ExpandTests
{
    private readonly Net net = new();
    private readonly Dim rows = Dim.Symbol("rows");

    [Fact]
    public void To_the_shape_of_the_other_operand()
    {
        ValueId x = net.In(rows, 4), length = net.In(rows, 1), wide = net.Add(new Expand(), length, net.Add(new ShapeOf(), x));
        Assert.Equal([x, length], net.Out(net.Div(x, wide)).Makes<Binary>(new RemoveExpand()).Inputs);
    }

    [Fact]
    public void Of_a_condition()
    {
        ValueId x = net.In(3, 4), condition = net.In(DType.Bool, 4), zero = net.Const(0);
        Assert.Equal([condition, zero, x], net.Out(net.Add(new Where(), net.Add(new Expand(), condition, net.Ints(3, 4)), zero, x)).Makes<Where>(new RemoveExpand()).Inputs);
    }

    [Fact]
    public void That_makes_the_result_larger() => net.Out(net.Sum(net.In(1, 4), net.Add(new Expand(), net.In(1, 4), net.Ints(3, 4)))).Leaves(new RemoveExpand());

    [Fact]
    public void That_something_else_reads() => net.Out(net.Unary(UnaryFunction.Exp, net.Add(new Expand(), net.In(1, 4), net.Ints(3, 4)))).Leaves(new RemoveExpand());
}
