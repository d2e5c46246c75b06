using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>Converts elements to another type; numbers to strings and back too.</summary>
/// <param name="Saturate">Float8 targets: whether what is out of range becomes the largest finite value.</param>
/// <param name="Rounding">Float8E8M0 targets: up, down or to the nearest power of two.</param>
public sealed record Cast(DType To, bool Saturate = true, MidpointRounding Rounding = MidpointRounding.ToPositiveInfinity) : Op
{
    public override bool AcceptsNarrowFloats => true;

    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact x = context.Tensor(0);
        if (To is DType.Int64 or DType.Int32 && (x.TryGetDims(out ImmutableArray<Dim> known) || (x.Type == DType.Bool && ShapeArithmetic.TryGetBools(x, out known))))
            return [TensorFact.OfKnown(To, x.Shape!.Value, known)];
        return [new TensorFact(To, x.Shape)];
    }
}

/// <summary>The same bits read as another type of the same width.</summary>
public sealed record BitCast(DType To) : Op
{
    public override bool IsView => true;

    public override bool AcceptsNarrowFloats => true;

    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact x = context.Tensor(0);
        if (x.Type != DType.Undefined && x.Type.BitWidth() != To.BitWidth())
            throw new InvalidModelException($"elements of {x} and {To} must be equally wide");
        return [new TensorFact(To, x.Shape)];
    }
}
