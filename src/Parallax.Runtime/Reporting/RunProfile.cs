using System.Collections.Immutable;

namespace Parallax;

/// <summary>A tensor that an operator read or wrote.</summary>
/// <param name="Dims">Null where the value is no tensor.</param>
public sealed record ProfiledTensor(DType Type, ImmutableArray<long>? Dims);

/// <summary>One step of one run.</summary>
/// <param name="Index">Of the step in the plan.</param>
/// <param name="Name">Of the node.</param>
/// <param name="Operator">What it computes.</param>
/// <param name="Kernel">What computed it.</param>
/// <param name="Worker">The thread that ran it, numbered from 0 in the order of first steps. Others may have helped.</param>
/// <param name="StartUs">From the start of the first run.</param>
/// <param name="Body">The node whose body the step is in, behind those around it as in <c>loop/if</c>; empty for the graph's own steps.</param>
public sealed record ProfiledStep(
    int Run, int Index, string Name, string Operator, string Kernel, int Branch, int Worker, double StartUs, double EndUs,
    ImmutableArray<ProfiledTensor?> Inputs, ImmutableArray<ProfiledTensor?> Outputs, string Body = "")
{
    /// <summary>The name behind those of the nodes around it.</summary>
    public string Path => RunProfile.Inside(Body, Name);

    public double Us => EndUs - StartUs;

    /// <summary>When the CPU had computed its part of a node that it shares with a device, and began to wait for the device; null for any other step.</summary>
    public double? CpuEndUs { get; init; }
}

/// <summary>One step in all runs.</summary>
/// <param name="Step">As it ran first.</param>
/// <param name="Calls">How often it ran in its first run: a body's steps run as often as the body.</param>
/// <param name="Us">The median over the runs of what it took in one, without the steps of its own bodies.</param>
public sealed record StepTimes(ProfiledStep Step, int Calls, double Us)
{
    /// <summary>Of <see cref="Us"/>, the time that the CPU waited for a device with which it shares the node; null for any other step.</summary>
    public double? WaitUs { get; init; }
}

/// <summary>The share of one operator type in all runs.</summary>
/// <param name="Steps">Of one run.</param>
/// <param name="Us">Of one run: the sum of the steps' medians.</param>
/// <param name="Share">Of the time of all steps; 0 to 1.</param>
public sealed record OperatorTime(string Operator, int Steps, double Us, double Share);

/// <summary>Measured times of every step, those of bodies included.</summary>
/// <param name="RunUs">By run, from start to end.</param>
/// <param name="Steps">By run, then by start.</param>
public sealed record RunProfile(ImmutableArray<(double StartUs, double EndUs)> RunUs, ImmutableArray<ProfiledStep> Steps)
{
    /// <summary>Longest first. A step of a body is the same step whatever shapes its body had.</summary>
    public ImmutableArray<StepTimes> ByStep
    {
        get
        {
            var inBodies = Steps.Where(s => s.Body.Length > 0).GroupBy(s => (s.Run, s.Body)).ToDictionary(g => g.Key, g => g.Sum(s => s.Us));
            return [.. Steps.GroupBy(s => (s.Body, s.Name, Index: s.Body.Length > 0 ? -1 : s.Index)).Select(g => Times([.. g], inBodies)).OrderByDescending(s => s.Us).ThenBy(s => s.Step.Index)];
        }
    }

    /// <summary>Longest first.</summary>
    public ImmutableArray<OperatorTime> ByOperator
    {
        get
        {
            ImmutableArray<StepTimes> steps = ByStep;
            double all = Math.Max(double.Epsilon, steps.Sum(s => s.Us));
            return [.. steps.GroupBy(s => s.Step.Operator)
                .Select(g => new OperatorTime(g.Key, g.Sum(s => s.Calls), g.Sum(s => s.Us), g.Sum(s => s.Us) / all))
                .OrderByDescending(o => o.Us).ThenBy(o => o.Operator, StringComparer.Ordinal)];
        }
    }

    internal static string Inside(string body, string name) => body.Length == 0 ? name : $"{body}/{name}";

    private static StepTimes Times(ProfiledStep[] all, Dictionary<(int Run, string Body), double> inBodies)
    {
        double[] own = [.. all.GroupBy(s => s.Run).Select(run => Math.Max(0, run.Sum(s => s.Us) - inBodies.GetValueOrDefault((run.Key, all[0].Path))))];
        double[] waits = [.. all.Where(s => s.CpuEndUs is not null).GroupBy(s => s.Run).Select(run => run.Sum(s => s.EndUs - s.CpuEndUs!.Value))];
        return new StepTimes(all[0], all.Count(s => s.Run == all[0].Run), Median(own)) { WaitUs = waits.Length > 0 ? Median(waits) : null };
    }

    internal static double Median(double[] values)
    {
        Array.Sort(values);
        return (values[(values.Length - 1) / 2] + values[values.Length / 2]) / 2;
    }
}
