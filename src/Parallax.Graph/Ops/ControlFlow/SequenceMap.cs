using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>
/// Runs a body on each item of a sequence; each output is the sequence of its results. Inputs: the sequence, further sequences (walked
/// together with the first) or tensors (given to every run), then the captured values.
/// </summary>
/// <param name="CaptureCount">Captured values: the last inputs of the node and of the body.</param>
public sealed record SequenceMap(Graph Body, int CaptureCount) : Op
{
    public override bool AcceptsNarrowFloats => true;

    public override ImmutableArray<Graph> Bodies => [Body];

    public override Op WithBodies(ImmutableArray<Graph> bodies) => this with { Body = bodies[0] };

    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        int own = context.InputCount - CaptureCount;
        context.Sequence(0);
        var inputs = context.Inputs.Select((fact, i) => i < own && fact is SequenceFact sequence ? SequenceAt.ItemOf(sequence) : fact);
        return [.. BodyFacts.Infer(Body, [.. inputs]).Select(result => new SequenceFact(FactJoin.WithoutContents(result)))];
    }

    public override Cost Cost(ReadOnlySpan<Fact?> inputs, ReadOnlySpan<Fact?> outputs) => BodyFacts.Cost(Body);
}
