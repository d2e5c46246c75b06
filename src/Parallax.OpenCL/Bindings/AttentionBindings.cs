using Parallax.Graphs.Ops;
using Parallax.Kernels;
using Parallax.Kernels.Attention;
using Parallax.OpenCL.Calls;
using Parallax.Runtime;
using Cpu = Parallax.Runtime.Cpu.Bindings;

namespace Parallax.OpenCL.Bindings;

/// <summary>
/// Attention as two batches of products with a masked softmax between them. The scores lie in scratch memory: all of them, or, where items have vectors, those of so
/// many rows at a time as the caches of the units hold.
/// </summary>
internal static class AttentionBindings
{
    /// <summary>Of the scores that lie in memory at a time, for each unit of a processor: less than its cache for data of its own.</summary>
    private const long ScoreBytesPerUnit = 384 * 1024;

    /// <summary>Rows that are worth three launches.</summary>
    private const long FewestRows = 64;

    /// <summary>Parts of an attention; each is three launches.</summary>
    private const long MostParts = 512;

    internal static readonly ClBinding[] All = [ClBinding.Of<Attention>(WhyNot, Prepare)];

    private static string? WhyNot(Attention op, OperandFacts x)
    {
        if (OperandLimits.UnlessFloat32(x, 0, 1, 2) is { } reason) return reason;
        if (x.Has(3) && x.Type(3) is not (DType.Bool or DType.Float32)) return $"a mask of {x.Type(3)} is not supported";
        if (x.Has(4) || x.Wants(1) || x.Wants(2)) return "past and present keys and values are not supported";
        if (x.Wants(3)) return "scores as a result are not supported";
        AttentionProblem p = Cpu.AttentionBindings.Problem(op, x);
        long scores = p.Batch * p.QueryHeads * p.Queries * p.Keys;
        return scores > int.MaxValue ? $"{scores} scores at once are not supported, at most {int.MaxValue}" : null;
    }

    private static ClCall Prepare(Attention op, ClPrepareContext x)
    {
        AttentionProblem p = Cpu.AttentionBindings.Problem(op, x);
        long group = AttentionPart.Group(p), matrices = p.Batch * p.KeyHeads;
        var steps = new ClSteps();
        ClTile keyTile = ClTile.For(x.Context, p.Queries, p.Keys), valueTile = ClTile.For(x.Context, p.Queries, p.ValueSize);
        var keys = new ClPanels(p.Keys, p.HeadSize, keyTile.Width, matrices)
        {
            ColumnStride = p.Key.Row,
            RowStride = 1,
            InnerMatrices = Math.Max(1, p.KeyHeads),
            MatrixStride = p.Key.Head,
            OuterMatrixStride = p.Key.Batch,
        };
        var values = new ClPanels(p.ValueSize, p.Keys, valueTile.Width, matrices)
        {
            ColumnStride = 1,
            RowStride = p.Value.Row,
            InnerMatrices = Math.Max(1, p.KeyHeads),
            MatrixStride = p.Value.Head,
            OuterMatrixStride = p.Value.Batch,
        };
        bool direct = ClColumns.CanBeRows(valueTile, p.ValueSize);
        ClArg packedKeys = keys.Of(x, 1, 0, steps), packedValues = direct ? ClArg.Input(2) : values.Of(x, 2, 0, steps);
        HeadLayout keyPanels = HeadLayout.Separate(p.KeyHeads, 1, keys.MatrixElements), valueColumns = direct ? p.Value : HeadLayout.Separate(p.KeyHeads, 1, values.MatrixElements);
        ClArg queryFactors = p.NormEpsilon is null ? ClArg.Input(0) : InverseLengths(p, x, steps, 0, p.QueryHeads, p.Queries, p.Query);
        ClArg keyFactors = p.NormEpsilon is null ? ClArg.Input(0) : InverseLengths(p, x, steps, 1, p.KeyHeads, p.Keys, p.Key);

        AttentionPart[] parts = [.. AttentionPart.Of(p, RowsAtOnce(p, x))];
        ClArg scores = steps.Scratch(parts.Select(part => part.Rows).DefaultIfEmpty().Max() * p.Keys * sizeof(float));
        foreach (AttentionPart part in parts)
        {
            long keyHead = part.Head / group, headScores = part.Queries * p.Keys;
            long[] batch = [part.Items, (part.Heads + group - 1) / group, Math.Min(part.Heads, group)], scoresBatch = [part.Heads * headScores, group * headScores, headScores];
            steps.Add(new ClGemm(part.Queries, p.Keys, p.HeadSize)
            {
                Tile = keyTile,
                A = new MatrixLayout(p.Query.Row, 1),
                B = ClColumns.Of(keys),
                CRowStride = p.Keys,
                Batch = batch,
                ABatch = [p.Query.Batch, group * p.Query.Head, p.Query.Head],
                BBatch = [keyPanels.Batch, keyPanels.Head, 0],
                CBatch = scoresBatch,
                Alpha = (float)p.Scale,
            }.Launch(x, At(ClArg.Input(0), p.Query, part.Head, part.Query), At(packedKeys, keyPanels, keyHead, 0), ClArg.Input(0), ClArg.Input(0), scores));
            steps.Add(Attend(p, x, part, scores, queryFactors, keyFactors));
            steps.Add(new ClGemm(part.Queries, p.ValueSize, p.Keys)
            {
                Tile = valueTile,
                A = MatrixLayout.RowMajor(p.Keys),
                B = direct ? ClColumns.Rows(p.Value.Row) : ClColumns.Of(values),
                CRowStride = p.Output.Row,
                Batch = batch,
                ABatch = scoresBatch,
                BBatch = [valueColumns.Batch, valueColumns.Head, 0],
                CBatch = [p.Output.Batch, group * p.Output.Head, p.Output.Head],
            }.Launch(x, scores, At(packedValues, valueColumns, keyHead, 0), ClArg.Input(0), ClArg.Input(0), At(ClArg.Output(0), p.Output, part.Head, part.Query)));

            ClArg At(ClArg tensor, HeadLayout layout, long head, long row) => tensor.Behind(layout.Offset(part.Item, head, row) * sizeof(float));
        }
        return steps.ToCall();
    }

