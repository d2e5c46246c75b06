using Parallax.Graphs.Ops;
using Parallax.Kernels;
using Parallax.Kernels.Attention;
using Parallax.OpenCL.Calls;
using Parallax.Runtime;
using Cpu = Parallax.Runtime.Cpu.Bindings;

namespace Parallax.OpenCL.Bindings;

/// <summary>Attention as two batches of products with a masked softmax between them; all scores lie in scratch memory.</summary>
internal static class AttentionBindings
{
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
        long group = p.QueryHeads / Math.Max(1, p.KeyHeads), matrices = p.Batch * p.KeyHeads, headScores = (long)p.Queries * p.Keys;
        long[] batch = [p.Batch, p.KeyHeads, group], scoresBatch = [p.QueryHeads * headScores, group * headScores, headScores];
        var steps = new ClSteps();
        ClArg scores = steps.Scratch(p.Batch * p.QueryHeads * headScores * sizeof(float));

        ClTile tile = ClTile.For(x.Context.Device, p.Queries, p.Keys);
        var keys = new ClPanels(p.Keys, p.HeadSize, tile.Width, matrices)
        {
            ColumnStride = p.Key.Row,
            RowStride = 1,
            InnerMatrices = Math.Max(1, p.KeyHeads),
            MatrixStride = p.Key.Head,
            OuterMatrixStride = p.Key.Batch,
        };
        ClArg packedKeys = keys.Of(x, 1, 0, steps);
        steps.Add(new ClGemm(p.Queries, p.Keys, p.HeadSize)
        {
            Tile = tile,
            A = new MatrixLayout(p.Query.Row, 1),
            B = ClColumns.Of(keys),
            CRowStride = p.Keys,
            Batch = batch,
            ABatch = [p.Query.Batch, group * p.Query.Head, p.Query.Head],
            BBatch = [p.KeyHeads * keys.MatrixElements, keys.MatrixElements, 0],
            CBatch = scoresBatch,
            Alpha = (float)p.Scale,
        }.Launch(x, ClArg.Input(0), packedKeys, ClArg.Input(0), ClArg.Input(0), scores));
        ClArg queryFactors = p.NormEpsilon is null ? ClArg.Input(0) : InverseLengths(p, x, steps, 0, p.QueryHeads, p.Queries, p.Query);
        ClArg keyFactors = p.NormEpsilon is null ? ClArg.Input(0) : InverseLengths(p, x, steps, 1, p.KeyHeads, p.Keys, p.Key);
        steps.Add(Attend(p, x, scores, queryFactors, keyFactors));

        tile = ClTile.For(x.Context.Device, p.Queries, p.ValueSize);
        var values = new ClPanels(p.ValueSize, p.Keys, tile.Width, matrices)
        {
            ColumnStride = 1,
            RowStride = p.Value.Row,
            InnerMatrices = Math.Max(1, p.KeyHeads),
            MatrixStride = p.Value.Head,
            OuterMatrixStride = p.Value.Batch,
        };
        bool direct = ClColumns.CanBeRows(tile, p.ValueSize);
        ClArg packedValues = direct ? ClArg.Input(2) : values.Of(x, 2, 0, steps);
        steps.Add(new ClGemm(p.Queries, p.ValueSize, p.Keys)
        {
            Tile = tile,
            A = MatrixLayout.RowMajor(p.Keys),
            B = direct ? ClColumns.Rows(p.Value.Row) : ClColumns.Of(values),
            CRowStride = p.Output.Row,
            Batch = batch,
            ABatch = scoresBatch,
            BBatch = direct ? [p.Value.Batch, p.Value.Head, 0] : [p.KeyHeads * values.MatrixElements, values.MatrixElements, 0],
            CBatch = [p.Output.Batch, group * p.Output.Head, p.Output.Head],
        }.Launch(x, scores, packedValues, ClArg.Input(0), ClArg.Input(0), ClArg.Output(0)));
        return steps.ToCall();
    }

    /// <summary>What scores are multiplied with for each row of an input, whose rows are divided by their lengths.</summary>
    private static ClArg InverseLengths(AttentionProblem p, ClPrepareContext x, ClSteps steps, int input, long heads, long rows, HeadLayout layout)
    {
        long count = p.Batch * heads * rows;
        ClArg factors = steps.Scratch(count * sizeof(float));
        steps.Add(new ClLaunch(x.Kernel(RowGroups.Family, "inverse_lengths"), x.Over(count),
        [
            ClArg.Input(input), factors, ClArg.Int(count), ClArg.Int(heads), ClArg.Int(rows), ClArg.Ints(layout.Batch, layout.Head, layout.Row, p.HeadSize),
            ClArg.Float((float)p.NormEpsilon!.Value),
        ]));
        return factors;
    }

    private static ClLaunch Attend(AttentionProblem p, ClPrepareContext x, ClArg scores, ClArg queryFactors, ClArg keyFactors)
    {
        ClGrid grid = RowGroups.Over(x.Context.Device, p.Batch * p.QueryHeads * p.Queries);
        MaskLayout mask = p.Mask ?? default;
        // Causal: no key behind the query's position.
        long right = p.Causal ? 0 : Math.Min(p.RightWindow, int.MaxValue - 1), left = Math.Min(p.LeftWindow, int.MaxValue - 1);
        return new ClLaunch(x.Kernel(RowGroups.Family, "attend_groups"), grid,
        [
            scores, ClArg.Input(x.Has(3) ? 3 : 0), ClArg.Input(p.HasLengths ? 6 : 0), ClArg.Input(p.HasFactors ? Attention.FactorInput : 0), queryFactors, keyFactors,
            ClArg.Int(p.QueryHeads), ClArg.Int(p.NormEpsilon is null ? 0 : p.KeyHeads), ClArg.Int(p.Queries), ClArg.Int(p.Keys), ClArg.Float((float)p.SoftCap), ClArg.Int(p.Mask is null ? 0 : mask.IsBool ? 2 : 1),
            ClArg.Ints(mask.Batch, mask.Head, mask.Query, mask.Keys), ClArg.Int(Math.Max(1, mask.Items)), ClArg.Float((float)p.HiddenScore),
            ClArg.Int(p.HasLengths ? 1 : 0), ClArg.Int(p.HasFactors ? 1 : 0), ClArg.Int(Math.Max(-1, left)), ClArg.Int(Math.Max(-1, right)), RowGroups.Shared(grid),
        ]);
    }
}
