using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>The determinants of the square matrices of the last two axes.</summary>
public sealed record Det : Op
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact matrices = context.Tensor(0);
        if (context.Shape(0, 2) is not { } shape) return [new TensorFact(matrices.Type)];
        (Dim rows, Dim columns) = (shape[shape.Rank - 2], shape[shape.Rank - 1]);
        if (rows.IsKnown && columns.IsKnown && rows != columns) throw new InvalidModelException($"the matrices must be square, got {shape}");
        return [new TensorFact(matrices.Type, new Shape(shape.Dims[..^2]))];
    }

    /// <summary>n^3 / 3 for an n x n matrix: elimination.</summary>
    public override Cost Cost(ReadOnlySpan<Fact?> inputs, ReadOnlySpan<Fact?> outputs) => inputs[0] is TensorFact { Shape: { } shape }
        ? new Cost(Dim.CeilDiv(CostOf.Elements(inputs[0]) * shape[shape.Rank - 1], 3), CostOf.Bytes(inputs) + CostOf.Bytes(outputs))
        : base.Cost(inputs, outputs);
}
