using System.Collections.Immutable;
using Parallax.Planning;
using Parallax.Runtime.Execution;

namespace Parallax.Runtime.Calibration;

/// <summary>A step as it was predicted and as it was.</summary>
/// <param name="Kind">The class of the operator, or that it is a region on a device.</param>
/// <param name="IsLearned">Whether a predictor speaks for it; else the constants do.</param>
/// <param name="MeasuredUs">The shortest of the runs.</param>
public sealed record CheckedStep(string Name, string Operator, string Kernel, string Kind, int Branch, bool IsLearned, double PredictedUs, double MeasuredUs);

/// <summary>How predictions compare with times.</summary>
/// <param name="Learned">Steps for which a predictor speaks.</param>
/// <param name="Mape">Mean of |predicted - measured| / measured.</param>
/// <param name="MeanError">The same, each weighted by its measured time.</param>
/// <param name="MedianRatio">Of predicted over measured.</param>
/// <param name="FarShare">The part of the measured time whose predictions are off by more than a factor of 2.</param>
public sealed record CheckSummary(int Count, int Learned, double PredictedUs, double MeasuredUs, double Mape, double MeanError, double MedianRatio, double FarShare)
{
    internal static CheckSummary Of(IReadOnlyCollection<CheckedStep> steps) => Of([.. steps.Select(s => (s.PredictedUs, s.MeasuredUs))], steps.Count(s => s.IsLearned));

    internal static CheckSummary Of(IReadOnlyCollection<(double PredictedUs, double MeasuredUs)> pairs, int learned)
    {
        double measured = pairs.Sum(p => p.MeasuredUs);
        double[] ratios = [.. pairs.Where(p => p.MeasuredUs > 0).Select(p => p.PredictedUs / p.MeasuredUs).Order()];
        return new CheckSummary(pairs.Count, learned, pairs.Sum(p => p.PredictedUs), measured,
            pairs.Where(p => p.MeasuredUs > 0).Select(p => Math.Abs(p.PredictedUs - p.MeasuredUs) / p.MeasuredUs).DefaultIfEmpty(0).Average(),
            pairs.Sum(p => Math.Abs(p.PredictedUs - p.MeasuredUs)) / Math.Max(double.Epsilon, measured),
            ratios.Length == 0 ? 1 : (ratios[(ratios.Length - 1) / 2] + ratios[ratios.Length / 2]) / 2,
            pairs.Where(p => p.PredictedUs > 2 * p.MeasuredUs || p.MeasuredUs > 2 * p.PredictedUs).Sum(p => p.MeasuredUs) / Math.Max(double.Epsilon, measured));
    }
}

/// <summary>Compares the cost model that a session uses with the times of its steps. Steps whose work is known only at run time are left out.</summary>
public sealed record CostCheck(ImmutableArray<CheckedStep> Steps)
{
    public CheckSummary ByStep => CheckSummary.Of(Steps);

    public CheckSummary ByBranch =>
        CheckSummary.Of([.. Steps.GroupBy(s => s.Branch).Select(b => (b.Sum(s => s.PredictedUs), b.Sum(s => s.MeasuredUs)))], Steps.GroupBy(s => s.Branch).Count(b => b.All(s => s.IsLearned)));

    /// <summary>By kind, the one that takes longest first.</summary>
    public ImmutableArray<(string Kind, CheckSummary Summary)> ByKind =>
        [.. Steps.GroupBy(s => s.Kind).Select(g => (g.Key, Summary: CheckSummary.Of([.. g]))).OrderByDescending(g => g.Summary.MeasuredUs)];

    /// <summary>Runs a session and measures each step. The session should have one thread: several help each other in ways that a step alone does not tell.</summary>
    public static CostCheck Measure(InferenceSession session, Dictionary<string, Datum> inputs, int runs, CancellationToken cancellation = default)
    {
        Warming.Settle(() => session.Profile(inputs, 5, cancellation), TimeSpan.FromSeconds(10), cancellation);
        RunProfile profile = session.Profile(inputs, runs, cancellation);
        Dictionary<int, double> shortest = profile.Steps.GroupBy(s => s.Index).ToDictionary(g => g.Key, g => g.Min(s => s.Us));
        ExecutionPlan plan = session.PlanFor(inputs);
        CostModel model = session.DeviceProfile.Profile.Cpu;
        int workers = session.Options.Threads == 0 ? Cpu.Processor.PhysicalCores : session.Options.Threads;
        var steps = ImmutableArray.CreateBuilder<CheckedStep>();
        foreach (Branch branch in plan.Partition.Branches)
            foreach (Step step in plan.Branches[branch.Id.Index])
                if (step is KernelStep kernel)
                {
                    StepWork work = StepWork.Of(plan.Partition.Graph, step.Node);
                    steps.Add(new CheckedStep(step.Node.Name, step.Node.Op.Name, step.Implementation, work.Class.ToString(), branch.Id.Index, model.PredictorFor(work) is not null,
                        model.PredictUs(work, workers, kernel.Facts), shortest[step.Index]));
                }
                else if (step is RegionStep { Fastest: { } fastest } region)
                {
                    bool isLearned = region.Members.All(n => region.Device.Model.PredictorFor(StepWork.Of(plan.Partition.Graph, n)) is not null);
                    string kind = region.CpuPart is null ? "regions on" : "split with";
                    steps.Add(new CheckedStep(step.Node.Name, "region", step.Implementation, $"{kind} {region.Device.Name}", branch.Id.Index, isLearned, branch.Placement.PredictedUs, fastest.Us));
                }
        return new CostCheck(steps.ToImmutable());
    }
}
