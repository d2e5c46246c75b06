using System.Collections.Immutable;
using System.Diagnostics;
using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Graphs.Passes;
using Xunit;
using Xunit.Abstractions;

namespace Parallax.Tests.Graphs.Passes;

/// <summary>Graphs of 100,000 nodes: rewriting, inferring and checking them takes seconds where no step is quadratic, and hours where one is.</summary>
public sealed class LargeGraphTests(ITestOutputHelper log)
{
    private const int Nodes = 100_000;

    [Fact]
    public void A_chain_through_one_shared_constant()
    {
        var builder = new GraphBuilder("chain");
        ValueId value = builder.Input("x", Floats), shared = builder.Constant("c", Tensor.From(new float[4], [4]));
        for (int i = 0; i < Nodes / 2; i++)
        {
            value = builder.Add($"add{i}", new Binary(BinaryFunction.Add), value, shared);
            value = builder.Add($"same{i}", new Identity(), value);
        }
        builder.Output("y", value);
        Load(builder, expected: Nodes / 2, fired: ("remove-identity", Nodes / 2));
    }

    [Fact]
    public void Gates_that_all_read_one_value_and_are_all_outputs()
    {
        var builder = new GraphBuilder("fan");
        ValueId x = builder.Input("x", Floats);
        for (int i = 0; i < Nodes / 2; i++)
        {
            ValueId gate = builder.Add($"gate{i}", new Unary(UnaryFunction.Sigmoid), x);
            builder.Output($"y{i}", builder.Add($"swish{i}", new Binary(BinaryFunction.Mul), x, gate));
        }
        Load(builder, expected: Nodes / 2, fired: ("recognize-swish", Nodes / 2));
    }

    [Fact]
    public void Dead_nodes_beside_a_chain()
    {
        var builder = new GraphBuilder("dead");
        ValueId value = builder.Input("x", Floats), dead = value;
        for (int i = 0; i < Nodes / 2; i++)
        {
            value = builder.Add($"live{i}", new Unary(UnaryFunction.Relu), value);
            dead = builder.Add($"dead{i}", new Binary(BinaryFunction.Add), value, dead);
        }
        builder.Output("y", value);
        Load(builder, expected: Nodes / 2);
    }

    [Fact]
    public void A_node_with_very_many_inputs()
    {
        var builder = new GraphBuilder("wide");
        ValueId x = builder.Input("x", Floats);
        ImmutableArray<ValueId> parts = [.. Enumerable.Range(0, Nodes / 10).Select(i => builder.Add($"same{i}", new Identity(), x))];
        builder.Output("y", builder.Add("join", new Concat(0), parts, "join")[0]);
        Load(builder, expected: 1, fired: ("remove-identity", Nodes / 10));
    }

    private static TensorFact Floats => new(DType.Float32, [4]);

    private void Load(GraphBuilder builder, int expected, (string Pass, int Times)? fired = null)
    {
        Graph graph = builder.Build();
        long start = Stopwatch.GetTimestamp();
        RewriteResult result = Rewriter.Run(graph, StandardPasses.Stages(new NoEvaluator()));
        log.WriteLine($"rewritten after {Stopwatch.GetElapsedTime(start).TotalSeconds:0.00} s");
        Graph special = Inference.Specialize(result.Graph, [Floats]);
        log.WriteLine($"inferred after {Stopwatch.GetElapsedTime(start).TotalSeconds:0.00} s");
        GraphChecker.Check(special);
        log.WriteLine($"checked after {Stopwatch.GetElapsedTime(start).TotalSeconds:0.00} s");
        Assert.Equal(expected, special.NodeCount);
        if (fired is { } count) Assert.Equal(count.Times, result.Fired[count.Pass]);
    }
}
