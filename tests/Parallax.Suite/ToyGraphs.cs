using System.Collections.Immutable;
using Parallax.Graphs;

namespace Parallax.Suite;

/// <summary>An operator that no backend computes: so much work, outputs of so many floats. For tests of graphs and plans.</summary>
/// <param name="Elements">Elements of each output; -1 where they are known only at run time.</param>
public sealed record ToyOp(long Elements, long Macs = 1, bool View = false, bool Body = false) : Op
{
    public override bool IsView => View;

    public override bool IsControlFlow => Body;

    public override ImmutableArray<Fact> Infer(InferContext context) =>
        [.. Enumerable.Repeat<Fact>(new TensorFact(DType.Float32, View && context.InputCount > 0 ? context.Tensor(0).Shape : Elements < 0 ? [Dim.Symbol("n")] : [Elements]), context.OutputCount)];

    public override Cost Cost(ReadOnlySpan<Fact?> inputs, ReadOnlySpan<Fact?> outputs) => new(Macs, CostOf.Bytes(inputs) + CostOf.Bytes(outputs));
}

/// <summary>Small graphs of <see cref="ToyOp"/>, drawn or built.</summary>
public static class ToyGraphs
{
    /// <summary>A random graph of <paramref name="nodes"/> nodes: chains, forks, joins, skips, views, several outputs, control flow, unknown sizes.</summary>
    public static Graph Random(Random random, int nodes)
    {
        var builder = new GraphBuilder($"random{nodes}");
        List<ValueId> values = [builder.Input("x", Floats(64)), builder.Constant("c", Tensor.From(new float[16], [16]))];
        int window = random.Next(1, 12);
        double branching = random.NextDouble(), views = random.NextDouble() * 0.3, dynamic = random.Next(4) == 0 ? 0.1 : 0, control = random.NextDouble() * 0.05;
        var read = new HashSet<ValueId>();
        var produced = new List<ValueId>();
        for (int i = 0; i < nodes; i++)
        {
            int inputs = random.NextDouble() < branching ? random.Next(0, 4) : 1;
            ImmutableArray<ValueId> reads = [.. Enumerable.Range(0, inputs).Select(_ => Pick())];
            bool view = inputs == 1 && random.NextDouble() < views;
            int outputs = !view && random.Next(8) == 0 ? random.Next(1, 4) : 1;
            var op = new ToyOp(
                random.NextDouble() < dynamic ? -1 : 1L << random.Next(0, 16),
                random.Next(3) == 0 ? 1L << random.Next(10, 32) : 1,
                view,
                !view && random.NextDouble() < control);
            ImmutableArray<ValueId> made = builder.Add($"n{i}", op, reads, [.. Enumerable.Range(0, outputs).Select(o => outputs > 1 && random.Next(5) == 0 ? null : $"v{i}_{o}")]);
            read.UnionWith(reads);
            values.AddRange(made.Where(v => !v.IsNone));
            produced.AddRange(made.Where(v => !v.IsNone));
        }
        foreach (ValueId value in produced)
            if (!read.Contains(value) || random.Next(40) == 0) builder.Output($"out{value.Index}", value);
        return builder.Build();

        ValueId Pick() => random.Next(10) == 0 ? values[random.Next(values.Count)] : values[^random.Next(1, Math.Min(window, values.Count) + 1)];
    }

    /// <summary>A network in the usual style: blocks of <paramref name="width"/> parallel chains of <paramref name="depth"/> nodes around a residual, one after another.</summary>
    public static Graph Blocks(int blocks, int width, int depth, long elements = 1024)
    {
        var builder = new GraphBuilder($"blocks{blocks}x{width}x{depth}");
        ValueId value = builder.Add("stem", new ToyOp(elements, 1 << 20), builder.Input("x", Floats(elements)));
        for (int block = 0; block < blocks; block++)
        {
            var ends = new List<ValueId> { value };
            for (int chain = 0; chain < width; chain++)
            {
                ValueId end = value;
                for (int i = 0; i < depth; i++) end = builder.Add($"b{block}c{chain}n{i}", new ToyOp(elements / width, 1 << 20), end);
                ends.Add(end);
            }
            value = builder.Add($"b{block}join", new ToyOp(elements, 1 << 10), ends.ToArray().AsSpan());
        }
        builder.Output("y", value);
        return builder.Build();
    }

    private static TensorFact Floats(long elements) => new(DType.Float32, [elements]);
}