    /// <summary>Rows of scores that lie in memory at a time.</summary>
    private static long RowsAtOnce(AttentionProblem p, ClPrepareContext x)
    {
        long rows = p.Batch * p.QueryHeads * p.Queries;
        if (!x.HasVectors) return rows;
        long fitting = x.Context.Device.ComputeUnits * ScoreBytesPerUnit / (Math.Max(1, p.Keys) * sizeof(float));
        return Math.Max(Math.Max(fitting, FewestRows), rows / MostParts);
    }

    /// <summary>What scores are multiplied with for each row of an input, whose rows are divided by their lengths.</summary>
    private static ClArg InverseLengths(AttentionProblem p, ClPrepareContext x, ClSteps steps, int input, long heads, long rows, HeadLayout layout)
    {
        long count = p.Batch * heads * rows;
        ClArg factors = steps.Scratch(count * sizeof(float));
        steps.Add(new ClLaunch(x.VectorKernel(RowFolds.Items, "inverse_lengths"), x.OverVectors(count),
        [
            ClArg.Input(input), factors, ClArg.Int(count), ClArg.Int(heads), ClArg.Int(rows), ClArg.Ints(layout.Batch, layout.Head, layout.Row, p.HeadSize),
            ClArg.Float((float)p.NormEpsilon!.Value),
        ]));
        return factors;
    }

    private static ClLaunch Attend(AttentionProblem p, ClPrepareContext x, AttentionPart part, ClArg scores, ClArg queryFactors, ClArg keyFactors)
    {
        MaskLayout mask = p.Mask ?? default;
        // Causal: no key behind the query's position.
        long right = p.Causal ? 0 : Math.Min(p.RightWindow, int.MaxValue - 1), left = Math.Min(p.LeftWindow, int.MaxValue - 1);
        return RowFolds.OverRows(x, "attend", "", part.Rows,
            scores, ClArg.Input(x.Has(3) ? 3 : 0), ClArg.Input(p.HasLengths ? 6 : 0), ClArg.Input(p.HasFactors ? Attention.FactorInput : 0), queryFactors, keyFactors,
            ClArg.Int(p.QueryHeads), ClArg.Int(p.NormEpsilon is null ? 0 : p.KeyHeads), ClArg.Int(p.Queries), ClArg.Int(p.Keys), ClArg.Float((float)p.SoftCap), ClArg.Int(p.Mask is null ? 0 : mask.IsBool ? 2 : 1),
            ClArg.Ints(mask.Batch, mask.Head, mask.Query, mask.Keys), ClArg.Int(Math.Max(1, mask.Items)), ClArg.Float((float)p.HiddenScore),
            ClArg.Int(p.HasLengths ? 1 : 0), ClArg.Int(p.HasFactors ? 1 : 0), ClArg.Int(Math.Max(-1, left)), ClArg.Int(Math.Max(-1, right)), ClArg.Int((part.Item * p.QueryHeads + part.Head) * p.Queries + part.Query));
    }
}

/// <summary>Scores of an attention that lie one behind another: some queries of one head, some heads of one batch item, or some items. Heads are those of queries.</summary>
internal readonly record struct AttentionPart(long Item, long Items, long Head, long Heads, long Query, long Queries)
{
    internal long Rows => Items * Heads * Queries;

    /// <summary>Parts of at most so many rows, in the order of the scores. Several heads are either whole groups that share a key head, or of one group.</summary>
    internal static IEnumerable<AttentionPart> Of(AttentionProblem p, long rows)
    {
        long group = Group(p), queries = Math.Min(p.Queries, rows);
        long heads = queries == p.Queries ? Fitting(p.QueryHeads, rows / Math.Max(1, queries)) : 1;
        if (heads > group) heads -= heads % group;
        long items = heads == p.QueryHeads ? Fitting(p.Batch, rows / Math.Max(1, queries * heads)) : 1, end = heads < group ? group : p.QueryHeads, headsHere;
        for (long item = 0; item < p.Batch; item += items)
            for (long head = 0; head < p.QueryHeads; head += headsHere)
            {
                headsHere = Math.Min(heads, end - head % end);
                for (long query = 0; query < p.Queries; query += queries)
                    yield return new AttentionPart(item, Math.Min(items, p.Batch - item), head, headsHere, query, Math.Min(queries, p.Queries - query));
            }
    }

    /// <summary>Heads of queries that share a key head.</summary>
    internal static long Group(AttentionProblem p) => Math.Max(1, p.QueryHeads / Math.Max(1, p.KeyHeads));

    /// <summary>How many of a number fit, at least one.</summary>
    private static long Fitting(long count, long room) => Math.Clamp(room, 1, Math.Max(1, count));
}
