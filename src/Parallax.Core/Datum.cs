namespace Parallax;

/// <summary>What flows along an edge of a graph: a <see cref="Tensor"/>, a <see cref="TensorSequence"/> or an <see cref="OptionalDatum"/>.</summary>
public abstract class Datum;

/// <summary>An ordered list of tensors of one element type (or of sequences), as ONNX's sequence type. Immutable.</summary>
public sealed class TensorSequence(DType elementType, IReadOnlyList<Datum> items) : Datum
{
    /// <summary>Element type of the tensors inside, also where the sequence is empty.</summary>
    public DType ElementType { get; } = elementType;

    public IReadOnlyList<Datum> Items { get; } = items;

    public override string ToString() => $"sequence of {Items.Count} {ElementType}";
}

/// <summary>A value that may be absent, as ONNX's optional type.</summary>
public sealed class OptionalDatum(Datum? value) : Datum
{
    public static OptionalDatum None { get; } = new(null);

    public Datum? Value { get; } = value;

    public override string ToString() => Value is null ? "none" : $"optional {Value}";
}
