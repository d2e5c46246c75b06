namespace Parallax.Planning;

/// <summary>Changes of a placement that are worth a try.</summary>
internal sealed class JointCandidates
{
    /// <summary>A change may take along so many operators that follow, doubling.</summary>
    private const int MaxRun = 16;

    private readonly JointProblem problem;
    private readonly List<JointChoice>[] choices;

    /// <param name="cutsPerAxis">Places at which a split is tried: where the sides balance, some granules around, and evenly over the axis.</param>
    internal JointCandidates(JointProblem problem, int cutsPerAxis)
    {
        this.problem = problem;
        choices = [.. problem.Operators.Select(o => ChoicesOf(o, cutsPerAxis))];
    }

    /// <summary>Other choices for an operator, alone and together with the operators that follow it one after another.</summary>
    /// <param name="within">Those that may be changed.</param>
    internal IEnumerable<List<(int Op, JointChoice Choice)>> Changes(int op, JointChoice[] now, HashSet<int> within)
    {
        foreach (JointChoice choice in choices[op])
        {
            var change = new List<(int, JointChoice)>();
            int last = op, next = op;
            for (int length = 1; length <= MaxRun; length *= 2)
            {
                while (next >= 0 && change.Count < length)
                {
                    change.Add((next, choice));
                    last = next;
                    next = Follower(last, choice, within);
                }
                if (change.Count < length) break;
                if (change.Exists(c => now[c.Item1] != c.Item2)) yield return [.. change];
            }
            // A run that ends between two lengths is tried as a whole.
            if ((change.Count & (change.Count - 1)) != 0 && change.Exists(c => now[c.Item1] != c.Item2)) yield return change;
        }
    }

    /// <summary>The operator that can go on as its predecessor did; a split goes on only where no side has to wait.</summary>
    private int Follower(int op, JointChoice choice, HashSet<int> within)
    {
        foreach (int after in problem.Dag.Successors(op))
        {
            if (!within.Contains(after)) continue;
            switch (choice.Side)
            {
                case Side.Cpu:
                    return after;
                case Side.Device when problem.Operators[after].FitsDevice:
                    return after;
                case Side.Both:
                    foreach (SplitAxis axis in problem.Operators[after].Axes)
                        if (axis.Axis == choice.Axis && axis.LocalTo.Contains(op) && choice.Cut % axis.Granule == 0 && choice.Cut / axis.Granule <= axis.Cuts) return after;
                    break;
            }
        }
        return -1;
    }

    private List<JointChoice> ChoicesOf(JointOperator op, int cutsPerAxis)
    {
        var found = new List<JointChoice>();
        for (int workers = 1; workers <= problem.Workers; workers++) found.Add(JointChoice.OnCpu(workers));
        if (op.FitsDevice) found.Add(JointChoice.OnDevice);
        foreach (SplitAxis axis in op.Axes)
            for (int workers = 1; axis.Cuts > 0 && workers <= problem.Workers; workers++)
                found.AddRange(CutsOf(axis, workers, cutsPerAxis).Select(cut => JointChoice.Split(workers, axis.Axis, cut)));
        return found;
    }

    private static IEnumerable<long> CutsOf(SplitAxis axis, int workers, int count)
    {
        if (axis.Cuts <= count) return Enumerable.Range(1, axis.Cuts).Select(i => i * axis.Granule);
        long balanced = axis.BalancedCut(workers) / axis.Granule;
        var cuts = new SortedSet<long> { balanced };
        for (long step = 1; step <= 4; step *= 2)
            foreach (long cut in (long[])[balanced - step, balanced + step])
                if (cut >= 1 && cut <= axis.Cuts) cuts.Add(cut);
        int even = Math.Max(1, count - cuts.Count);
        for (int i = 1; i <= even; i++) cuts.Add(Math.Max(1, axis.Cuts * (long)i / (even + 1)));
        return cuts.Select(c => c * axis.Granule);
    }
}
