using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>
/// Runs a body for as long as a condition holds, at most a given number of times. Inputs: that number (absent: no limit), the first
/// condition (absent: true), the initial values of what is carried, then the captured values. The body takes the iteration's number,
/// the condition, the carried and the captured values; it gives the next condition, the carried values, and a part of each scan output.
/// Outputs: the carried values after the last iteration; the scan outputs, whose parts are stacked along a new leading axis.
/// </summary>
/// <param name="CaptureCount">Captured values: the last inputs of the node and of the body.</param>
public sealed record Loop(Graph Body, int CaptureCount) : Op
{
    public int CarriedCount => Body.Inputs.Count - 2 - CaptureCount;

    public int ScanCount => Body.Outputs.Count - 1 - CarriedCount;

    public override bool AcceptsNarrowFloats => true;

    public override ImmutableArray<Graph> Bodies => [Body];

    public override Op WithBodies(ImmutableArray<Graph> bodies) => this with { Body = bodies[0] };

    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        if (CarriedCount < 0 || ScanCount < 0 || context.InputCount != Body.Inputs.Count)
            throw new InvalidModelException($"the body has {Body.Inputs.Count} inputs and {Body.Outputs.Count} outputs, which do not fit the loop's {context.InputCount} inputs");
        var join = new FactJoin();
        Fact[] state = [.. Enumerable.Range(2, CarriedCount).Select(i => FactJoin.WithoutContents(context.Input(i)))];
        Fact?[] inputs = [BodyFacts.Scalar(Body, 0, DType.Int64), BodyFacts.Scalar(Body, 1, DType.Bool), .. state, .. context.Inputs[(2 + CarriedCount)..]];
        ImmutableArray<Fact> results;
        bool changed;
        do
        {
            // The first iteration's shapes need not be those of the next: what differs is widened until nothing changes.
            results = BodyFacts.Infer(Body, inputs);
            changed = false;
            for (int i = 0; i < state.Length; i++)
            {
                Fact next = join.Widen(state[i], results[1 + i]);
                changed |= !next.Equals(state[i]);
                inputs[2 + i] = state[i] = next;
            }
        }
        while (changed);
        Dim trips = TripCount(context, results[0]) ?? FreshDim.Of("trips");
        return [.. state.Select(join.Settle), .. results[(1 + CarriedCount)..].Select(part => Stacked(join.Settle(part), trips))];
    }

    public override Cost Cost(ReadOnlySpan<Fact?> inputs, ReadOnlySpan<Fact?> outputs)
    {
        Cost body = BodyFacts.Cost(Body);
        Dim trips = inputs[0] is TensorFact limit && limit.TryGetInts(out long[] known) && known.Length == 1 ? Math.Max(0, known[0]) : 1;
        return new Cost(body.Macs * trips, body.Bytes * trips);
    }

    /// <summary>The number of iterations, where a constant limit is all that ends the loop.</summary>
    private Dim? TripCount(InferContext context, Fact nextCondition)
    {
        if (!context.TryGetInts(0, out long[] limit) || limit.Length != 1) return null;
        bool startsTrue = !context.Has(1) || (context.Tensor(1).TryGetScalar(out double first) && first != 0);
        bool staysTrue = BodyFacts.Origin(Body, Body.Outputs[0].Value) == Body.Inputs[1]
            || (nextCondition is TensorFact next && next.TryGetScalar(out double value) && value != 0);
        return startsTrue && staysTrue ? Math.Max(0, limit[0]) : null;
    }

    private static Fact Stacked(Fact part, Dim count) => part is TensorFact tensor
        ? new TensorFact(tensor.Type, tensor.Shape is { } shape ? new Shape(shape.Dims.Insert(0, count)) : null)
        : throw new InvalidModelException($"a scan output must be a tensor, got {part}");
}
