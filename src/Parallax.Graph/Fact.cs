using System.Collections.Immutable;

namespace Parallax.Graphs;

/// <summary>What is known of a value before it is computed.</summary>
public abstract record Fact
{
    /// <summary>The fact of a datum that is at hand.</summary>
    public static Fact Of(Datum datum) => datum switch
    {
        Tensor tensor => TensorFact.Of(tensor),
        TensorSequence sequence => new SequenceFact(sequence.Items.Count > 0 && sequence.Items[0] is not Tensor
            ? Of(sequence.Items[0])
            : new TensorFact(sequence.ElementType)),
        OptionalDatum optional => new OptionalFact(optional.Value is null ? new TensorFact(DType.Undefined) : Of(optional.Value)),
        _ => throw new ArgumentException($"no fact for {datum.GetType().Name}", nameof(datum)),
    };
}

/// <summary>A tensor: its element type, its shape as far as known, and its contents where they are known.</summary>
/// <param name="Type">Undefined where the model does not say.</param>
/// <param name="Shape">Null where not even the rank is known. Dims may be symbolic.</param>
/// <param name="Known">
/// Contents of a small integer tensor (rank 0 or 1) as dims, which may be symbolic: the currency of shape arithmetic. Default where unknown.
/// </param>
/// <param name="Constant">The contents, where the value is a constant of the model.</param>
public sealed record TensorFact(DType Type, Shape? Shape = null, ImmutableArray<Dim> Known = default, Tensor? Constant = null) : Fact
{
    /// <summary>The largest integer tensor whose contents are followed through shape arithmetic.</summary>
    public const int MaxKnownElements = 256;

    public static TensorFact Of(Tensor constant) => new(constant.DType, constant.Shape, Constant: constant);

    /// <summary>The fact of a tensor whose integer contents are computed by shape arithmetic.</summary>
    public static TensorFact OfKnown(DType type, Shape shape, ImmutableArray<Dim> known) => new(type, shape, known);

    public int? Rank => Shape?.Rank;

    /// <summary>Whether type and all dims are known numbers.</summary>
    public bool IsStatic => Type != DType.Undefined && Shape is { IsKnown: true };

    /// <summary>The same type and shape without what is known of the contents.</summary>
    public TensorFact WithoutContents() => Constant is null && Known.IsDefault ? this : new TensorFact(Type, Shape);

    /// <summary>The contents of an integer tensor of rank 0 or 1, symbolic or not.</summary>
    public bool TryGetDims(out ImmutableArray<Dim> dims)
    {
        dims = Known;
        if (!dims.IsDefault) return true;
        if (Constant is null || Constant.ElementCount > MaxKnownElements || Constant.Rank > 1) return false;
        switch (Type)
        {
            case DType.Int64:
                dims = Constant.Span<long>().Map(v => (Dim)v);
                return true;
            case DType.Int32:
                dims = Constant.Span<int>().Map(v => (Dim)v);
                return true;
            default:
                return false;
        }
    }

    /// <summary>The contents of an integer tensor where all of them are numbers.</summary>
    public bool TryGetInts(out long[] values)
    {
        values = [];
        if (Constant is { DType: DType.Int64 or DType.Int32 } constant)
        {
            values = constant.DType == DType.Int64 ? constant.Span<long>().ToArray() : Array.ConvertAll(constant.Span<int>().ToArray(), v => (long)v);
            return true;
        }
        if (Known.IsDefault) return false;
        foreach (Dim dim in Known)
            if (!dim.IsKnown) return false;
        values = [.. Known.Select(d => d.Value)];
        return true;
    }

    /// <summary>The contents as one float, for scalar operands such as a clip bound.</summary>
    public bool TryGetScalar(out double value)
    {
        value = 0;
        if (Constant is not { ElementCount: 1 } constant)
        {
            if (Known.IsDefault || Known.Length != 1 || !Known[0].TryGetValue(out long known)) return false;
            value = known;
            return true;
        }
        double? read = constant.DType switch
        {
            DType.Float32 => constant.Span<float>()[0],
            DType.Float64 => constant.Span<double>()[0],
            DType.Float16 => (double)constant.Span<Half>()[0],
            DType.BFloat16 => (float)constant.Span<BFloat16>()[0],
            DType.Int64 => constant.Span<long>()[0],
            DType.Int32 => constant.Span<int>()[0],
            DType.Int16 => constant.Span<short>()[0],
            DType.Int8 => constant.Span<sbyte>()[0],
            DType.UInt64 => constant.Span<ulong>()[0],
            DType.UInt32 => constant.Span<uint>()[0],
            DType.UInt16 => constant.Span<ushort>()[0],
            DType.UInt8 => constant.Span<byte>()[0],
            DType.Bool => constant.Span<byte>()[0],
            _ => null,
        };
        value = read ?? 0;
        return read is not null;
    }

    public override string ToString() => $"{Type}{(Shape is { } shape ? shape.ToString() : "[?]")}{(Known.IsDefault ? "" : $" = {{{string.Join(", ", Known)}}}")}";
}

/// <summary>A sequence whose items have the given fact in common.</summary>
public sealed record SequenceFact(Fact Item) : Fact
{
    public override string ToString() => $"seq({Item})";
}

/// <summary>An optional whose content, where present, has the given fact.</summary>
public sealed record OptionalFact(Fact Item) : Fact
{
    public override string ToString() => $"optional({Item})";
}
