using System.Collections.Immutable;
using Parallax.Planning;

namespace Parallax.Tests.Planning;

/// <summary>Problems of joint planning whose times are drawn, and their optimum by trying everything.</summary>
internal static class JointProblems
{
    private const int Granules = 6;

    /// <summary>Operators of 20 to 2000 us, a device that is up to three times faster or slower, and synchronization of up to 60 us.</summary>
    internal static JointProblem Draw(Random random, int operators, int workers, bool chain = false)
    {
        var edges = new List<(int, int)>();
        for (int op = 1; op < operators; op++)
            foreach (int before in chain ? [op - 1] : Enumerable.Range(0, op).Where(_ => random.NextDouble() < 1.5 / op)) edges.Add((before, op));
        var dag = new Dag(operators, edges);
        ImmutableArray<JointOperator> all = [.. Enumerable.Range(0, operators).Select(op => Operator(random, op, workers, [.. dag.Predecessors(op)]))];
        return new JointProblem(dag, all, new SyncCosts(random.Next(3, 60), random.Next(1, 10), random.Next(1, 20), random.Next(2) * 0.01));
    }

    private static JointOperator Operator(Random random, int op, int workers, ImmutableArray<int> before)
    {
        double alone = 20 * Math.Pow(100, random.NextDouble()), deviceUs = alone * Math.Pow(9, random.NextDouble() - 0.5);
        ImmutableArray<double> cpuUs = [.. Enumerable.Range(1, workers).Select(w => alone / Math.Pow(w, 0.85))];
        if (random.Next(5) == 0) deviceUs = double.PositiveInfinity;
        ImmutableArray<SplitAxis> axes = double.IsInfinity(deviceUs) || random.Next(3) == 0 ? []
            : [Axis(OutputAxis.Channels, Granules, 2, 3, random.Next(3) == 0 ? before : [])];
        if (!axes.IsEmpty && op % 2 == 0) axes = axes.Add(Axis(OutputAxis.Rows, 2 + op % Granules, op % 5, op % 7, []));
        return new JointOperator($"op{op}", cpuUs, deviceUs, axes, random.Next(100, 5000));

        SplitAxis Axis(OutputAxis axis, int granules, double cpuExtra, double deviceExtra, ImmutableArray<int> localTo) =>
            new(axis, granules * 16, 16, workers, (n, w) => cpuUs[w - 1] * n / (granules * 16) + cpuExtra, n => deviceUs * n / (granules * 16) + deviceExtra, localTo);
    }

    /// <summary>The shortest time over all placements, and over all orders where they are few.</summary>
    internal static double Optimum(JointProblem problem)
    {
        int count = problem.Operators.Length;
        JointChoice[][] choices = [.. problem.Operators.Select(o => AllChoices(o, problem.Workers).ToArray())];
        int[] order = [.. problem.Dag.Order];
        double best = double.PositiveInfinity;
        foreach (int[] urgency in count <= 4 ? Permutations(count) : [new JointSearch(problem, new JointOptions()).Urgency])
        {
            var run = new JointSimulator(problem, urgency);
            Try(0, run);
        }
        return best;

        void Try(int op, JointSimulator run)
        {
            if (op == count)
            {
                run.Start();
                best = Math.Min(best, run.Run(order));
                return;
            }
            foreach (JointChoice choice in choices[op])
            {
                run[op] = choice;
                Try(op + 1, run);
            }
        }
    }

    private static IEnumerable<JointChoice> AllChoices(JointOperator op, int workers)
    {
        if (op.FitsDevice) yield return JointChoice.OnDevice;
        for (int w = 1; w <= workers; w++)
        {
            yield return JointChoice.OnCpu(w);
            foreach (SplitAxis axis in op.Axes)
                for (int cut = 1; cut <= axis.Cuts; cut++) yield return JointChoice.Split(w, axis.Axis, cut * axis.Granule);
        }
    }

    private static IEnumerable<int[]> Permutations(int count)
    {
        int[] all = [.. Enumerable.Range(0, count)];
        return Permute(0);

        IEnumerable<int[]> Permute(int place)
        {
            if (place == count) yield return [.. all];
            for (int i = place; i < count; i++)
            {
                (all[place], all[i]) = (all[i], all[place]);
                foreach (int[] permuted in Permute(place + 1)) yield return permuted;
                (all[place], all[i]) = (all[i], all[place]);
            }
        }
    }
}
