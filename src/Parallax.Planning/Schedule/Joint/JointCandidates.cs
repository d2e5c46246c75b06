namespace Parallax.Planning;

/// <summary>Changes of a placement that are worth a try.</summary>
internal sealed class JointCandidates(JointProblem problem, int cutsPerOperator)
{
    /// <summary>A change may take along so many operators that follow.</summary>
    internal const int MaxRun = 16;

    /// <summary>Numbers of workers that are tried for one operator.</summary>
    private const int MaxWorkerCounts = 4;

    private readonly TimedChoice[]?[] choices = new TimedChoice[]?[problem.Operators.Length];

    /// <summary>All choices for an operator.</summary>
    internal TimedChoice[] Of(int op) => choices[op] ??= [.. ChoicesOf(problem.Operators[op]).Select(c => TimedChoice.Of(problem.Operators[op], c))];

    /// <summary>Fills in an operator and those that can go on as it does, one after another, with their choices; returns how many.</summary>
    /// <param name="isWithin">By operator, whether it may be changed.</param>
    internal int Run(int op, in TimedChoice choice, bool[] isWithin, Span<int> operators, Span<TimedChoice> changed)
    {
        (operators[0], changed[0]) = (op, choice);
        int count = 1;
        while (count < operators.Length && Follower(operators[count - 1], choice.Choice, isWithin) is var next and >= 0)
            (operators[count], changed[count++]) = (next, TimedChoice.Of(problem.Operators[next], choice.Choice));
        return count;
    }

    /// <summary>The operator that can go on as its predecessor did; a split goes on only where no side has to wait. -1 where there is none.</summary>
    private int Follower(int op, in JointChoice choice, bool[] isWithin)
    {
        foreach (int after in problem.Dag.Successors(op))
        {
            if (!isWithin[after]) continue;
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

    private IEnumerable<JointChoice> ChoicesOf(JointOperator op)
    {
        List<int> counts = WorkerCounts(op);
        foreach (int workers in counts) yield return JointChoice.OnCpu(workers);
        if (op.FitsDevice) yield return JointChoice.OnDevice;
        foreach (SplitAxis axis in op.Axes)
            for (int i = 0; axis.Cuts > 0 && i < counts.Count; i++)
                foreach (long cut in CutsOf(axis, counts[i], problem.Sync.BehindDeviceUs(op), cutsPerOperator / op.Axes.Length)) yield return JointChoice.Split(counts[i], axis.Axis, cut);
    }

    /// <summary>One, and larger numbers that are faster than any smaller one; where they are many, the fastest and some between.</summary>
    private static List<int> WorkerCounts(JointOperator op)
    {
        var counts = new List<int> { 1 };
        for (int workers = 2; workers <= op.CpuUs.Length; workers++)
            if (op.CpuUs[workers - 1] < op.CpuUs[counts[^1] - 1]) counts.Add(workers);
        if (counts.Count <= MaxWorkerCounts) return counts;
        return [.. Enumerable.Range(0, MaxWorkerCounts).Select(i => counts[(counts.Count - 1) * i / (MaxWorkerCounts - 1)])];
    }

    /// <summary>Where the sides balance, some granules around, and evenly over the axis.</summary>
    /// <param name="wanted">So many places, or some more around the balance.</param>
    private static IEnumerable<long> CutsOf(SplitAxis axis, int workers, double deviceLaterUs, int wanted)
    {
        if (axis.Cuts <= wanted) return Enumerable.Range(1, axis.Cuts).Select(i => i * axis.Granule);
        long balanced = axis.BalancedCut(workers, deviceLaterUs) / axis.Granule;
        var cuts = new SortedSet<long> { balanced };
        for (long step = 1; step <= 4; step *= 2)
            foreach (long cut in (long[])[balanced - step, balanced + step])
                if (cut >= 1 && cut <= axis.Cuts) cuts.Add(cut);
        int even = Math.Max(1, wanted - cuts.Count);
        for (int i = 1; i <= even; i++) cuts.Add(Math.Max(1, axis.Cuts * (long)i / (even + 1)));
        return cuts.Select(c => c * axis.Granule);
    }
}
