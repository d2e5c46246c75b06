using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>
/// <c>activation(alpha * op(A) op(B) + bias + residual)</c> over the last two axes, the axes before them broadcast as in NumPy; a vector is a row on the
/// left and a column on the right. Input 2, the bias of one number per column, and input 3, the residual of the result's shape, are optional.
/// </summary>
/// <param name="TransposeA">Whether the last two axes of A are swapped.</param>
/// <param name="TransposeB">Whether the last two axes of B are swapped.</param>
public sealed record MatMul(bool TransposeA = false, bool TransposeB = false, float Alpha = 1f) : Op, IFusible
{
    public Activation Activation { get; init; }

    public bool ResidualAfterActivation { get; init; }

    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        DType type = context.Tensor(0).Type;
        if (context.Shape(0, 1) is not { } a || context.Shape(1, 1) is not { } b) return [new TensorFact(type)];
        Dim k = Inner(a, TransposeA, left: true), kb = Inner(b, TransposeB, left: false);
        if (k.IsKnown && kb.IsKnown && k != kb) throw new InvalidModelException($"A {a} and B {b} must agree in the inner dimension, got {k} and {kb}");
        Shape batch = ShapeRules.Broadcast(Batch(a), Batch(b))!.Value;
        var dims = batch.Dims.ToBuilder();
        if (a.Rank > 1) dims.Add(a[^(TransposeA ? 1 : 2)]);
        if (b.Rank > 1) dims.Add(b[^(TransposeB ? 2 : 1)]);
        return [new TensorFact(type, new Shape(dims.ToImmutable()))];
    }

    public override Cost Cost(ReadOnlySpan<Fact?> inputs, ReadOnlySpan<Fact?> outputs) => inputs[0] is TensorFact { Shape: { } a }
        ? new Cost(CostOf.Elements(outputs[0]) * Inner(a, TransposeA, left: true), CostOf.Bytes(inputs) + CostOf.Bytes(outputs))
        : base.Cost(inputs, outputs);

    private static Shape Batch(Shape shape) => new(shape.Rank > 2 ? shape.Dims[..^2] : []);

    private static Dim Inner(Shape shape, bool transposed, bool left) => shape.Rank == 1 ? shape[0] : shape[^(left == transposed ? 2 : 1)];
}
