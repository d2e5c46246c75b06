using System.Numerics;

namespace Parallax.Kernels.Attention;

/// <summary>
/// What all attention kernels share: the phases. Past and new keys and values are laid behind each other where there is a past or a present is wanted;
/// then keys are laid out for all queries where the kernel wants that; the next phase computes a few queries of one head per block, over all keys or over a part of them; then parts are put together.
/// </summary>
internal abstract unsafe class AttentionKernel<T>(AttentionProblem problem, int queriesPerBlock) : Kernel where T : unmanaged, INumberBase<T>
{
    private enum Stage
    {
        Join,
        Pack,
        Attend,
        Merge,
    }

    protected AttentionProblem Problem => problem;

    protected int QueryBlocks => (problem.Queries + queriesPerBlock - 1) / queriesPerBlock;

    /// <summary>Blocks of the phase that lays out the keys of one head of a batch item; 0 where there is none.</summary>
    protected virtual int PackBlocks => 0;

    /// <summary>Elements of the scratch memory that one head's keys take when they are laid out.</summary>
    protected virtual long PackedElements => 0;

    /// <summary>Parts of the keys that are attended to apart.</summary>
    protected virtual int KeyParts => 1;

    /// <summary>Bytes of scratch memory that one part of a block's result takes where there are several.</summary>
    protected virtual long PartBytes => 0;

    /// <summary>Blocks of queries, of all heads and batch items.</summary>
    protected long Blocks => problem.Batch * problem.QueryHeads * QueryBlocks;

    private bool BuildsCache => problem.HasPast || problem.KeepsPresentKey || problem.KeepsPresentValue;

    private bool KeysInScratch => problem.HasPast && !problem.KeepsPresentKey;

    private bool ValuesInScratch => problem.HasPast && !problem.KeepsPresentValue;

    private long KeyHeads => problem.Batch * problem.KeyHeads;

    private long KeyScratchBytes => KeysInScratch ? Vec.WholeLines(KeyHeads * problem.Keys * problem.HeadSize * sizeof(T)) : 0;

    private long ValueScratchBytes => ValuesInScratch ? Vec.WholeLines(KeyHeads * problem.Keys * problem.ValueSize * sizeof(T)) : 0;

    private long PackedBytes => PackBlocks > 0 ? KeyHeads * PackedElements * sizeof(T) : 0;

    public override int PhaseCount => 1 + (BuildsCache ? 1 : 0) + (PackBlocks > 0 ? 1 : 0) + (KeyParts > 1 ? 1 : 0);

    public override int BlockCount(int phase) => (int)(StageOf(phase) switch
    {
        Stage.Join => KeyHeads,
        Stage.Pack => KeyHeads * PackBlocks,
        Stage.Attend => Blocks * KeyParts,
        _ => Blocks,
    });

    public override long ScratchBytes => KeyScratchBytes + ValueScratchBytes + PackedBytes + (KeyParts > 1 ? Blocks * KeyParts * PartBytes : 0);

    private Stage StageOf(int phase)
    {
        int attend = PhaseCount - (KeyParts > 1 ? 2 : 1);
        return phase > attend ? Stage.Merge : phase == attend ? Stage.Attend : BuildsCache && phase == 0 ? Stage.Join : Stage.Pack;
    }

