using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Graphs.Ops;

namespace Parallax.Onnx.Imports;

internal static class ControlFlowImports
{
    internal static readonly OpImport[] All =
    [
        new("If", 1.., n => Capture(n, 1, new If(n.Body("then_branch"), n.Body("else_branch")))),
        new("Loop", 1.., CreateLoop),
        new("Scan", 8..8, n => CreateScan(n, batched: true)),
        new("Scan", 9.., n => CreateScan(n, batched: false)),
        new("SequenceMap", 17.., n => Capture(n, n.InputCount, new SequenceMap(n.Body("body", [.. Facts(n).Select(f => f is SequenceFact sequence ? sequence.Item : f)]), n.Captures.Length))),
    ];

    private static Op CreateLoop(ImportNode n)
    {
        Graph body = n.Body("body", [new TensorFact(DType.Int64, Shape.Scalar), new TensorFact(DType.Bool, Shape.Scalar), .. Facts(n).Skip(2)]);
        return Capture(n, body.Inputs.Count - n.Captures.Length, new Loop(body, n.Captures.Length));
    }

    private static Op CreateScan(ImportNode n, bool batched)
    {
        Graph body = n.Body("body", [.. Facts(n).Skip(batched ? 1 : 0).Select(f => f is TensorFact tensor ? new TensorFact(tensor.Type) : f)]);
        int scanInputs = checked((int)n.Int("num_scan_inputs")), own = body.Inputs.Count - n.Captures.Length;
        int scanOutputs = body.Outputs.Count - (own - scanInputs);
        if (scanInputs < 1 || scanInputs > own || scanOutputs < 0)
            throw n.Invalid($"{scanInputs} scan inputs do not fit a body of {own} inputs and {body.Outputs.Count} outputs");
        var scan = new Scan(body, n.Captures.Length,
            PerItem(n, "scan_input_axes", scanInputs), Reverse(PerItem(n, batched ? "directions" : "scan_input_directions", scanInputs)),
            PerItem(n, "scan_output_axes", scanOutputs), Reverse(PerItem(n, "scan_output_directions", scanOutputs)), batched);
        return Capture(n, own + (batched ? 1 : 0), scan);
    }

    private static IEnumerable<Fact?> Facts(ImportNode n) => Enumerable.Range(0, n.InputCount).Select(i => n.HasInput(i) ? n.InputFact(i) : null);

    /// <summary>Makes the operator's own inputs complete and puts the captured values behind them.</summary>
    private static Op Capture(ImportNode n, int ownInputs, Op op)
    {
        if (n.InputCount > ownInputs) throw n.Invalid($"must have {ownInputs} inputs to fit its body, got {n.InputCount}");
        while (n.InputCount < ownInputs) n.SetInput(n.InputCount, ValueId.None);
        n.AppendCaptures();
        return op;
    }

    private static ImmutableArray<long> PerItem(ImportNode n, string attribute, int count)
    {
        long[] values = n.Ints(attribute) ?? new long[count];
        return values.Length == count ? [.. values] : throw n.Invalid($"attribute '{attribute}' must have {count} elements, got {values.Length}");
    }

    private static ImmutableArray<bool> Reverse(ImmutableArray<long> directions) => [.. directions.Select(d => d != 0)];
}
