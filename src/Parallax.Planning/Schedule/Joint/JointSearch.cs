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
    private readonly List<int[]> stages;
    private readonly bool[] isSeen;

    /// <summary>By operator, the predicted time from its start to the end of everything, where nothing waits.</summary>
    private readonly double[] leftUs;

    /// <summary>By operator, at least so much time passes from its start to the end of the window that is open; and to the start of what follows, whatever is chosen.</summary>
    private readonly double[] leastLeftUs, leastUs;

    // A change that is tried, and the best so far.
    private readonly int[] changing = new int[JointCandidates.MaxRun], best = new int[JointCandidates.MaxRun];
    private readonly TimedChoice[] changed = new TimedChoice[JointCandidates.MaxRun], bestChoices = new TimedChoice[JointCandidates.MaxRun];

    internal JointSearch(JointProblem problem, JointOptions options)
    {
        (this.problem, this.options) = (problem, options);
        random = new Random(options.Seed);
        all = [.. problem.Dag.Order];
        stages = JointStages.Cut(problem.Dag);
        ImmutableArray<double> fastestUs = [.. problem.Operators.Select(o => Math.Min(o.CpuUs.Min(), o.DeviceUs))];
        leftUs = BranchRanks.Upward(problem.Dag, fastestUs);
        // A half of a split operator may be all that the next one waits for.
        leastUs = [.. fastestUs.Select((us, op) => problem.Operators[op].Axes.IsEmpty ? us : 0)];
        leastLeftUs = new double[all.Length];
        isSeen = new bool[all.Length];
        Urgency = BranchRanks.CriticalPathFirst(problem.Dag, fastestUs);
        Simulator = new JointSimulator(problem, Urgency);
        candidates = new JointCandidates(problem, options.CutsPerOperator);
    }

    internal JointProblem Problem => problem;

    /// <summary>By operator, its rank by the time that is left from it on: the lowest first.</summary>
    internal int[] Urgency { get; }

    internal JointSimulator Simulator { get; }

    internal double WholeUs(JointChoice[] choices)
    {
        Set(choices);
        Simulator.Start();
        return Simulator.Run(all);
    }

    internal JointChoice[] BestOf(params JointChoice[][] starts) => starts.MinBy(WholeUs)!;

    /// <summary>A placement that is nowhere worse than the start.</summary>
    /// <param name="steps">Operators that trials may place, at most about.</param>
    internal JointChoice[] Improve(JointChoice[] start, long steps)
    {
        Set(start);
        Simulator.Start();
        long end = Simulator.Steps + steps;
        int left = all.Length;
        for (int i = 0; i < stages.Count; i++)
        {
            // What follows is looked at too: a result may be wanted on the other side.
            int[] seen = i + 1 < stages.Count ? [.. stages[i], .. stages[i + 1]] : stages[i];
            ImproveStage(stages[i], seen, Simulator.Steps + Math.Max(0, end - Simulator.Steps) * stages[i].Length / left);
            Simulator.Run(stages[i]);
            left -= stages[i].Length;
        }
        var found = new JointChoice[start.Length];
        for (int op = 0; op < found.Length; op++) found[op] = Simulator[op];
        return BestOf(start, found);
    }

    private void Set(JointChoice[] choices)
    {
        for (int op = 0; op < choices.Length; op++) Simulator[op] = choices[op];
    }

    private void ImproveStage(int[] stage, int[] seen, long endSteps)
    {
        See(seen);
        double nowUs = Simulator.Open(seen);
        var untried = new List<int>(stage);
        while (untried.Count > 0 && Simulator.Steps < endSteps)
        {
            int count = FindChange(Draw(untried), nowUs * (1 - options.MinGain));
            if (count == 0) continue; // the others are drawn next, until none is left
            for (int i = 0; i < count; i++) Simulator[best[i]] = bestChoices[i].Choice;
            Simulator.Close();
            nowUs = Simulator.Open(seen);
            untried = [.. stage];
        }
        Simulator.Close();
        foreach (int op in seen) isSeen[op] = false;
    }

    /// <summary>Marks a window and measures what is left in it.</summary>
    private void See(int[] seen)
    {
        for (int i = seen.Length - 1; i >= 0; i--)
        {
            int op = seen[i];
            isSeen[op] = true;
            double after = 0;
            foreach (int next in problem.Dag.Successors(op))
                if (isSeen[next]) after = Math.Max(after, leastLeftUs[next]);
            leastLeftUs[op] = leastUs[op] + after;
        }
    }

    /// <summary>The best change of some operators and those that follow them: left in <see cref="best"/>; returns its number of operators, 0 where none is short enough.</summary>
    private int FindChange(List<int> drawn, double bestUs)
    {
        int bestCount = 0;
        foreach (int op in drawn)
            foreach (ref readonly TimedChoice choice in candidates.Of(op).AsSpan())
            {
                int longest = candidates.Run(op, choice, isSeen, changing, changed);
                bool differs = false;
                for (int tried = 0, count = 1; tried < longest; count = Math.Min(2 * count, longest))
                {
                    while (tried < count) differs |= Simulator[changing[tried]] != changed[tried++].Choice;
                    if (!differs) continue;
                    double us = Simulator.Try(changing.AsSpan(0, count), changed, bestUs, leastLeftUs);
                    if (us >= bestUs) continue;
                    (bestUs, bestCount) = (us, count);
                    changing.AsSpan(0, count).CopyTo(best);
                    changed.AsSpan(0, count).CopyTo(bestChoices);
                }
            }
        return bestCount;
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

    /// <summary>The operator of which its start and what is left after it say that everything ends latest.</summary>
    private int MostCritical(List<int> among)
    {
        int first = 0;
        for (int i = 1; i < among.Count; i++)
            if (Simulator.StartUs(among[i]) + leftUs[among[i]] > Simulator.StartUs(among[first]) + leftUs[among[first]]) first = i;
        return first;
    }
}
