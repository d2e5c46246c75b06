using System.Collections.Immutable;
using Parallax.Graphs.Ops;

namespace Parallax.Graphs.Passes;

/// <summary>
/// <c>f(g(h(x), i(x))) = Reshape(Gather(Reshape(x, [rows, row]), indices), dims)</c> for Slice, Split, Concat, Gather and Transpose that leave rows of x together, and
/// <c>Reshape(x, dims)</c> where all rows stay where they are: one copy for several. The indices are what the operators make of the numbers of the rows. Needs static shapes.
/// </summary>
public sealed class MergeRowMoves(IConstantEvaluator evaluator) : IPass
{
    /// <summary>Shorter rows cost more to look up than their elements to move twice; longer ones leave too little to share among workers.</summary>
    private const long LeastRowBytes = 64, MostRowBytes = 16 * 1024;

    /// <summary>A tree grows no further than to so many nodes.</summary>
    private const int MostNodes = 64;

    public string Name => "merge-row-moves";

    public Patch? TryRewrite(Graph graph, Node node)
    {
        if (!MovesRows(graph, node) || node.Outputs.Length != 1) return null;
        HashSet<NodeId> tree = TreeOf(graph, node);
        ValueId result = node.Outputs[0], source = SourceOf(graph, tree, result, []);
        if (tree.Count == 1 || source == result) return null;
        (DType type, Shape shape) = (graph.TensorFact(result)!.Type, graph.TensorFact(result)!.Shape!.Value);
        int row = RowOf(graph, tree);
        if (row * (long)type.ElementBytes() < LeastRowBytes || Count(graph, source) / row > int.MaxValue) return null;
        var moves = new Moves(graph, evaluator, source, row);
        if (moves.Of(result) is not { } moved || moves.CopiedElements <= Count(graph, result)) return null;
        var patch = new Patch(graph);
        ReadOnlySpan<int> numbers = moved.Span<int>();
        long sourceRows = Count(graph, source) / row;
        if (numbers.Length == sourceRows && RunLength(numbers, 0) == numbers.Length) return patch.Replace(result, patch.Reshape(node.Name, source, shape.ToArray()));
        long together = Together(numbers, sourceRows, MostRowBytes / (row * type.ElementBytes()));
        int[] indices = new int[numbers.Length / together];
        for (int i = 0; i < indices.Length; i++) indices[i] = (int)(numbers[(int)(i * together)] / together);
        ValueId rows = patch.Reshape($"{node.Name}/rows", source, sourceRows / together, row * together);
        ValueId gathered = patch.Add(node.Name, new Gather(0), rows, patch.Constant($"{node.Name}/indices", Tensor.From(indices, [indices.Length])));
        return patch.Replace(result, patch.Reshape($"{node.Name}/shaped", gathered, shape.ToArray()));
    }

    /// <summary>The node, and what moves the rows that it reads and is of no use to anybody else. Views may have other readers.</summary>
    private static HashSet<NodeId> TreeOf(Graph graph, Node root)
    {
        var tree = new HashSet<NodeId> { root.Id };
        for (bool grows = true; grows && tree.Count < MostNodes;)
        {
            NodeId[] near = [.. tree.SelectMany(id => Data(graph[id])).Select(graph.Producer).OfType<Node>()
                .Where(n => !tree.Contains(n.Id) && (IsStaticView(graph, n) || (MovesRows(graph, n) && IsInner(n)))).Select(n => n.Id)];
            tree.UnionWith(near);
            grows = near.Length > 0;
        }
        return tree;

        bool IsInner(Node node) => node.Outputs.All(o => o.IsNone || (!graph.IsOutput(o) && graph.Consumers(o).All(c => tree.Contains(c) && (!graph[c].Op.IsView || IsInner(graph[c])))));
    }

    /// <summary>The value of whose elements alone a value of the tree is made: the value itself where there are several.</summary>
    private static ValueId SourceOf(Graph graph, HashSet<NodeId> tree, ValueId id, Dictionary<ValueId, ValueId> known)
    {
        if (graph.Producer(id) is not { } node || !tree.Contains(node.Id)) return id;
        if (known.TryGetValue(id, out ValueId source)) return source;
        ValueId[] sources = [.. Data(node).Select(i => SourceOf(graph, tree, i, known)).Distinct()];
        return known[id] = sources.Length == 1 ? sources[0] : id;
    }

    /// <summary>What an operator moves; its other inputs say where to.</summary>
    private static ImmutableArray<ValueId> Data(Node node) => node.Op is Concat ? node.Inputs : [node.Inputs[0]];

    /// <summary>The longest row that all values of the tree are made of.</summary>
    private static int RowOf(Graph graph, HashSet<NodeId> tree)
    {
        long row = 0;
        foreach (NodeId id in tree)
            foreach (ValueId value in Data(graph[id]).Concat(graph[id].Outputs))
                if (!value.IsNone) row = Gcd(row, graph.TensorFact(value)!.Shape!.Value is { Rank: > 0 } shape ? shape[^1].Value : 1);
        return checked((int)row);
    }

