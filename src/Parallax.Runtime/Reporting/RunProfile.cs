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
public sealed record ProfiledStep(
    int Run, int Index, string Name, string Operator, string Kernel, int Branch, int Worker, double StartUs, double EndUs,
    ImmutableArray<ProfiledTensor?> Inputs, ImmutableArray<ProfiledTensor?> Outputs)
{
    public double Us => EndUs - StartUs;
}

/// <summary>The share of one operator type in all runs.</summary>
/// <param name="Steps">Of one run.</param>
/// <param name="Us">Of one run: the sum of the steps' medians.</param>
/// <param name="Share">Of the time of all steps; 0 to 1.</param>
public sealed record OperatorTime(string Operator, int Steps, double Us, double Share);

/// <summary>Measured times of every step. The steps of an operator's body count as that operator.</summary>
/// <param name="RunUs">By run, from start to end.</param>
/// <param name="Steps">By run, then by start.</param>
public sealed record RunProfile(ImmutableArray<(double StartUs, double EndUs)> RunUs, ImmutableArray<ProfiledStep> Steps)
{
    /// <summary>Each step of the first run with the median of its times in all runs, longest first.</summary>
    public ImmutableArray<(ProfiledStep Step, double MedianUs)> ByStep =>
        [.. Steps.GroupBy(s => s.Index).Select(g => (Step: g.First(), MedianUs: Median([.. g.Select(s => s.Us)]))).OrderByDescending(s => s.MedianUs).ThenBy(s => s.Step.Index)];

    /// <summary>Longest first.</summary>
    public ImmutableArray<OperatorTime> ByOperator
    {
        get
        {
            double all = Math.Max(double.Epsilon, ByStep.Sum(s => s.MedianUs));
            return [.. ByStep.GroupBy(s => s.Step.Operator)
                .Select(g => new OperatorTime(g.Key, g.Count(), g.Sum(s => s.MedianUs), g.Sum(s => s.MedianUs) / all))
                .OrderByDescending(o => o.Us).ThenBy(o => o.Operator, StringComparer.Ordinal)];
        }
    }

    internal static double Median(double[] values)
    {
        Array.Sort(values);
        return (values[(values.Length - 1) / 2] + values[values.Length / 2]) / 2;
    }
}