    public override bool CanRehearse => true;

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        Stage stage = StageOf(phase);
        if (stage == Stage.Join)
        {
            (long item, long head) = Math.DivRem(block, problem.KeyHeads);
            if (problem.HasPast || problem.KeepsPresentKey)
                Join(problem.HasPast ? args.Input<T>(4) : null, args.Input<T>(1), problem.Key, KeyCache(args), item, head, problem.HeadSize);
            if (problem.HasPast || problem.KeepsPresentValue)
                Join(problem.HasPast ? args.Input<T>(5) : null, args.Input<T>(2), problem.Value, ValueCache(args), item, head, problem.ValueSize);
        }
        else if (stage == Stage.Pack)
        {
            (int unit, int part) = Math.DivRem(block, PackBlocks);
            (long batch, long keyHead) = Math.DivRem((long)unit, problem.KeyHeads);
            Pack(part, KeysOf(batch, keyHead, args));
        }
        else if (stage == Stage.Attend)
        {
            (int queries, int part) = Math.DivRem(block, KeyParts);
            QueryBlock asked = BlockOf(queries);
            Attend(asked, part, PartOf(queries, part, args), KeysOf(asked.Batch, asked.Head / (problem.QueryHeads / problem.KeyHeads), args), args);
        }
        else
        {
            Merge(BlockOf(block), PartOf(block, 0, args), args);
        }
    }

    private QueryBlock BlockOf(int index)
    {
        (long unit, long part) = Math.DivRem(index, QueryBlocks);
        (long batch, long head) = Math.DivRem(unit, problem.QueryHeads);
        int first = (int)part * queriesPerBlock;
        return new QueryBlock(batch, head, first, Math.Min(queriesPerBlock, problem.Queries - first));
    }

    /// <summary>Where a block's result over a part of the keys lies, where there are several; the next part's is behind it.</summary>
    private byte* PartOf(int block, int part, in KernelArgs args) => args.Scratch + KeyScratchBytes + ValueScratchBytes + PackedBytes + ((long)block * KeyParts + part) * PartBytes;

    /// <summary>The queries of one block.</summary>
    protected readonly record struct QueryBlock(long Batch, long Head, int First, int Count);

    /// <summary>The keys and values of one head, and where its keys lie when they are laid out.</summary>
    protected struct KeyRows
    {
        internal T* Keys, Values, Packed;
        internal long KeyStride, ValueStride;
    }

    /// <summary>Lays out a part of the keys of one head, of which there are <see cref="PackBlocks"/>.</summary>
    protected virtual void Pack(int part, in KeyRows rows)
    {
    }

    /// <param name="part">Which of the <see cref="KeyParts"/>.</param>
    /// <param name="partial">Where the result over that part goes, where there are several.</param>
    protected abstract void Attend(in QueryBlock block, int part, byte* partial, in KeyRows rows, in KernelArgs args);

    /// <summary>Makes the result of a block of those over the parts of the keys.</summary>
    protected virtual void Merge(in QueryBlock block, byte* partials, in KernelArgs args)
    {
    }

    private T* KeyCache(in KernelArgs args) => problem.KeepsPresentKey ? args.Output<T>(1) : (T*)args.Scratch;

    private T* ValueCache(in KernelArgs args) => problem.KeepsPresentValue ? args.Output<T>(2) : (T*)(args.Scratch + KeyScratchBytes);

    private KeyRows KeysOf(long batch, long keyHead, in KernelArgs args)
    {
        long unit = batch * problem.KeyHeads + keyHead;
        return new KeyRows
        {
            Keys = problem.HasPast ? KeyCache(args) + unit * problem.Keys * problem.HeadSize : args.Input<T>(1) + problem.Key.Offset(batch, keyHead, 0),
            KeyStride = problem.HasPast ? problem.HeadSize : problem.Key.Row,
            Values = problem.HasPast ? ValueCache(args) + unit * problem.Keys * problem.ValueSize : args.Input<T>(2) + problem.Value.Offset(batch, keyHead, 0),
            ValueStride = problem.HasPast ? problem.ValueSize : problem.Value.Row,
            Packed = (T*)(args.Scratch + KeyScratchBytes + ValueScratchBytes) + unit * PackedElements,
        };
    }

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
        if (problem.SeenKeys is { } seen) (begin, end) = (Math.Max(begin, seen[query].Begin), Math.Min(end, seen[query].End));
        return ((int)Math.Max(0, Math.Min(begin, end)), (int)Math.Max(0, end));
    }

    /// <summary>What the scores of a head are multiplied with, but for the lengths of rows.</summary>
    protected double Factor(long queryHead, in KernelArgs args) =>
        problem.HasFactors ? problem.Scale * double.CreateChecked(args.Input<T>(7)[queryHead]) : problem.Scale;

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
