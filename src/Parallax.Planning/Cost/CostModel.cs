using System.Collections.Immutable;
using Parallax.Graphs;

namespace Parallax.Planning;

/// <summary>How fast one class of work goes.</summary>
/// <param name="UnitsPerSecond">On one core; what a unit is, the <see cref="OpClass"/> says.</param>
/// <param name="ParallelFraction">The part that several workers share, as in Amdahl's law; 0 to 1. Speaks for worker counts that were not measured.</param>
/// <param name="Speedup">Measured: entry w is the speed-up of w + 1 workers over one. Empty where nothing was measured.</param>
public sealed record ClassRate(double UnitsPerSecond, double ParallelFraction, ImmutableArray<double> Speedup = default)
{
    public ImmutableArray<double> Speedup { get; init; } = Speedup.IsDefault ? [] : Speedup;

    /// <summary>How many times faster so many workers are than one; never below 1.</summary>
    public double SpeedupOf(int workers)
    {
        if (workers <= 1) return 1;
        if (workers <= Speedup.Length) return Math.Max(1, Speedup[workers - 1]);
        double last = Speedup.IsEmpty ? 1 : Math.Max(1, Speedup[^1]);
        return last * Amdahl(workers) / Amdahl(Math.Max(1, Speedup.Length));
    }

    public double Us(double units, int workers = 1) => units / UnitsPerSecond * 1e6 / SpeedupOf(workers);

    private double Amdahl(int workers) => 1 / (1 - ParallelFraction + ParallelFraction / workers);

    internal bool IsSound => IsPositive(UnitsPerSecond) && ParallelFraction is >= 0 and <= 1 && Speedup.All(IsPositive);

    internal static bool IsPositive(double value) => double.IsFinite(value) && value > 0;
}

