using System.Collections.Immutable;

namespace Parallax.Planning;

/// <summary>How long joint planning may search.</summary>
/// <param name="OperatorsPerRound">Operators that are drawn before the best change is made.</param>
/// <param name="CriticalFraction">The part of them that is drawn from the critical path; the others are drawn from all.</param>
/// <param name="CutsPerAxis">Places at which a split is tried.</param>
/// <param name="MaxTrialsPerStage">Schedules that are looked at for one stage, at most about.</param>
/// <param name="MinGain">The part of the time that a change must save.</param>
public sealed record JointOptions(
    int OperatorsPerRound = 5, double CriticalFraction = 0.8, int CutsPerAxis = 10, int MaxTrialsPerStage = 2000, double MinGain = 1e-3, int Seed = 1);

/// <summary>
/// Places operators on the workers of a CPU and on one device, and splits some between both, so that the whole ends early. Starts from the best of three unsplit
/// schedules (each operator where it ends first, HEFT; the CPU alone; the device alone), then changes stage after stage what shortens the whole most, until
/// nothing does. Nothing is split that does not shorten the whole. Where each operator for itself would still do better, the search goes on from there. After arXiv 2609.14213. The same problem and seed give the same plan.
/// </summary>
public static class JointPlanner
{
    public static JointPlan Plan(JointProblem problem, JointOptions? options = null)
    {
        var search = new JointSearch(problem, options ?? new JointOptions());
        JointSimulator run = search.Simulator;
        double cpuUs = search.WholeUs(JointStarts.OnCpu(problem)), deviceUs = search.WholeUs(JointStarts.OnDevice(problem));
        JointChoice[] each = JointStarts.EachForItself(problem);
        double eachUs = search.WholeUs(each);
        JointChoice[][] starts = [JointStarts.OnCpu(problem), JointStarts.OnDevice(problem), JointStarts.EarliestFinish(problem, search.Urgency)];
        // One stage is searched from every start, for a search ends where no single change helps; many stages from the best alone.
        JointChoice[] found = problem.Operators.Length <= JointStages.MaxOperators
            ? search.BestOf([.. starts.Select(search.Improve)])
            : search.Improve(search.BestOf(starts));
        if (search.WholeUs(found) > eachUs) found = search.Improve(each);
        double us = search.WholeUs(found);
        var placements = ImmutableArray.CreateBuilder<JointPlacement>(found.Length);
        for (int op = 0; op < found.Length; op++)
            placements.Add(new JointPlacement(problem.Operators[op].Name, found[op], run.StartUs[op], run.EndUs(op), JointReasons.Why(problem, op, found[op])));
        return new JointPlan(placements.MoveToImmutable(), us, cpuUs, deviceUs, eachUs, run.Trials);
    }
}
