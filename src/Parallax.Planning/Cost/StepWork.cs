using Parallax.Graphs;
using Parallax.Graphs.Ops;

namespace Parallax.Planning;

/// <summary>What a node has to do, as far as its time depends on it. Symbolic costs count as nothing.</summary>
/// <param name="Macs">Multiply-accumulates (elementwise: results).</param>
/// <param name="Bytes">Bytes read and written.</param>
/// <param name="ColdBytes">Those of <paramref name="Bytes"/> that are constants: read once a run, they come from memory.</param>
/// <param name="EpilogueResults">Results that go through a transcendental function before they are stored.</param>
/// <param name="Extents">In which shape, where that is known.</param>
public readonly record struct StepWork(OpClass Class, long Macs, long Bytes, long ColdBytes = 0, long EpilogueResults = 0, WorkShape Extents = default)
{
    /// <summary>What the rate of the class counts.</summary>
    public long Units => Class is OpClass.Movement or OpClass.Rearrangement ? Bytes : Macs;

    /// <summary>Whether so many channels or rows are all that the result has, so that this tells the work of a part of them. Of a convolution, a row has any number of results.</summary>
    public bool Has(long all, OutputAxis axis) =>
        all > 0 && (axis == OutputAxis.Channels ? Extents.Columns == all : Extents.Taps > 0 ? Extents.Rows % all == 0 : Extents.Rows == all);

    /// <summary>
    /// The work of computing only some of the columns or rows of a product's result, or of the channels or rows of a convolution's. Of columns, what the operator reads beside the
    /// right-hand matrix or the filters, it reads all the same, unless the channels lie in groups; of rows, it reads all of the right-hand matrix or the filters and the rest in part.
    /// </summary>
    /// <param name="count">1 to all; whole groups where there are several.</param>
    /// <param name="all">Channels or rows of the whole.</param>
    public StepWork Part(long count, long all, OutputAxis axis = OutputAxis.Channels)
    {
        if (!Has(all, axis)) throw new ArgumentOutOfRangeException(nameof(all), all, $"{Extents} has another number of {axis}");
        if (count < 1 || count > all) throw new ArgumentOutOfRangeException(nameof(count), count, $"1 to {all} are expected");
        return axis == OutputAxis.Rows ? PartOfRows(Extents.Rows / all * count) : PartOfColumns(count);
    }

    private StepWork PartOfRows(long rows)
    {
        WorkShape whole = Extents;
        double share = rows / (double)whole.Rows;
        long kept = Math.Min(Bytes, Math.Max(ColdBytes, RightBytes));
        return this with
        {
            Class = Class == OpClass.Dense && whole.Taps == 0 && rows <= OpClasses.FewRows ? OpClass.FewRows : Class,
            Macs = (long)Math.Round(Macs * share),
            Bytes = kept + (long)Math.Round((Bytes - kept) * share),
            EpilogueResults = (long)Math.Round(EpilogueResults * share),
            Extents = whole with { Rows = rows },
        };
    }

    /// <summary>Of the right-hand matrices, or the filters.</summary>
    private long RightBytes => sizeof(float) * Extents.Columns * Extents.Depth * (Extents.Taps > 0 ? 1 : Extents.Batch);

    private StepWork PartOfColumns(long columns)
    {
        WorkShape whole = Extents;
        double share = columns / (double)whole.Columns;
        long right = ColdBytes > 0 ? ColdBytes : RightBytes;
        long results = sizeof(float) * whole.Batch * whole.Rows * whole.Columns;
        long divided = whole.Groups > 1 ? Bytes : Math.Min(Bytes, right + results);
        return this with
        {
            Macs = Scaled(Macs),
            Bytes = Bytes - divided + Scaled(divided),
            ColdBytes = Scaled(ColdBytes),
            EpilogueResults = Scaled(EpilogueResults),
            Extents = whole with { Columns = columns, Groups = Math.Max(1, Scaled(whole.Groups)) },
        };

        long Scaled(long count) => (long)Math.Round(count * share);
    }

    /// <summary>The work of a node; control flow counts its heaviest body once, for trip counts are not known.</summary>
    public static StepWork Of(Graph graph, Node node)
    {
        Cost cost = graph.Cost(node);
        cost.Macs.TryGetValue(out long macs);
        cost.Bytes.TryGetValue(out long bytes);
        long bodyMacs = 0, bodyBytes = 0;
        foreach (Graph body in node.Op.Bodies)
        {
            (long Macs, long Bytes) sum = (0, 0);
            foreach (Node inner in body.Nodes)
            {
                StepWork work = Of(body, inner);
                sum = (sum.Macs + work.Macs, sum.Bytes + work.Bytes);
            }
            bodyMacs = Math.Max(bodyMacs, sum.Macs);
            bodyBytes = Math.Max(bodyBytes, sum.Bytes);
        }
        return new StepWork(ClassOf(graph, node), macs + bodyMacs, bytes + bodyBytes, Math.Min(bytes, ConstantBytes(graph, node)), EpilogueOf(graph, node),
            WorkShape.Of(graph, node, macs));
    }

    /// <summary>The class of a node, with its shapes looked at where they decide.</summary>
    public static OpClass ClassOf(Graph graph, Node node) => (OpClasses.Of(node.Op), node.Op) switch
    {
        (OpClass.Dense, _) when Rows(graph, node) is { } rows and <= OpClasses.FewRows => OpClass.FewRows,
        (OpClass.Convolution, Conv { Groups: > 1 } or IntegerConv { Groups: > 1 }) when WeightDims(graph, node) is { } w && w[1] < OpClasses.FewChannels => OpClass.Depthwise,
        (OpClass.Convolution, Conv or IntegerConv) when WeightDims(graph, node) is { } w && w[2..].All(d => d == 1) => OpClass.Dense,
        (_, Transpose transpose) when KeepsRuns(graph, node, transpose) => OpClass.Movement,
        (OpClass of, _) => of,
    };

    /// <summary>Whether a transposition leaves the last axis where it is, and that is long enough to be moved as a run of bytes.</summary>
    private static bool KeepsRuns(Graph graph, Node node, Transpose transpose) =>
        Dims(graph, node, 0) is { Length: > 0 } dims && transpose.For(dims.Length)[^1] == dims.Length - 1 && dims[^1] >= OpClasses.RunLength;

    /// <summary>Rows of the left-hand matrix, those of a batch that shares one right-hand matrix included; null where they are not known.</summary>
    private static long? Rows(Graph graph, Node node)
    {
        if (Dims(graph, node, 0) is not { Length: > 0 } a) return null;
        switch (node.Op)
        {
            case Gemm gemm:
                return a.Length == 2 ? a[gemm.TransposeA ? 1 : 0] : null;
            case MatMul or IntegerMatMul or ScaledIntegerMatMul:
                if (a.Length == 1) return 1;
                bool shared = Dims(graph, node, node.Op is IntegerProduct product ? product.B : 1) is { Length: 2 };
                long own = a[^(node.Op is MatMul { TransposeA: true } ? 1 : 2)];
                return shared ? own * Shape.Count(a.AsSpan(..^2)) : own;
            default:
                return null;
        }
    }

    private static long[]? WeightDims(Graph graph, Node node) =>
        Dims(graph, node, node.Op is IntegerProduct product ? product.B : 1) is { Length: > 2 } dims ? dims : null;

    private static long[]? Dims(Graph graph, Node node, int input) =>
        input < node.Inputs.Length && graph.TensorFact(node.Inputs[input]) is { Shape: { IsKnown: true } shape } ? shape.ToArray() : null;

    private static long ConstantBytes(Graph graph, Node node)
    {
        long bytes = 0;
        foreach (ValueId input in node.Inputs) bytes += graph.Constant(input)?.ByteCount ?? 0;
        return bytes;
    }

    private static long EpilogueOf(Graph graph, Node node) =>
        node.Op is IFusible { Activation.Kind: ActivationKind.Sigmoid or ActivationKind.Tanh or ActivationKind.Silu or ActivationKind.GeluErf or ActivationKind.GeluTanh or ActivationKind.QuickGelu }
            && CostOf.Elements(graph.Fact(node.Outputs[0])).TryGetValue(out long results) ? results : 0;
}
