using System.Collections.Immutable;

namespace Parallax.Planning;

/// <summary>Makes predictors of samples. The same samples and seed give the same predictor.</summary>
public static class PredictorTrainer
{
    /// <summary>Fewer problems teach nothing.</summary>
    public const int MinProblems = 10;

    /// <summary>A predictor that errs by more on average misleads.</summary>
    private const double MaxMape = 1;

    /// <summary>One in so many problems is kept apart to tell the accuracy.</summary>
    private const int HeldOutPart = 5;

    /// <summary>Of the median residual.</summary>
    private const double MaxResidual = 3;

    /// <summary>Fewer problems of a kernel do not tell its costs from those of others.</summary>
    private const int MinKernelProblems = 20;

    /// <summary>Parts into which the problems are cut. Each part is once what tells the trees when to stop; their mean is the result.</summary>
    private const int Folds = 3;

    /// <summary>The predictors of one device: one for each kind of operator that has enough samples, where it is better than what is assumed without it.</summary>
    /// <param name="dispatchUs">Time of any dispatch: it is no part of the samples' times.</param>
    /// <param name="assumedUs">What is predicted without a predictor, the dispatch left out.</param>
    public static ImmutableArray<LatencyPredictor> Train(IEnumerable<LatencySample> samples, double dispatchUs, Func<LatencySample, double> assumedUs, int seed = 1) =>
    [
        .. samples.Where(s => s.Work.Extents.IsKnown).GroupBy(s => LatencyPredictor.KindOf(s.Work)).OrderBy(g => g.Key)
            .Where(g => g.DistinctBy(s => s.Problem).Count() >= MinProblems)
            .Select(g => TrainKind([.. g], dispatchUs, assumedUs, new TreeOptions { Seed = seed }))
            .Where(p => p.Accuracy.Mape < Math.Min(MaxMape, p.Accuracy.AssumedMape)),
    ];

    /// <summary>The predictor of one kind of operator: made of all samples, with the accuracy that one made of the others has on the problems that were kept apart.</summary>
    /// <param name="samples">All of one kind.</param>
    public static LatencyPredictor TrainKind(IReadOnlyList<LatencySample> samples, double dispatchUs, Func<LatencySample, double> assumedUs, TreeOptions options)
    {
        string[] problems = [.. samples.Select(s => s.Problem).Distinct().Order(StringComparer.Ordinal)];
        new Random(options.Seed).Shuffle(problems);
        int apart = Math.Max(1, problems.Length / HeldOutPart);
        HashSet<string> kept = [.. problems[..apart]];
        LatencySample[] seen = [.. samples.Where(s => !kept.Contains(s.Problem))], heldOut = [.. samples.Where(s => kept.Contains(s.Problem))];
        LatencyPredictor judged = Fit(seen, problems[apart..], dispatchUs, options);
        double[] errors = Errors(heldOut, s => judged.WorkUs(s.Work, s.Units, s.Kernel));
        return Fit(samples, problems, dispatchUs, options) with
        {
            Accuracy = new PredictorAccuracy(samples.Count, heldOut.Length, errors.Average(), errors[(int)Math.Ceiling(0.9 * errors.Length) - 1], Errors(heldOut, assumedUs).Average()),
        };
    }

    /// <param name="problems">Of the samples, in the order in which they are dealt out.</param>
    private static LatencyPredictor Fit(IReadOnlyList<LatencySample> samples, string[] problems, double dispatchUs, TreeOptions options)
    {
        // A region is judged before it is known which kernels will run: each sample counts a second time without its kernel.
        LatencySample[] taught = [.. samples, .. samples.Where(s => s.Kernel != default).Select(s => s with { Kernel = default })];
        LatencyPredictor fitted = FitLine(taught, dispatchUs);
        float[][] rows = [.. taught.Select(s => Row(fitted, s))];
        double[] left = Bounded([.. taught.Select((s, i) => Math.Log(s.Us) - fitted.Linear(rows[i]))]);
        return fitted with
        {
            Trees = Mean([.. Enumerable.Range(0, Folds).Select(fold => TreeTrainer.Train(rows, left, Part(taught, problems, fold), options with { Seed = options.Seed + fold }))]),
        };
    }

    /// <summary>Residuals, none farther from zero than a few times the median: a time that a busy machine lengthened tenfold would bend the trees around it.</summary>
    private static double[] Bounded(double[] left)
    {
        double bound = MaxResidual * left.Select(Math.Abs).Order().ElementAt(left.Length / 2);
        return [.. left.Select(l => Math.Clamp(l, -bound, bound))];
    }