    /// <summary>Whether a node only moves rows along the last axis, none of them cut, by numbers that are known.</summary>
    private static bool MovesRows(Graph graph, Node node)
    {
        if (node.Op is not (Slice or Split or Concat or Gather or Transpose) || !IsStatic(graph, node)) return false;
        int last = graph.TensorFact(node.Inputs[0])!.Shape!.Value.Rank - 1;
        return last >= 0 && node.Op switch
        {
            Transpose transpose => transpose.For(last + 1)[last] == last,
            Concat => true,
            Split split => ShapeRules.Axis(split.Axis, last + 1) != last && AreConstant(graph, node),
            Gather gather => ShapeRules.Axis(gather.Axis, last + 1) != last && AreConstant(graph, node),
            _ => AreConstant(graph, node) && !SlicedAxes(graph, node, last + 1).Contains(last),
        };
    }

    private static int[] SlicedAxes(Graph graph, Node slice, int rank) => slice.Inputs.Length > 3 && graph.Constant(slice.Inputs[3]) is { } axes
        ? ShapeRules.Axes(TensorFact.Of(axes).TryGetInts(out long[] given) ? given : [], rank)
        : Mapping.Positions((int)graph.Constant(slice.Inputs[1])!.ElementCount);

    private static bool AreConstant(Graph graph, Node node) => node.Inputs.Skip(1).All(i => i.IsNone || graph.Constant(i) is not null);

    private static bool IsStaticView(Graph graph, Node node) => node.Op.IsView && IsStatic(graph, node);

    private static bool IsStatic(Graph graph, Node node) => Data(node).Concat(node.Outputs).All(v =>
        v.IsNone || graph.TensorFact(v) is { IsStatic: true } fact && fact.Type.BitWidth() >= 8 && fact.Type != DType.String && fact.Shape!.Value.Elements.Value > 0);

    private static long Count(Graph graph, ValueId id) => graph.TensorFact(id)!.Shape!.Value.Elements.Value;

    /// <summary>How many rows always move together, from a multiple of their number to a multiple of it; no more than <paramref name="most"/> but one.</summary>
    private static long Together(ReadOnlySpan<int> rows, long sourceRows, long most)
    {
        long together = sourceRows;
        for (int i = 0, length; i < rows.Length; i += length)
        {
            length = RunLength(rows, i);
            together = Gcd(Gcd(together, rows[i]), length);
        }
        long limited = Math.Min(together, Math.Max(most, 1));
        while (together % limited != 0) limited--;
        return limited;
    }

    private static int RunLength(ReadOnlySpan<int> rows, int start)
    {
        int end = start + 1;
        while (end < rows.Length && rows[end] == rows[end - 1] + 1) end++;
        return end - start;
    }

    private static long Gcd(long a, long b) => b == 0 ? a : Gcd(b, a % b);

    /// <summary>Which rows of a source make up values.</summary>
    private sealed class Moves(Graph graph, IConstantEvaluator evaluator, ValueId source, int row)
    {
        private readonly Dictionary<ValueId, Tensor?> known = new()
        {
            [source] = Tensor.From(Mapping.Positions((int)(Count(graph, source) / row)), InRows(graph, source, row)),
        };

        /// <summary>Elements that the operators between the source and the values asked for copy, as far as they cannot show them where they lie.</summary>
        internal long CopiedElements { get; private set; }

        /// <summary>The number of the source's row for each row of a value, int32; null where operators could not be computed.</summary>
        internal Tensor? Of(ValueId id)
        {
            if (!known.ContainsKey(id)) Trace(graph.Producer(id)!);
            return known[id];
        }

        private void Trace(Node node)
        {
            Tensor?[] moved = [.. Data(node).Select(Of)];
            Tensor?[]? results = null;
            if (!moved.Contains(null))
                results = node.Op.IsView
                    ? [moved[0]!.Reshape(InRows(graph, node.Outputs[0], row))]
                    : evaluator.Evaluate(node, node.Inputs.Map((input, i) => i < moved.Length ? moved[i] : graph.Constant(input)));
            for (int i = 0; i < node.Outputs.Length; i++)
            {
                if (node.Outputs[i].IsNone) continue;
                known[node.Outputs[i]] = results?[i];
                if (!node.Op.IsView && !ShowsRun(node)) CopiedElements += Count(graph, node.Outputs[i]);
            }
        }

        /// <summary>Whether what a node takes out of its input lies there in one piece.</summary>
        private bool ShowsRun(Node node)
        {
            if (node.Op is not (Slice or Split)) return false;
            Shape from = graph.TensorFact(node.Inputs[0])!.Shape!.Value;
            int[] axes = node.Op is Split split ? [ShapeRules.Axis(split.Axis, from.Rank)] : SlicedAxes(graph, node, from.Rank);
            if (node.Op is Slice && node.Inputs.Length > 4 && graph.Constant(node.Inputs[4]) is { } steps && !(TensorFact.Of(steps).TryGetInts(out long[] by) && by.All(s => s == 1))) return false;
            return axes.All(axis => from.Dims.Take(axis).All(d => d == 1));
        }

        private static long[] InRows(Graph graph, ValueId id, int row)
        {
            long[] dims = graph.TensorFact(id)!.Shape!.Value.ToArray();
            dims[^1] /= row;
            return dims;
        }
    }
}
