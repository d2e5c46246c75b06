using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>An optional with the input as content; without an input, an empty one whose content would have the given fact.</summary>
public sealed record MakeOptional(Fact? Content) : Op
{
    public override string Name => "Optional";

    public override bool AcceptsNarrowFloats => true;

    public override ImmutableArray<Fact> Infer(InferContext context) =>
        [new OptionalFact(context.Has(0) ? FactJoin.WithoutContents(context.Input(0)) : Content ?? throw new InvalidModelException("an empty optional needs attribute 'type'"))];
}

/// <summary>Whether an optional has content. A tensor or a sequence always is some; an absent input is none.</summary>
public sealed record OptionalHasElement : Op
{
    public override bool AcceptsNarrowFloats => true;

    public override ImmutableArray<Fact> Infer(InferContext context) => [new TensorFact(DType.Bool, Shape.Scalar)];
}

/// <summary>The content of an optional; a tensor or a sequence is its own content.</summary>
public sealed record OptionalGetElement : Op
{
    public override bool AcceptsNarrowFloats => true;

    public override ImmutableArray<Fact> Infer(InferContext context) =>
        [context.Input(0) is OptionalFact optional ? optional.Item : FactJoin.WithoutContents(context.Input(0))];
}