    private static LatencyPredictor FitLine(LatencySample[] samples, double dispatchUs)
    {
        string[] implementations = [.. samples.Where(s => s.Kernel.Implementation is not null).GroupBy(s => s.Kernel.Implementation!)
            .OrderBy(g => g.Average(s => Math.Log(s.Us / Math.Max(1, s.Work.Units)))).ThenBy(g => g.Key, StringComparer.Ordinal).Select(g => g.Key)];
        var line = new LatencyPredictor(KindOf(samples[0]), dispatchUs, samples.Min(s => s.Work.Units), samples.Max(s => s.Work.Units), [.. implementations], 0,
            [.. new float[LatencyFeatures.Count]], [.. new float[LatencyFeatures.Count]], FitCosts(samples), [], new BoostedTrees([], []), new PredictorAccuracy(0, 0, 0, 0, 0));
        line = line with { KernelCosts = [.. line.Implementations.SelectMany(name => KernelCosts(name))] };
        float[][] raw = [.. samples.Select(s =>
        {
            float[] row = Mapping.Repeat(float.NaN, LatencyFeatures.Count);
            (line with { Typical = [.. row] }).Write(s.Work, s.Units, s.Kernel, row);
            return row;
        })];
        line = line with { Typical = [.. Enumerable.Range(0, LatencyFeatures.Count).Select(f => TypicalOf(raw, f))] };
        float[][] rows = [.. samples.Select(s => Row(line, s))];
        (double origin, double[] weights) = LinearFit.Fit(rows, [.. samples.Select(s => Math.Log(s.Us))], line.Typical);
        return line with { Base = origin, Weights = [.. weights.Select(w => (float)w)] };

        ImmutableArray<double> KernelCosts(string implementation)
        {
            LatencySample[] own = [.. samples.Where(s => s.Kernel.Implementation == implementation)];
            return own.DistinctBy(s => s.Problem).Count() < MinKernelProblems ? line.Costs : FitCosts(own);
        }
    }

    private static ImmutableArray<double> FitCosts(LatencySample[] samples) => [.. CostFit.Fit([.. samples.Select(s =>
    {
        var amounts = new double[WorkAmounts.Count];
        WorkAmounts.Write(s.Work, s.Units, s.Kernel, amounts);
        return amounts;
    })], [.. samples.Select(s => s.Us)])];

    private static OpClass KindOf(LatencySample sample) => LatencyPredictor.KindOf(sample.Work);

    private static float TypicalOf(float[][] rows, int feature)
    {
        if (feature == LatencyFeatures.Implementation) return LatencyFeatures.NoImplementation;
        float[] known = [.. rows.Select(r => r[feature]).Where(v => !float.IsNaN(v)).Order()];
        return known.Length == 0 ? 0 : known[known.Length / 2];
    }

    private static float[] Row(LatencyPredictor predictor, LatencySample sample)
    {
        var row = new float[LatencyFeatures.Count];
        predictor.Write(sample.Work, sample.Units, sample.Kernel, row);
        return row;
    }

    private static int[] Part(LatencySample[] samples, string[] problems, int fold)
    {
        HashSet<string> part = [.. problems.Where((_, i) => i % Folds == fold)];
        return [.. Enumerable.Range(0, samples.Length).Where(i => part.Contains(samples[i].Problem))];
    }

    /// <summary>All trees together, each with its share of the mean.</summary>
    private static BoostedTrees Mean(BoostedTrees[] forests)
    {
        var roots = ImmutableArray.CreateBuilder<int>();
        var nodes = ImmutableArray.CreateBuilder<TreeNode>();
        foreach (BoostedTrees forest in forests)
        {
            int start = nodes.Count;
            roots.AddRange(forest.Roots.Select(r => r + start));
            nodes.AddRange(forest.Nodes.Select(n => n.Feature == TreeNode.Leaf ? n with { Value = n.Value / forests.Length } : n with { Next = n.Next + start }));
        }
        return new BoostedTrees(roots.ToImmutable(), nodes.ToImmutable());
    }

    /// <summary>|predicted - measured| / measured, the least first.</summary>
    private static double[] Errors(IEnumerable<LatencySample> samples, Func<LatencySample, double> us) => [.. samples.Select(s => Math.Abs(us(s) - s.Us) / s.Us).Order()];
}
