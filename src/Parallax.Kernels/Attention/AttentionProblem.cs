namespace Parallax.Kernels.Attention;

/// <summary>Where row r of head h of batch item b begins: <c>b * Batch + h * Head + r * Row</c> elements behind the first.</summary>
public readonly record struct HeadLayout(long Batch, long Head, long Row)
{
    /// <summary>[batch, heads, rows, size].</summary>
    public static HeadLayout Separate(long heads, long rows, long size) => new(heads * rows * size, rows * size, size);

    /// <summary>[batch, rows, heads * size].</summary>
    public static HeadLayout Packed(long heads, long rows, long size) => new(rows * heads * size, size, heads * size);

    public long Offset(long batch, long head, long row) => batch * Batch + head * Head + row * Row;
}

/// <summary>An attention mask: its first element for [batch, head, query], then contiguous over <paramref name="Keys"/> keys; the keys behind are masked.</summary>
/// <param name="IsBool">One byte per element, 0 masks; otherwise elements of the data's type that are added.</param>
/// <param name="Items">Batch items after which the mask begins anew.</param>
public readonly record struct MaskLayout(bool IsBool, long Batch, long Head, long Query, long Keys, long Items = long.MaxValue)
{
    public long Offset(long batch, long head, long query) => batch % Items * Batch + head * Head + query * Query;
}

/// <summary>Which scores output 3 shows.</summary>
public enum ShownScores
{
    Raw,
    Capped,
    Masked,
    Probabilities,
}

/// <summary>
/// Scaled dot-product attention. Inputs by position: 0 Q, 1 K, 2 V, 3 mask, 4 past K, 5 past V [batch, key heads, past, size],
/// 6 valid keys per batch item (int64), 7 a factor of the scores for each query head; outputs 0 result, 1 present K, 2 present V, 3 scores [batch, query heads, queries, keys].
/// </summary>
public sealed record AttentionProblem
{
    public required long Batch { get; init; }

    public required long QueryHeads { get; init; }

    public required long KeyHeads { get; init; }

    public required int Queries { get; init; }

    public required int NewKeys { get; init; }

    public required int HeadSize { get; init; }

    public required int ValueSize { get; init; }

    public required HeadLayout Query { get; init; }

    public required HeadLayout Key { get; init; }

    public required HeadLayout Value { get; init; }

    public required HeadLayout Output { get; init; }

    public required double Scale { get; init; }

    public double SoftCap { get; init; }

    public bool Causal { get; init; }

    public long LeftWindow { get; init; } = -1;

    public long RightWindow { get; init; } = -1;

    public MaskLayout? Mask { get; init; }

    /// <summary>The score of a key that a bool mask hides.</summary>
    public double HiddenScore { get; init; } = double.NegativeInfinity;

    /// <summary>
    /// For each query the keys that it may see, from the first (inclusive) to the second (exclusive), where that is known of the mask; the
    /// others are masked. Null for all.
    /// </summary>
    public (int Begin, int End)[]? SeenKeys { get; init; }

    /// <summary>Rows of Q and K are divided by the larger of their length and this number; null where they are not.</summary>
    public double? NormEpsilon { get; init; }

    /// <summary>Whether input 7 is there.</summary>
    public bool HasFactors { get; init; }

    /// <summary>Whether inputs 4 and 5 are there.</summary>
    public bool HasPast { get; init; }

    public int PastKeys { get; init; }

    /// <summary>Whether input 6 is there.</summary>
    public bool HasLengths { get; init; }

    public bool KeepsPresentKey { get; init; }

    public bool KeepsPresentValue { get; init; }

    /// <summary>What output 3 shows; null where it is not wanted.</summary>
    public ShownScores? Shown { get; init; }

    /// <summary>Past and new keys.</summary>
    public int Keys => PastKeys + NewKeys;
}

/// <summary>Attention kernels for float32 and float64.</summary>
public static class AttentionKernels
{
    /// <summary>Never holds more than a tile of scores where float32 scores are not wanted.</summary>
    public static Kernel Create(DType type, AttentionProblem problem, GemmMicroKernel? entry = null) => type switch
    {
        DType.Float64 => new RowAttentionKernel<double>(problem),
        DType.Float32 when problem.Shown is not null => new RowAttentionKernel<float>(problem),
        DType.Float32 => Flash(problem, entry ?? GemmCatalog.Best),
        _ => throw new UnsupportedModelException($"attention of {type}", [$"attention of {type}"]),
    };

    private static Kernel Flash(AttentionProblem problem, GemmMicroKernel entry) => entry.Width switch
    {
        VecWidth.V512 => new FlashAttentionKernel<Vec512>(problem, entry),
        VecWidth.V256 => new FlashAttentionKernel<Vec256>(problem, entry),
        VecWidth.V128 => new FlashAttentionKernel<Vec128>(problem, entry),
        _ => new FlashAttentionKernel<Vec1>(problem, entry),
    };
}
