using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>A sequence of the inputs.</summary>
public sealed record SequenceConstruct : Op
{
    public override bool AcceptsNarrowFloats => true;

    public override ImmutableArray<Fact> Infer(InferContext context) =>
        [new SequenceFact(Enumerable.Range(0, context.InputCount).Select(i => FactJoin.WithoutContents(context.Input(i))).Aggregate(FactJoin.Join))];
}

/// <summary>A sequence without items, of tensors of the given type.</summary>
public sealed record SequenceEmpty(DType Type) : Op
{
    public override ImmutableArray<Fact> Infer(InferContext context) => [new SequenceFact(new TensorFact(Type))];
}

/// <summary>The sequence with input 1 inserted before position input 2 (absent: at the end; negative: from the end).</summary>
public sealed record SequenceInsert : Op
{
    public override bool AcceptsNarrowFloats => true;

    public override ImmutableArray<Fact> Infer(InferContext context) =>
        [new SequenceFact(FactJoin.Join(context.Sequence(0).Item, FactJoin.WithoutContents(context.Input(1))))];
}

/// <summary>The sequence without the item at position input 1 (absent: the last; negative: from the end).</summary>
public sealed record SequenceErase : Op
{
    public override bool AcceptsNarrowFloats => true;

    public override ImmutableArray<Fact> Infer(InferContext context) => [context.Sequence(0)];
}

/// <summary>The item at position input 1; negative: from the end.</summary>
public sealed record SequenceAt : Op
{
    public override bool AcceptsNarrowFloats => true;

    public override ImmutableArray<Fact> Infer(InferContext context) => [ItemOf(context.Sequence(0))];

    /// <summary>What is known of one item. Models write an empty shape where they mean none, so a rank of 0 is not believed.</summary>
    internal static Fact ItemOf(SequenceFact sequence) =>
        sequence.Item is TensorFact { Shape.Rank: 0 } scalar ? new TensorFact(scalar.Type) : FactJoin.Forget(sequence.Item);
}

/// <summary>The number of items, int64.</summary>
public sealed record SequenceLength : Op
{
    public override bool AcceptsNarrowFloats => true;

    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        context.Sequence(0);
        return [new TensorFact(DType.Int64, Shape.Scalar)];
    }
}

/// <summary>
/// The parts of a tensor along an axis. Input 1: a scalar, the length of all parts but the last, or a list of lengths; absent: parts of
/// length 1, without the axis unless <paramref name="KeepDims"/>.
/// </summary>
public sealed record SplitToSequence(long Axis, bool KeepDims) : Op
{
    public override bool AcceptsNarrowFloats => true;

    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact data = context.Tensor(0);
        if (data.Shape is not { } shape) return [new SequenceFact(new TensorFact(data.Type))];
        int axis = ShapeRules.Axis(Axis, shape.Rank);
        if (!context.Has(1) && !KeepDims) return [new SequenceFact(new TensorFact(data.Type, new Shape(shape.Dims.RemoveAt(axis))))];
        Dim length = !context.Has(1) ? 1
            : context.TryGetInts(1, out long[] split) && split.Length > 0 && IsEven(split, shape[axis]) ? split[0]
            : FreshDim.Of("part");
        return [new SequenceFact(new TensorFact(data.Type, shape.With(axis, length)))];
    }

    private static bool IsEven(long[] split, Dim whole) =>
        split.Length > 1 ? split.All(s => s == split[0]) : split[0] > 0 && whole.TryGetValue(out long length) && length % split[0] == 0;
}

/// <summary>The items concatenated along an axis, or stacked along a new one.</summary>
public sealed record ConcatFromSequence(long Axis, bool NewAxis) : Op
{
    public override bool AcceptsNarrowFloats => true;

    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        Fact item = SequenceAt.ItemOf(context.Sequence(0));
        if (item is not TensorFact tensor) throw new InvalidModelException($"the items must be tensors, got {item}");
        if (tensor.Shape is not { } shape) return [new TensorFact(tensor.Type)];
        int axis = ShapeRules.Axis(Axis, NewAxis ? shape.Rank + 1 : shape.Rank);
        Dim length = FreshDim.Of("concat");
        return [new TensorFact(tensor.Type, NewAxis ? new Shape(shape.Dims.Insert(axis, length)) : shape.With(axis, length))];
    }
}
