using System.Collections.Immutable;

namespace Parallax.Planning;

/// <summary>The search of <see cref="JointPlanner"/>: stage by stage, the best improving change until there is none.</summary>
internal sealed class JointSearch
{
    private readonly JointProblem problem;
    private readonly JointOptions options;
    private readonly JointCandidates candidates;
    private readonly Random random;
    private readonly int[] all;

    /// <summary>By operator, the predicted time from its start to the end of everything, where nothing waits.</summary>
    private readonly double[] leftUs;

    internal JointSearch(JointProblem problem, JointOptions options)
    {
        (this.problem, this.options) = (problem, options);
        random = new Random(options.Seed);
        all = [.. problem.Dag.Order];
        ImmutableArray<double> fastestUs = [.. problem.Operators.Select(o => Math.Min(o.CpuUs.Min(), o.DeviceUs))];
        leftUs = BranchRanks.Upward(problem.Dag, fastestUs);
        Urgency = BranchRanks.CriticalPathFirst(problem.Dag, fastestUs);
        Simulator = new JointSimulator(problem, Urgency);
        candidates = new JointCandidates(problem, options.CutsPerAxis);
    }

    /// <summary>By operator, its rank by the time that is left from it on: the lowest first.</summary>
    internal int[] Urgency { get; }

    internal JointSimulator Simulator { get; }

    internal double WholeUs(JointChoice[] choices)
    {
        choices.CopyTo(Simulator.Choices, 0);
        Simulator.Start();
        return Simulator.Run(all);
    }

    internal JointChoice[] BestOf(params JointChoice[][] starts) => starts.MinBy(WholeUs)!;

    /// <summary>A placement that is nowhere worse than the start.</summary>
    internal JointChoice[] Improve(JointChoice[] start)
    {
        start.CopyTo(Simulator.Choices, 0);
        List<int[]> stages = JointStages.Cut(problem.Dag);
        Simulator.Start();
        for (int i = 0; i < stages.Count; i++)
        {
            // What follows is looked at too: a result may be wanted on the other side.
            int[] seen = i + 1 < stages.Count ? [.. stages[i], .. stages[i + 1]] : stages[i];
            ImproveStage(stages[i], seen);
            Simulator.Run(stages[i]);
        }
        JointChoice[] found = [.. Simulator.Choices];
        return BestOf(start, found);
    }

    private void ImproveStage(int[] stage, int[] seen)
    {
        var before = Simulator.Save();
        var within = new HashSet<int>(seen);
        int limit = Simulator.Trials + options.MaxTrialsPerStage;
        var untried = new List<int>(stage);
        while (untried.Count > 0 && Simulator.Trials < limit)
        {
            List<(int Op, JointChoice Choice)>? best = null;
            double bestUs = Try() * (1 - options.MinGain);
            foreach (int op in Draw(untried))
                foreach (List<(int Op, JointChoice Choice)> change in candidates.Changes(op, Simulator.Choices, within))
                {
                    double changed = Try(change);
                    if (changed < bestUs) (bestUs, best) = (changed, change);
                }
            if (best is null) continue; // the others are drawn next, until none is left
            Exchange(best);
            untried = [.. stage];
        }
        Simulator.Restore(before);

        double Try(List<(int Op, JointChoice Choice)>? change = null)
        {
            Simulator.Restore(before);
            if (change is not null) Exchange(change);
            double result = Simulator.Run(seen);
            if (change is not null) Exchange(change);
            return result;
        }
    }

    /// <summary>Makes a change and keeps what was before in its place: done twice, it is undone.</summary>
    private void Exchange(List<(int Op, JointChoice Choice)> change)
    {
        for (int i = 0; i < change.Count; i++)
        {
            (int op, JointChoice choice) = change[i];
            change[i] = (op, Simulator.Choices[op]);
            Simulator.Choices[op] = choice;
        }
    }

    /// <summary>Takes some operators that were not tried since the last change, most of them from the critical path.</summary>
    private List<int> Draw(List<int> untried)
    {
        var drawn = new List<int>();
        while (drawn.Count < options.OperatorsPerRound && untried.Count > 0)
        {
            int place = random.NextDouble() < options.CriticalFraction ? MostCritical(untried) : random.Next(untried.Count);
            drawn.Add(untried[place]);
            untried.RemoveAt(place);
        }
        return drawn;
    }

    /// <summary>The operator of which the last trial and what is left after it say that everything ends latest.</summary>
    private int MostCritical(List<int> among)
    {
        int best = 0;
        for (int i = 1; i < among.Count; i++)
            if (Simulator.StartUs[among[i]] + leftUs[among[i]] > Simulator.StartUs[among[best]] + leftUs[among[best]]) best = i;
        return best;
    }
}
