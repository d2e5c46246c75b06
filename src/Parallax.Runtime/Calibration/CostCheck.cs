using System.Collections.Immutable;
using Parallax.Planning;
using Parallax.Runtime.Execution;

namespace Parallax.Runtime.Calibration;

/// <summary>A step as it was predicted and as it was.</summary>
/// <param name="MeasuredUs">The shortest of the runs.</param>
public sealed record CheckedStep(string Name, string Operator, string Kernel, OpClass Class, int Branch, double PredictedUs, double MeasuredUs);

/// <summary>How predictions compare with times.</summary>
/// <param name="MeanError">Mean of |predicted - measured| / measured, each weighted by its measured time.</param>
/// <param name="MedianRatio">Of predicted over measured.</param>
/// <param name="FarShare">The part of the measured time whose predictions are off by more than a factor of 2.</param>
public sealed record CheckSummary(int Count, double PredictedUs, double MeasuredUs, double MeanError, double MedianRatio, double FarShare)
{
    internal static CheckSummary Of(IReadOnlyCollection<(double PredictedUs, double MeasuredUs)> pairs)
    {
        double measured = pairs.Sum(p => p.MeasuredUs);
        double[] ratios = [.. pairs.Where(p => p.MeasuredUs > 0).Select(p => p.PredictedUs / p.MeasuredUs).Order()];
        return new CheckSummary(pairs.Count, pairs.Sum(p => p.PredictedUs), measured,
            pairs.Sum(p => Math.Abs(p.PredictedUs - p.MeasuredUs)) / Math.Max(double.Epsilon, measured),
            ratios.Length == 0 ? 1 : (ratios[(ratios.Length - 1) / 2] + ratios[ratios.Length / 2]) / 2,
            pairs.Where(p => p.PredictedUs > 2 * p.MeasuredUs || p.MeasuredUs > 2 * p.PredictedUs).Sum(p => p.MeasuredUs) / Math.Max(double.Epsilon, measured));
    }
}

/// <summary>Compares the cost model that a session uses with the times of its steps. Steps whose work is known only at run time are left out.</summary>
public sealed record CostCheck(ImmutableArray<CheckedStep> Steps)
{
    public CheckSummary ByStep => CheckSummary.Of([.. Steps.Select(s => (s.PredictedUs, s.MeasuredUs))]);

    public CheckSummary ByBranch => CheckSummary.Of([.. Steps.GroupBy(s => s.Branch).Select(b => (b.Sum(s => s.PredictedUs), b.Sum(s => s.MeasuredUs)))]);

    /// <summary>By class, the one that takes longest first.</summary>
    public ImmutableArray<(OpClass Class, CheckSummary Summary)> ByClass =>
        [.. Steps.GroupBy(s => s.Class).Select(g => (g.Key, Summary: CheckSummary.Of([.. g.Select(s => (s.PredictedUs, s.MeasuredUs))]))).OrderByDescending(g => g.Summary.MeasuredUs)];

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
        for (int branch = 0; branch < plan.Branches.Length; branch++)
            foreach (KernelStep step in plan.Branches[branch].OfType<KernelStep>())
            {
                StepWork work = StepWork.Of(plan.Partition.Graph, step.Node);
                steps.Add(new CheckedStep(step.Node.Name, step.Node.Op.Name, step.Implementation, work.Class, branch, model.PredictUs(work, workers, step.Facts), shortest[step.Index]));
            }
        return new CostCheck(steps.ToImmutable());
    }
}
