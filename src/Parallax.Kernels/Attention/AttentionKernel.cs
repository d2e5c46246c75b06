namespace Parallax.Kernels.Attention;

/// <summary>
/// What all attention kernels share. Where there is a past or a present is wanted, phase 0 lays past and new keys and values behind each
/// other; the last phase computes a few queries of one head per block.
/// </summary>
internal abstract unsafe class AttentionKernel<T>(AttentionProblem problem, int queriesPerBlock) : Kernel where T : unmanaged
{
    protected AttentionProblem Problem => problem;

    private int QueryBlocks => (problem.Queries + queriesPerBlock - 1) / queriesPerBlock;

    private bool BuildsCache => problem.HasPast || problem.KeepsPresentKey || problem.KeepsPresentValue;

    private bool KeysInScratch => problem.HasPast && !problem.KeepsPresentKey;

    private bool ValuesInScratch => problem.HasPast && !problem.KeepsPresentValue;

    private long CachedRows => problem.Batch * problem.KeyHeads * problem.Keys;

    private long KeyScratchBytes => KeysInScratch ? (CachedRows * problem.HeadSize * sizeof(T) + 63) / 64 * 64 : 0;

    public override int PhaseCount => BuildsCache ? 2 : 1;

    public override int BlockCount(int phase) => (int)(BuildsCache && phase == 0
        ? problem.Batch * problem.KeyHeads
        : problem.Batch * problem.QueryHeads * QueryBlocks);

    public override long ScratchBytes => KeyScratchBytes + (ValuesInScratch ? CachedRows * problem.ValueSize * sizeof(T) : 0);

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        T* keyCache = problem.KeepsPresentKey ? args.Output<T>(1) : (T*)args.Scratch;
        T* valueCache = problem.KeepsPresentValue ? args.Output<T>(2) : (T*)(args.Scratch + KeyScratchBytes);
        if (BuildsCache && phase == 0)
        {
            (long item, long head) = Math.DivRem(block, problem.KeyHeads);
            if (problem.HasPast || problem.KeepsPresentKey)
                Join(problem.HasPast ? args.Input<T>(4) : null, args.Input<T>(1), problem.Key, keyCache, item, head, problem.HeadSize);
            if (problem.HasPast || problem.KeepsPresentValue)
                Join(problem.HasPast ? args.Input<T>(5) : null, args.Input<T>(2), problem.Value, valueCache, item, head, problem.ValueSize);
            return;
        }
        (long unit, long part) = Math.DivRem(block, QueryBlocks);
        (long batch, long queryHead) = Math.DivRem(unit, problem.QueryHeads);
        long keyHead = queryHead / (problem.QueryHeads / problem.KeyHeads);
        HeadLayout cachedKeys = HeadLayout.Separate(problem.KeyHeads, problem.Keys, problem.HeadSize);
        HeadLayout cachedValues = HeadLayout.Separate(problem.KeyHeads, problem.Keys, problem.ValueSize);
        int first = (int)part * queriesPerBlock;
        var heads = new HeadBlock
        {
            Batch = batch,
            Head = queryHead,
            First = first,
            Count = Math.Min(queriesPerBlock, problem.Queries - first),
            Keys = problem.HasPast ? keyCache + cachedKeys.Offset(batch, keyHead, 0) : args.Input<T>(1) + problem.Key.Offset(batch, keyHead, 0),
            KeyStride = problem.HasPast ? problem.HeadSize : problem.Key.Row,
            Values = problem.HasPast ? valueCache + cachedValues.Offset(batch, keyHead, 0) : args.Input<T>(2) + problem.Value.Offset(batch, keyHead, 0),
            ValueStride = problem.HasPast ? problem.ValueSize : problem.Value.Row,
        };
        Compute(heads, args);
    }

    /// <summary>The queries of one block, and the keys and values that they see.</summary>
    protected struct HeadBlock
    {
        internal long Batch, Head;
        internal int First, Count;
        internal T* Keys, Values;
        internal long KeyStride, ValueStride;
    }

    protected abstract void Compute(in HeadBlock block, in KernelArgs args);

    /// <summary>The keys that a query may see, but for the mask: from the first (inclusive) to the second (exclusive).</summary>
    protected (int Begin, int End) VisibleKeys(long batch, int query, in KernelArgs args)
    {
        long length = problem.HasLengths ? args.Input<long>(6)[batch] : problem.Keys;
        long position = query + (problem.HasLengths && !problem.HasPast ? length - problem.Queries : problem.PastKeys);
        long begin = 0, end = Math.Min(problem.Keys, length);
        if (problem.Causal) end = Math.Min(end, position + 1);
        if (problem.LeftWindow >= 0) begin = Math.Max(begin, position - problem.LeftWindow);
        if (problem.RightWindow >= 0) end = Math.Min(end, position + problem.RightWindow + 1);
        if (problem.Mask is { } mask) end = Math.Min(end, mask.Keys);
        return ((int)Math.Max(0, Math.Min(begin, end)), (int)Math.Max(0, end));
    }

    /// <summary>Copies rows behind each other: <paramref name="past"/> of this head, then the new ones.</summary>
    private void Join(T* past, T* fresh, HeadLayout layout, T* cache, long batch, long head, int size)
    {
        long unit = batch * problem.KeyHeads + head;
        T* target = cache + unit * problem.Keys * size;
        if (past != null) Buffer.MemoryCopy(past + unit * problem.PastKeys * size, target, (long)problem.PastKeys * size * sizeof(T), (long)problem.PastKeys * size * sizeof(T));
        target += (long)problem.PastKeys * size;
        for (int row = 0; row < problem.NewKeys; row++, target += size)
            new ReadOnlySpan<T>(fresh + layout.Offset(batch, head, row), size).CopyTo(new Span<T>(target, size));
    }
}
