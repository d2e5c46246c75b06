using Parallax.Graphs.Ops;
using Parallax.Kernels;
using Parallax.Kernels.Attention;

namespace Parallax.Runtime.Cpu.Bindings;

internal static class AttentionBindings
{
    internal static readonly Binding[] All =
    [
        Binding.Kernel<Graphs.Ops.Attention>(Attention),
    ];

    private static Kernel Attention(Graphs.Ops.Attention op, PrepareContext x)
    {
        bool packed = x.Dims(0).Length == 3;
        (long batch, long heads, long queries, long size) = Heads(x.Dims(0), op.QueryHeads);
        (_, long keyHeads, long keys, _) = Heads(x.Dims(1), op.KeyHeads);
        (_, _, _, long valueSize) = Heads(x.Dims(2), op.KeyHeads);
        return AttentionKernels.Create(x.Type(0), new AttentionProblem
        {
            Batch = batch,
            QueryHeads = heads,
            KeyHeads = keyHeads,
            Queries = checked((int)queries),
            NewKeys = checked((int)keys),
            HeadSize = checked((int)size),
            ValueSize = checked((int)valueSize),
            Query = Layout(packed, heads, queries, size),
            Key = Layout(packed, keyHeads, keys, size),
            Value = Layout(packed, keyHeads, keys, valueSize),
            Output = Layout(packed, heads, queries, valueSize),
            Scale = op.Scale ?? 1 / Math.Sqrt(size),
            SoftCap = op.SoftCap,
            Causal = op.Causal,
            LeftWindow = op.LeftWindow,
            RightWindow = op.RightWindow,
            Mask = x.Has(3) ? Mask(x) : null,
            HasPast = x.Has(4),
            PastKeys = x.Has(4) ? checked((int)x.Dims(4)[2]) : 0,
            HasLengths = x.Has(6),
            KeepsPresentKey = x.Wants(1),
            KeepsPresentValue = x.Wants(2),
            Shown = x.Wants(3) ? (ShownScores)op.Scores : null,
        });
    }

    private static (long Batch, long Heads, long Rows, long Size) Heads(long[] dims, long heads) =>
        dims.Length == 4 ? (dims[0], dims[1], dims[2], dims[3]) : (dims[0], heads, dims[1], dims[2] / heads);

    private static HeadLayout Layout(bool packed, long heads, long rows, long size) =>
        packed ? HeadLayout.Packed(heads, rows, size) : HeadLayout.Separate(heads, rows, size);

    private static MaskLayout Mask(PrepareContext x)
    {
        long[] dims = [1, 1, 1, 1];
        long[] own = x.Dims(3);
        own.CopyTo(dims, 4 - own.Length);
        return new MaskLayout(x.Type(3) == DType.Bool, dims[0] == 1 ? 0 : dims[1] * dims[2] * dims[3], dims[1] == 1 ? 0 : dims[2] * dims[3], dims[2] == 1 ? 0 : dims[3], dims[3]);
    }
}
