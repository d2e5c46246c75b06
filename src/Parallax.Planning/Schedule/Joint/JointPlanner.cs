using System.Collections.Immutable;

namespace Parallax.Planning;

/// <summary>How long joint planning may search.</summary>
/// <param name="OperatorsPerRound">Operators that are drawn before the best change is made.</param>
/// <param name="CriticalFraction">The part of them that is drawn from the critical path; the others are drawn from all.</param>
/// <param name="CutsPerOperator">Places at which a split of an operator is tried, on all its axes together.</param>
/// <param name="StepsPerOperator">What trials may cost in all, at most about: so often an operator is placed in one, for each operator; <paramref name="MinSteps"/> where they are few.</param>
/// <param name="MinGain">The part of the time that a change must save.</param>
public sealed record JointOptions(
    int OperatorsPerRound = 5, double CriticalFraction = 0.8, int CutsPerOperator = 10, int StepsPerOperator = 100, int MinSteps = 30_000, double MinGain = 1e-3, int Seed = 1)
{
    /// <summary>Whether nothing is searched: every operator goes where it alone is predicted to be fastest, whatever that costs the whole. To be compared with.</summary>
    public bool EachForItself { get; init; }
}

/// <summary>
/// Places operators on the workers of a CPU and on one device, and splits some between both, so that the whole ends early. Starts from the best of four
/// schedules (each operator where it ends first, HEFT; the same with operators split during which one side has nothing to do; the CPU alone; the device alone), then changes stage after stage what shortens the whole
/// most, until nothing does. Nothing is split by the search that does not shorten the whole. Where each operator for itself would still do better, the search goes on from there. After arXiv 2609.14213. The same problem and seed give the same plan.
/// </summary>
public static class JointPlanner
{
    public static JointPlan Plan(JointProblem problem, JointOptions? options = null)
    {
        options ??= new JointOptions();
        var search = new JointSearch(problem, options);
        JointSimulator run = search.Simulator;
        double cpuUs = search.WholeUs(JointStarts.OnCpu(problem)), deviceUs = search.WholeUs(JointStarts.OnDevice(problem));
        JointChoice[] each = JointStarts.EachForItself(problem);
        double eachUs = search.WholeUs(each);
        JointChoice[] whole = JointStarts.EarliestFinish(problem, search.Urgency);
        JointChoice[][] starts = [JointStarts.OnCpu(problem), JointStarts.OnDevice(problem), whole, JointStarts.SplitWhereOneSideWaits(whole, each, search)];
        long steps = Math.Max(options.MinSteps, (long)options.StepsPerOperator * problem.Operators.Length);
        // One stage is searched from every start, for a search ends where no single change helps; many stages from the best alone.
        JointChoice[] found = problem.Operators.Length <= JointStages.MaxOperators
            ? search.BestOf([.. starts.Select(s => search.Improve(s, steps / starts.Length))])
            : search.Improve(search.BestOf(starts), steps);
        if (search.WholeUs(found) > eachUs) found = search.Improve(each, steps);
        return new JointPlan(Place(search, found, out double us), us, cpuUs, deviceUs, eachUs, run.Trials);
    }

    /// <summary>When operators run where they are said to, and why they are there.</summary>
    /// <param name="choices">By operator.</param>
    internal static ImmutableArray<JointPlacement> Place(JointProblem problem, JointChoice[] choices) => Place(new JointSearch(problem, new JointOptions()), choices, out _);

    private static ImmutableArray<JointPlacement> Place(JointSearch search, JointChoice[] choices, out double us)
    {
        us = search.WholeUs(choices);
        var placements = ImmutableArray.CreateBuilder<JointPlacement>(choices.Length);
        for (int op = 0; op < choices.Length; op++)
            placements.Add(new JointPlacement(search.Problem.Operators[op].Name, choices[op], search.Simulator.StartUs(op), search.Simulator.EndUs(op), JointReasons.Why(search.Problem, op, choices[op])));
        return placements.MoveToImmutable();
    }
}
