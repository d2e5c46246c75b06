using Parallax.Graphs.Ops;
using Parallax.Kernels;
using Parallax.Kernels.Attention;

namespace Parallax.Runtime.Cpu.Bindings;

internal static class AttentionBindings
{
    internal static readonly Binding[] All =
    [
        Binding.Kernel<Graphs.Ops.Attention>(Attention),
        Binding.Kernel<RotaryEmbedding>(Rotary),
        Binding.Kernel<LinearAttention>(Linear),
        Binding.Kernel<CausalConvWithState>((op, x) =>
        {
            long[] dims = x.Dims(0);
            return CausalConvProblem.Create(x.Type(0), new CausalConvProblem(dims[0], dims[1], checked((int)dims[2]), checked((int)x.Dims(1)[2]))
            {
                HasBias = x.Has(2),
                HasPast = x.Has(3),
                KeepsPresent = x.Wants(1),
                Silu = op.Silu,
            });
        }),
    ];

    private static Kernel Rotary(RotaryEmbedding op, PrepareContext x)
    {
        (long batch, long heads, long rows, long size) = Heads(x.Dims(0), op.Heads);
        long rotated = op.RotatedSize > 0 ? op.RotatedSize : size;
        if (rotated > size || rotated % 2 != 0 || x.Dims(1)[^1] != rotated / 2 || x.Dims(2)[^1] != rotated / 2)
            throw new InvalidModelException($"cosines {Shape.ToString(x.Dims(1))} and sines {Shape.ToString(x.Dims(2))} must end in half of {rotated}, the rotated part of a head of {size}");
        return RotaryProblem.Create(x.Type(0), new RotaryProblem(batch, heads, rows, checked((int)size), Layout(x.Dims(0).Length == 3, heads, rows, size))
        {
            Rotated = checked((int)rotated),
            Interleaved = op.Interleaved,
            Positions = x.Has(3) ? x.Dims(1)[0] : 0,
        });
    }

    private static Kernel Linear(LinearAttention op, PrepareContext x)
    {
        (long batch, _, long rows, long keySize) = Heads(x.Dims(0), op.QueryHeads);
        (_, _, _, long valueSize) = Heads(x.Dims(2), op.KeyHeads);
        long decays = op.Decays ? x.Dims(4)[2] : 0, betas = op.Corrects ? x.Dims(5)[2] : 0;
        if (decays != 0 && decays != op.KeyHeads && decays != op.KeyHeads * keySize)
            throw new InvalidModelException($"decay must end in {op.KeyHeads} or {op.KeyHeads * keySize}, got {Shape.ToString(x.Dims(4))}");
        if (betas != 0 && betas != 1 && betas != op.KeyHeads) throw new InvalidModelException($"beta must end in {op.KeyHeads} or 1, got {Shape.ToString(x.Dims(5))}");
        return LinearAttentionProblem.Create(x.Type(0), new LinearAttentionProblem(batch, checked((int)rows), (int)op.QueryHeads, (int)op.KeyHeads,
            checked((int)keySize), checked((int)valueSize), (int)(decays / op.KeyHeads), (int)betas)
        {
            Scale = op.Scale == 0 ? 1 / Math.Sqrt(keySize) : op.Scale,
            HasPast = x.Has(3),
            KeepsPresent = x.Wants(1),
        });
    }

    private static Kernel Attention(Graphs.Ops.Attention op, PrepareContext x) => AttentionKernels.Create(x.Type(0), Problem(op, x));

    /// <summary>Sizes and layouts of attention over such operands.</summary>
    internal static AttentionProblem Problem(Graphs.Ops.Attention op, OperandFacts x)
    {
        (long batch, long heads, long queries, long size) = Heads(x.Dims(0), op.QueryHeads);
        (_, long keyHeads, long keys, _) = Heads(x.Dims(1), op.KeyHeads);
        (_, _, _, long valueSize) = Heads(x.Dims(2), op.KeyHeads);
        return new AttentionProblem
        {
            Batch = batch,
            QueryHeads = heads,
            KeyHeads = keyHeads,
            Queries = checked((int)queries),
            NewKeys = checked((int)keys),
            HeadSize = checked((int)size),
            ValueSize = checked((int)valueSize),
            Query = Layout(x.Dims(0).Length == 3, heads, queries, size),
            Key = Layout(x.Dims(1).Length == 3, keyHeads, keys, size),
            Value = Layout(x.Dims(2).Length == 3, keyHeads, keys, valueSize),
            Output = Layout(x.OutputDims(0).Length == 3, heads, queries, valueSize),
            Scale = op.Scale ?? 1 / Math.Sqrt(size),
            SoftCap = op.SoftCap,
            Causal = op.Causal,
            LeftWindow = op.LeftWindow,
            RightWindow = op.RightWindow,
            Mask = x.Has(3) ? Mask(x) : null,
            SeenKeys = x.Constant(3) is { DType: DType.Float32 } mask ? SeenKeys(mask, queries) : null,
            HiddenScore = op.HiddenScore,
            NormEpsilon = op.NormEpsilon,
            HasFactors = x.Has(Graphs.Ops.Attention.FactorInput),
            HasPast = x.Has(4),
            PastKeys = x.Has(4) ? checked((int)x.Dims(4)[2]) : 0,
            HasLengths = x.Has(6),
            KeepsPresentKey = x.Wants(1),
            KeepsPresentValue = x.Wants(2),
            Shown = x.Wants(3) ? (ShownScores)op.Scores : null,
        };
    }

    private static (long Batch, long Heads, long Rows, long Size) Heads(long[] dims, long heads) =>
        dims.Length == 4 ? (dims[0], dims[1], dims[2], dims[3]) : (dims[0], heads, dims[1], dims[2] / heads);

    private static HeadLayout Layout(bool packed, long heads, long rows, long size) =>
        packed ? HeadLayout.Packed(heads, rows, size) : HeadLayout.Separate(heads, rows, size);

    private static MaskLayout Mask(OperandFacts x)
    {
        long[] dims = [1, 1, 1, 1];
        long[] own = x.Dims(3);
        own.CopyTo(dims, 4 - own.Length);
        return new MaskLayout(x.Type(3) == DType.Bool, dims[0] == 1 ? 0 : dims[1] * dims[2] * dims[3], dims[1] == 1 ? 0 : dims[2] * dims[3], dims[2] == 1 ? 0 : dims[3], dims[3], dims[0]);
    }

    /// <summary>
    /// What a constant mask of one row per query leaves of the keys, where it hides some at either end from a query. A key counts as hidden where so much is
    /// subtracted that its weight is exactly 0 beside a key that is seen; a query that sees none keeps all.
    /// </summary>
    private static (int Begin, int End)[]? SeenKeys(Tensor mask, long queries)
    {
        const float hidden = -1e30f;
        if (mask.Rank < 2 || mask.Dims[^2] != queries || mask.ElementCount != queries * mask.Dims[^1]) return null;
        int keys = (int)mask.Dims[^1];
        var seen = new (int Begin, int End)[queries];
        for (int i = 0; i < seen.Length; i++)
        {
            ReadOnlySpan<float> row = mask.Span<float>().Slice(i * keys, keys);
            int begin = row.IndexOfAnyExceptInRange(float.NegativeInfinity, hidden);
            seen[i] = begin < 0 ? (0, keys) : (begin, row.LastIndexOfAnyExceptInRange(float.NegativeInfinity, hidden) + 1);
        }
        return Array.TrueForAll(seen, s => s == (0, keys)) ? null : seen;
    }
}
