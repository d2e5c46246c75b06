using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>Follows the contents of small integer tensors through operators that move them.</summary>
internal static class Contents
{
    /// <summary>A fact with contents where the type and the shape allow to follow them.</summary>
    internal static TensorFact Fact(DType type, Shape shape, ImmutableArray<Dim> contents) =>
        type is DType.Int64 or DType.Int32 && shape.Rank <= 1 && contents.Length <= TensorFact.MaxKnownElements
            ? TensorFact.OfKnown(type, shape, contents)
            : new TensorFact(type, shape);

    /// <summary>The contents of <paramref name="source"/> under another shape.</summary>
    internal static TensorFact Reshaped(TensorFact source, Shape? shape) =>
        shape is { Rank: <= 1 } target && source.TryGetDims(out ImmutableArray<Dim> contents) ? Fact(source.Type, target, contents) : new TensorFact(source.Type, shape);

    /// <summary>Contents of an optional integer input; throws where it is there and not of the types that hold integers.</summary>
    internal static bool TryGet(InferContext context, int index, out ImmutableArray<Dim> contents)
    {
        contents = [];
        return context.Has(index) && context.Tensor(index).TryGetDims(out contents);
    }

    /// <summary>The one integer of an input of one element.</summary>
    internal static bool TryGetScalar(InferContext context, int index, out Dim value)
    {
        value = default;
        if (!context.Has(index) || !context.Tensor(index).TryGetDims(out ImmutableArray<Dim> contents) || contents.Length != 1) return false;
        value = contents[0];
        return true;
    }

    /// <summary>The length of a one-dimensional input, where it is a known number.</summary>
    internal static int? Length(TensorFact fact) => fact.Shape is { Rank: 1 } shape && shape[0].TryGetValue(out long length) ? checked((int)length) : null;
}