/// <summary>
/// Predicts the time of a step on the CPU: the slower of computing and moving bytes, plus a fixed overhead. The defaults describe a current core with
/// 256-bit vectors; <c>parallax calibrate</c> replaces them by measured ones.
/// </summary>
/// <param name="Rates">By class. A class that is missing has the default's rate.</param>
/// <param name="Cache">Bytes per second of data that another step has just written.</param>
/// <param name="Memory">Bytes per second of everything else.</param>
/// <param name="CacheBytes">So many bytes of a step's data are taken to be in a cache.</param>
/// <param name="StepOverheadUs">Time to start any step.</param>
/// <param name="ForkUs">Time to hand a part of a step to one more worker.</param>
/// <param name="DispatchUs">Time to hand a branch to a worker.</param>
/// <param name="Predictors">Learned from measurements, by kind of operator; they speak before the rates where they cover a step.</param>
public sealed record CostModel(
    ImmutableSortedDictionary<OpClass, ClassRate> Rates,
    ClassRate Cache,
    ClassRate Memory,
    double CacheBytes,
    double StepOverheadUs,
    double ForkUs,
    double DispatchUs,
    ImmutableArray<LatencyPredictor> Predictors = default)
{
    public ImmutableArray<LatencyPredictor> Predictors { get; init; } = Predictors.IsDefault ? [] : Predictors;

    /// <summary>Kernels cut their work into blocks of about this time: less work is not shared. Used where a kernel's own count of blocks is not at hand.</summary>
    private const double BlockUs = 10;

    public static CostModel Default { get; } = new(
        // One after another: collections that are built at once go through several others, whose code all loads would wait for.
        ImmutableSortedDictionary<OpClass, ClassRate>.Empty
            .Add(OpClass.Elementwise, new(2.5e9, 0.95))
            .Add(OpClass.Transcendental, new(8e8, 0.97))
            .Add(OpClass.Dense, new(3e10, 0.97))
            .Add(OpClass.FewRows, new(5e9, 0.9))
            .Add(OpClass.Convolution, new(2.5e10, 0.97))
            .Add(OpClass.Depthwise, new(4e9, 0.95))
            .Add(OpClass.Attention, new(1.5e10, 0.97))
            .Add(OpClass.Softmax, new(5e8, 0.97))
            .Add(OpClass.Normalization, new(1e9, 0.95))
            .Add(OpClass.Reduction, new(2e9, 0.95))
            .Add(OpClass.Pooling, new(4e9, 0.95))
            .Add(OpClass.Resampling, new(1e9, 0.97))
            .Add(OpClass.Movement, new(2e10, 0.9))
            .Add(OpClass.Rearrangement, new(5e9, 0.9)),
        Cache: new ClassRate(3e10, 0.95),
        Memory: new ClassRate(1e10, 0.6),
        CacheBytes: 2 << 20,
        StepOverheadUs: 0.3,
        ForkUs: 1.5,
        DispatchUs: 1.5);

    /// <summary>The class as the operator alone tells; <see cref="StepWork.ClassOf"/> looks at shapes too.</summary>
    public static OpClass ClassOf(Op op) => OpClasses.Of(op);

    /// <summary>The rate of a class; control flow goes at that of dense products.</summary>
    public ClassRate Rate(OpClass opClass)
    {
        if (opClass is OpClass.ControlFlow or OpClass.View) opClass = OpClass.Dense;
        return Rates.TryGetValue(opClass, out ClassRate? rate) ? rate : Default.Rates[opClass];
    }

    /// <summary>Predicted microseconds of a step of a class of so much work.</summary>
    public double PredictUs(OpClass opClass, long macs, long bytes, int workers = 1) => PredictUs(new StepWork(opClass, macs, bytes), workers);

    /// <summary>Predicted microseconds of a step.</summary>
    /// <param name="kernel">The kernel that will run, where it is known; its blocks are the parts that workers can share.</param>
    public double PredictUs(in StepWork work, int workers = 1, KernelFacts? kernel = null)
    {
        if (work.Class == OpClass.View || kernel is { IsNone: true }) return 0;
        if (PredictorFor(work) is { } predictor) return predictor.PredictUs(work, kernel is { Groups: > 0 and var groups } ? (int)Math.Min(workers, groups) : workers, kernel ?? default);
        double alone = Us(work, 1);
        int parts = kernel is { Groups: > 0 } known ? (int)known.Groups : (int)Math.Clamp(alone / BlockUs, 1, int.MaxValue);
        int used = Math.Min(workers, parts);
        if (used <= 1) return StepOverheadUs + alone;
        // The slowest worker has the most blocks, however the blocks divide.
        int most = (parts + used - 1) / used;
        double together = Math.Max(Us(work, used), alone * most / parts);
        return StepOverheadUs + Math.Min(alone, together + ForkUs * (used - 1));
    }

    /// <summary>The predictor that speaks for a step; null where the rates do.</summary>
    public LatencyPredictor? PredictorFor(in StepWork work) => LatencyPredictor.For(work, Predictors);

    private double Us(in StepWork work, int workers)
    {
        double compute = Rate(work.Class).Us(work.Units, workers) + Rate(OpClass.Transcendental).Us(work.EpilogueResults, workers);
        double warm = work.Bytes - work.ColdBytes, cached = Math.Min(warm, CacheBytes);
        double move = Cache.Us(cached, workers) + Memory.Us(work.ColdBytes + warm - cached, workers);
        return Math.Max(compute, move);
    }

    /// <summary>Why the constants cannot be used; null where they can.</summary>
    internal string? Fault()
    {
        foreach ((OpClass opClass, ClassRate? rate) in Rates)
            if (rate is not { IsSound: true }) return $"the rate of {opClass} must be positive numbers";
        if (Cache is not { IsSound: true } || Memory is not { IsSound: true }) return "the rates of cache and memory must be positive numbers";
        if (!(double.IsFinite(CacheBytes) && CacheBytes >= 0 && double.IsFinite(StepOverheadUs) && StepOverheadUs >= 0 && double.IsFinite(ForkUs) && ForkUs >= 0
            && double.IsFinite(DispatchUs) && DispatchUs >= 0)) return "overheads must be numbers of 0 or more";
        return LatencyPredictor.FaultOf(Predictors);
    }
}
