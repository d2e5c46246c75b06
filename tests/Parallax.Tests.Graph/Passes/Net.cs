using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Graphs.Passes;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Graphs.Passes;

/// <summary>Builds a small graph in a line or two and applies one pass to it.</summary>
internal sealed class Net
{
    private readonly GraphBuilder builder = new("net");
    private int names;

    internal ValueId In(params Dim[] dims) => In(DType.Float32, dims);

    internal ValueId In(DType type, params Dim[] dims) => builder.Input($"in{names++}", new TensorFact(type, new([.. dims])));

    /// <summary>A float constant; one value is repeated as often as the dims ask.</summary>
    internal ValueId Const(float value, params long[] dims) => Const(Tensor.From(Enumerable.Repeat(value, (int)Parallax.Shape.Count(dims)).ToArray(), dims));

    internal static Tensor Floats(int seed, params long[] dims) => Tensor.From(RandomData.Floats((int)Parallax.Shape.Count(dims), seed), dims);

    internal ValueId Ints(params long[] values) => Const(Tensor.From(values, [values.Length]));

    internal ValueId Const(Tensor tensor) => builder.Constant($"c{names++}", tensor);

    internal ValueId Add(Op op, params ValueId[] inputs) => builder.Add($"n{names++}", op, [.. inputs], ["y"])[0];

    internal ImmutableArray<ValueId> AddMany(Op op, int outputs, params ValueId[] inputs) => builder.Add($"n{names++}", op, [.. inputs], [.. Enumerable.Range(0, outputs).Select(i => $"y{i}")]);

    /// <summary>A node of which only the output at a position is wanted.</summary>
    internal ValueId AddOnly(Op op, int output, params ValueId[] inputs) => builder.Add($"n{names++}", op, [.. inputs], [.. Enumerable.Range(0, output + 1).Select(i => i == output ? "y" : null)])[output];

    internal ValueId Reshape(ValueId x, params long[] dims) => Add(new Reshape(), x, Ints(dims));

    internal Shape Shape(ValueId x) => ((TensorFact)builder.Fact(x)).Shape!.Value;

    internal ValueId Unary(UnaryFunction function, ValueId x) => Add(new Unary(function), x);

    internal ValueId Sum(ValueId a, ValueId b) => Add(new Binary(BinaryFunction.Add), a, b);

    internal ValueId Mul(ValueId a, ValueId b) => Add(new Binary(BinaryFunction.Mul), a, b);

    internal ValueId Div(ValueId a, ValueId b) => Add(new Binary(BinaryFunction.Div), a, b);

    internal ValueId Sub(ValueId a, ValueId b) => Add(new Binary(BinaryFunction.Sub), a, b);

    internal Net Out(params ValueId[] outputs)
    {
        foreach (ValueId output in outputs) builder.Output($"out{names++}", output);
        return this;
    }

    /// <summary>The graph before any pass.</summary>
    internal Graph Build() => builder.Build();

    internal RewriteResult Apply(params IPass[] passes)
    {
        RewriteResult result = Rewriter.Run(Build(), passes);
        GraphChecker.Check(result.Graph);
        return result;
    }

    /// <summary>The pass fires once and leaves one node that computes the only output.</summary>
    internal Node Makes(IPass pass)
    {
        RewriteResult result = Apply(pass);
        Assert.Equal(1, result.Fired.GetValueOrDefault(pass.Name));
        Assert.Equal(1, result.Graph.NodeCount);
        return result.Graph.Producer(result.Graph.Outputs[0].Value)!;
    }

    /// <summary>As <see cref="Makes"/>, and what the node reads by name.</summary>
    internal (TOp Op, ValueId[] Inputs) Makes<TOp>(IPass pass) where TOp : Op
    {
        Node node = Makes(pass);
        return (Assert.IsType<TOp>(node.Op), [.. node.Inputs]);
    }

    internal void Leaves(IPass pass) => Assert.Empty(Apply(pass).Fired);
}
