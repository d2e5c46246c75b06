using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>
/// The outputs of <paramref name="Then"/> where the condition is true, else those of <paramref name="Else"/>. Inputs: the condition,
/// one bool, then the captured values, which are the inputs of both bodies.
/// </summary>
public sealed record If(Graph Then, Graph Else) : Op
{
    public override bool AcceptsNarrowFloats => true;

    public override ImmutableArray<Graph> Bodies => [Then, Else];

    public override Op WithBodies(ImmutableArray<Graph> bodies) => new If(bodies[0], bodies[1]);

    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact condition = context.Tensor(0);
        if (condition.Type is not (DType.Bool or DType.Undefined)) throw new InvalidModelException($"the condition must be bool, got {condition}");
        ImmutableArray<Fact?> captures = context.Inputs[1..];
        if (condition.TryGetScalar(out double value)) return BodyFacts.Infer(value != 0 ? Then : Else, captures);
        // A branch that contradicts what is known of its captures is one that never runs, such as the 3-d case of a 2-d input.
        ImmutableArray<Fact> then = TryInfer(Then, captures, out InvalidModelException? thenError);
        ImmutableArray<Fact> otherwise = TryInfer(Else, captures, out InvalidModelException? elseError);
        if (thenError is not null) return elseError is null ? otherwise : throw new InvalidModelException(thenError.Message, thenError);
        if (elseError is not null) return then;
        if (then.Length != otherwise.Length) throw new InvalidModelException($"the branches have {then.Length} and {otherwise.Length} outputs");
        return [.. then.Zip(otherwise, FactJoin.Join)];
    }

    public override Cost Cost(ReadOnlySpan<Fact?> inputs, ReadOnlySpan<Fact?> outputs)
    {
        Cost then = BodyFacts.Cost(Then), otherwise = BodyFacts.Cost(Else);
        return new Cost(Dim.Max(then.Macs, otherwise.Macs), Dim.Max(then.Bytes, otherwise.Bytes));
    }

    private static ImmutableArray<Fact> TryInfer(Graph body, ImmutableArray<Fact?> captures, out InvalidModelException? error)
    {
        error = null;
        try
        {
            return BodyFacts.Infer(body, captures);
        }
        catch (InvalidModelException e)
        {
            error = e;
            return [];
        }
    }
}
