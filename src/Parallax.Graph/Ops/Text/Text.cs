using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>How <see cref="StringNormalizer"/> changes letters.</summary>
public enum CaseChange
{
    None,
    Lower,
    Upper,
}

/// <summary>The strings of a list [C] or [1xC] without stop words, in the wanted case; one empty string where none is left.</summary>
public sealed record StringNormalizer(CaseChange Case, bool IsCaseSensitive, ImmutableArray<string> StopWords) : Op
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TextRules.RequireStrings(context, 0);
        if (context.Shape(0, 1, 2) is not { } shape) return [new TensorFact(DType.String)];
        if (shape.Rank == 2 && shape[0].TryGetValue(out long rows) && rows != 1) throw new InvalidModelException($"input 0 must be [C] or [1xC], got {shape}");
        // Without stop words nothing is dropped; only an empty list still becomes one empty string.
        Dim length = shape[shape.Rank - 1];
        Dim left = StopWords.IsEmpty && length.TryGetValue(out long count) ? Math.Max(1, count) : FreshDim.Of("words");
        return [new TensorFact(DType.String, shape.Rank == 1 ? [left] : [1, left])];
    }
}

/// <summary>Elementwise concatenation, with broadcasting.</summary>
public sealed record StringConcat : Op
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TextRules.RequireStrings(context, 0);
        TextRules.RequireStrings(context, 1);
        return [new TensorFact(DType.String, ShapeRules.Broadcast(context.Shape(0), context.Shape(1)))];
    }
}

/// <summary>
/// The parts of each string between delimiters, padded with empty strings along a new last axis, and their number, int64.
/// </summary>
/// <param name="Delimiter">Null or empty: runs of white space, and none at the ends.</param>
/// <param name="MaxSplit">The most cuts to make in a string; null: no limit.</param>
public sealed record StringSplit(string? Delimiter, long? MaxSplit) : Op
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TextRules.RequireStrings(context, 0);
        Shape? shape = context.Shape(0);
        return [new TensorFact(DType.String, shape is { } s ? new Shape(s.Dims.Add(FreshDim.Of("parts"))) : null), new TensorFact(DType.Int64, shape)];
    }
}

/// <summary>Whether each whole string matches a pattern in the syntax of RE2, bool.</summary>
public sealed record RegexFullMatch(string Pattern) : Op
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TextRules.RequireStrings(context, 0);
        return [new TensorFact(DType.Bool, context.Shape(0))];
    }
}

/// <summary>What <see cref="TfIdfVectorizer"/> tells of an n-gram: how often it occurs, its weight where it occurs, or the product.</summary>
public enum TfIdfMode
{
    TermFrequency,
    InverseDocumentFrequency,
    Product,
}

/// <summary>
/// Counts the n-grams of a pool in a list [C] or in each row of [BxC]: float32 [N] or [BxN], N one more than the largest index.
/// </summary>
/// <param name="Starts">Per n-gram length, from 1 on, where its n-grams start in the pool.</param>
/// <param name="Indexes">Per n-gram of the pool, its place in the output.</param>
/// <param name="IntPool">The pool of an int32 or int64 input; empty for strings.</param>
/// <param name="Weights">Per n-gram of the pool, by place in the output; empty: all 1.</param>
public sealed record TfIdfVectorizer(TfIdfMode Mode, int MinLength, int MaxLength, int MaxSkip, ImmutableArray<long> Starts,
    ImmutableArray<long> Indexes, ImmutableArray<long> IntPool, ImmutableArray<string> StringPool, ImmutableArray<float> Weights) : Op
{
    public long OutputLength => Indexes.IsEmpty ? 0 : Indexes.Max() + 1;

    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        DType type = context.Tensor(0).Type;
        if (type is not (DType.Int32 or DType.Int64 or DType.String or DType.Undefined)) throw new InvalidModelException($"input 0 must be int32, int64 or string, got {type}");
        if (context.Shape(0, 0, 2) is not { } shape) return [new TensorFact(DType.Float32)];
        return [new TensorFact(DType.Float32, shape.Rank == 2 ? [shape[0], OutputLength] : [OutputLength])];
    }
}

internal static class TextRules
{
    internal static void RequireStrings(InferContext context, int input)
    {
        if (context.Tensor(input).Type is var type and not (DType.String or DType.Undefined))
            throw new InvalidModelException($"input {input} must be strings, got {type}");
    }
}
