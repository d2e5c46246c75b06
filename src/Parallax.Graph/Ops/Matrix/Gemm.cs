using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>
/// <c>activation(alpha * op(A) op(B) + beta * C + residual)</c> on matrices; C is optional and broadcast to the result, input 3, the residual of the
/// result's shape, is optional too.
/// </summary>
public sealed record Gemm(float Alpha = 1f, float Beta = 1f, bool TransposeA = false, bool TransposeB = false) : Op, IFusible
{
    public Activation Activation { get; init; }

    public bool ResidualAfterActivation { get; init; }

    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        DType type = context.Tensor(0).Type;
        if (context.Shape(0, 2, 2) is not { } a || context.Shape(1, 2, 2) is not { } b) return [new TensorFact(type)];
        Dim ka = a[TransposeA ? 0 : 1], kb = b[TransposeB ? 1 : 0];
        if (ka.IsKnown && kb.IsKnown && ka != kb) throw new InvalidModelException($"A {a} and B {b} must agree in the inner dimension, got {ka} and {kb}");
        Shape result = [a[TransposeA ? 1 : 0], b[TransposeB ? 0 : 1]];
        if (context.Has(2) && context.Shape(2, 0, 2) is { } c && result.IsKnown && c.IsKnown && ShapeRules.Broadcast(c, result) != result)
            throw new InvalidModelException($"C {c} does not broadcast to {result}");
        return [new TensorFact(type, result)];
    }

    public override Cost Cost(ReadOnlySpan<Fact?> inputs, ReadOnlySpan<Fact?> outputs) => inputs[0] is TensorFact { Shape: { } a }
        ? new Cost(CostOf.Elements(outputs[0]) * a[TransposeA ? 0 : 1], CostOf.Bytes(inputs) + CostOf.Bytes(outputs))
        : base.Cost(inputs, outputs);
}
