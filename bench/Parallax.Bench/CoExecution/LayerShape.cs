using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Onnx;
using Parallax.Planning;
using Parallax.Runtime;
using Parallax.Runtime.Calibration;
using Parallax.Zoo;

namespace Parallax.Bench.CoExecution;

/// <summary>What a layer is.</summary>
internal enum LayerFamily
{
    Linear,
    Convolution,
}

/// <summary>A product or a convolution of a network, at one size: the operator with all that was fused into it, and the dims of what it reads.</summary>
/// <param name="Inputs">By position; null where an optional input is absent.</param>
/// <param name="Work">Two layers of the same work are the same problem to a predictor.</param>
internal sealed record LayerShape(string Network, LayerFamily Family, Op Op, ImmutableArray<LayerInput?> Inputs, StepWork Work)
{
    /// <summary>The layer's node in the graph that <see cref="Build"/> makes, and the operator that is beside it there.</summary>
    internal const string Layer = "layer", Beside = nameof(UnaryFunction.Abs);

    /// <summary>Less is never worth a split.</summary>
    private const long MinMacs = 1_000_000;

    /// <summary>A dozen ways to run a layer pack its weights a dozen times.</summary>
    private const long MaxConstantBytes = 20 << 20;

    /// <summary>Networks, and the sizes at which they are looked at.</summary>
    private static readonly (string Network, (string Dim, long Value)[] Dims)[] Sources =
    [
        ("yolov8n", [("height", 640), ("width", 640)]), ("yolov8n", [("height", 320), ("width", 448)]), ("whisper-tiny-encoder", []), ("whisper-tiny-decoder", [("tokens", 16)]),
        ("whisper-tiny-decoder", [("tokens", 80)]), ("whisper-tiny-decoder", [("tokens", 224)]), ("swinv2-tiny", []), ("clip-text", []), ("clip-text", [("sequence", 20)]), ("clip-text", [("sequence", 48)]), ("distilbert", []), ("distilbert", [("sequence", 40)]),
        ("distilbert", [("sequence", 384)]),
    ];

    /// <summary>Distinct layers of the zoo with weights of their own, by the amount of their work.</summary>
    internal static IReadOnlyList<LayerShape> OfTheZoo() => [.. Sources.SelectMany(s => Of(s.Network, s.Dims)).DistinctBy(l => (l.Family, l.Work.Extents)).OrderBy(l => l.Work.Macs)];

    private static List<LayerShape> Of(string network, (string Dim, long Value)[] dims)
    {
        ZooEntry entry = ZooCatalog.Find(network);
        Dictionary<string, long> bound = entry.DefaultDims.ToDictionary();
        foreach ((string dim, long value) in dims) bound[dim] = value;
        using var session = new InferenceSession(Importer.Import(entry.Build(new ZooOptions(Dynamic: true))),
            new SessionOptions { Threads = 1, Mode = ScheduleMode.Sequential, DeviceProfile = DeviceProfiles.None, Dimensions = bound });
        Graph graph = session.PlanFor(session.Inputs.ToDictionary(i => i.Name, i => (Datum)Tensor.Zeros(i.DType, i.Shape!.Value.ToArray()))).Partition.Graph;
        return [.. graph.TopologicalOrder().Select(n => TryRead(network, graph, n)).OfType<LayerShape>()];
    }

    private static LayerShape? TryRead(string network, Graph graph, Node node)
    {
        if (OutputAxes.Of(graph, node).IsEmpty || graph.Constant(node.Inputs[1]) is null) return null;
        StepWork work = StepWork.Of(graph, node);
        if (!work.Extents.IsKnown || work.Macs < MinMacs || work.ColdBytes > MaxConstantBytes) return null;
        ImmutableArray<LayerInput?> inputs = [.. node.Inputs.Select(i => i.IsNone ? null : LayerInput.Of(graph, i))];
        return inputs.Any(i => i is { Type: not DType.Float32 }) ? null : new LayerShape(network, node.Op is Graphs.Ops.Conv ? LayerFamily.Convolution : LayerFamily.Linear, node.Op, inputs, work);
    }

    /// <summary>The layer between two operators of another kind, so that what it reads and writes lies in the arena, as in a network.</summary>
    internal Graph Build()
    {
        var builder = new GraphBuilder(Layer);
        ValueId[] values = [.. Inputs.Select((input, i) => input is null ? ValueId.None
            : input.IsConstant ? builder.Constant($"c{i}", CalibrationProblem.Fill([.. input.Dims]))
            : builder.Add($"before{i}", new Unary(UnaryFunction.Abs), builder.Input($"x{i}", new TensorFact(DType.Float32, Shape.Of([.. input.Dims])))))];
        builder.Output("y", builder.Add("after", new Unary(UnaryFunction.Abs), builder.Add(Layer, Op, values)));
        return builder.Build();
    }

    /// <summary>For people: the rows, columns and depth of a product, the channels, taps and result of a convolution.</summary>
    public override string ToString()
    {
        WorkShape e = Work.Extents;
        long[] weights = [.. Inputs[1]!.Dims];
        return Family == LayerFamily.Linear
            ? $"{(e.Batch > 1 ? $"{e.Batch}x" : "")}{e.Rows}x{e.Columns}x{e.Depth}"
            : $"{weights[1] * e.Groups} to {e.Columns}, {string.Join('x', weights[2..])}{(e.Stride > 1 ? $" / {e.Stride}" : "")}, {e.Rows} points{(e.Groups > 1 ? $", {e.Groups} groups" : "")}";
    }
}

/// <summary>What a layer reads.</summary>
internal sealed record LayerInput(DType Type, ImmutableArray<long> Dims, bool IsConstant)
{
    internal static LayerInput Of(Graph graph, ValueId id)
    {
        TensorFact fact = graph.TensorFact(id)!;
        return new LayerInput(fact.Type, [.. fact.Shape!.Value.ToArray()], graph.Constant(id) is not null);
    }
}
