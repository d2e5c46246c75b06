namespace Parallax.Planning;

/// <summary>Simple placements: what a search starts from, and what its result is compared with.</summary>
internal static class JointStarts
{
    internal static JointChoice[] OnCpu(JointProblem problem) => [.. problem.Operators.Select(FastestOnCpu)];

    /// <summary>What the device cannot run stays on the CPU.</summary>
    internal static JointChoice[] OnDevice(JointProblem problem) => [.. problem.Operators.Select(o => o.FitsDevice ? JointChoice.OnDevice : FastestOnCpu(o))];

    /// <summary>Every operator where it alone would be fastest, begun on the CPU and wanted there.</summary>
    internal static JointChoice[] EachForItself(JointProblem problem) => [.. problem.Operators.Select(o => FastestAlone(o, problem.Sync))];

    /// <summary>Each operator, the most urgent first, where it ends first given the ones before it; nothing is split.</summary>
    internal static JointChoice[] EarliestFinish(JointProblem problem, int[] urgency)
    {
        int count = problem.Operators.Length;
        var choices = new JointChoice[count];
        var seen = new double[count]; // by the CPU
        var done = new double[count];
        var workerFree = new double[problem.Workers];
        double deviceFree = 0;
        SyncCosts sync = problem.Sync;
        foreach (int op in Enumerable.Range(0, count).OrderBy(o => urgency[o]))
        {
            JointOperator of = problem.Operators[op];
            double cpuReady = 0, deviceReady = 0;
            bool starts = true;
            foreach (int before in problem.Dag.Predecessors(op))
            {
                bool onDevice = choices[before].Side == Side.Device;
                cpuReady = Math.Max(cpuReady, seen[before]);
                deviceReady = Math.Max(deviceReady, done[before] + (onDevice ? 0 : sync.ToDeviceUs + sync.UsPerByte * problem.Operators[before].OutputBytes));
                starts &= !onDevice;
            }
            (double Us, JointChoice Choice) best = (double.PositiveInfinity, default);
            for (int workers = 1; workers <= problem.Workers; workers++)
            {
                double end = Math.Max(cpuReady, workerFree[workers - 1]) + of.CpuUs[workers - 1];
                if (end < best.Us) best = (end, JointChoice.OnCpu(workers));
            }
            double deviceEnd = Math.Max(deviceReady, deviceFree) + of.DeviceUs + (starts ? sync.DispatchUs : 0);
            double deviceSeen = deviceEnd + sync.BehindDeviceUs(of);
            if (deviceSeen < best.Us) best = (deviceSeen, JointChoice.OnDevice);
            choices[op] = best.Choice;
            seen[op] = best.Us;
            if (best.Choice.Side == Side.Device)
            {
                deviceFree = done[op] = deviceEnd;
                continue;
            }
            done[op] = best.Us;
            for (int i = 0; i < best.Choice.Workers; i++) workerFree[i] = best.Us;
            Array.Sort(workerFree);
        }
        return choices;
    }

    /// <summary>
    /// A placement of whole operators, but where one side has nothing to do during most of an operator: there it is split, if that is faster for it alone. Of what both sides can compute side by side, whole operators
    /// need no synchronization of two halves, and waste less of their tiles.
    /// </summary>
    /// <param name="whole">Nothing in it is split.</param>
    /// <param name="each">As <see cref="EachForItself"/>.</param>
    internal static JointChoice[] SplitWhereOneSideWaits(JointChoice[] whole, JointChoice[] each, JointSearch search)
    {
        search.WholeUs(whole);
        JointSimulator run = search.Simulator;
        BusyTimes cpu = Busy(Side.Cpu), device = Busy(Side.Device);
        return [.. whole.Select((choice, op) => each[op].Side == Side.Both && IsOtherIdle(op, choice.Side == Side.Cpu ? device : cpu) ? each[op] : choice)];

        BusyTimes Busy(Side side) => new(Enumerable.Range(0, whole.Length).Where(op => whole[op].Side == side).Select(op => (run.StartUs(op), run.EndUs(op))));

        bool IsOtherIdle(int op, BusyTimes other) => other.Within(run.StartUs(op), run.EndUs(op)) < (run.EndUs(op) - run.StartUs(op)) / 2;
    }

    private static JointChoice FastestOnCpu(JointOperator op)
    {
        int best = 0;
        for (int i = 1; i < op.CpuUs.Length; i++)
            if (op.CpuUs[i] < op.CpuUs[best]) best = i;
        return JointChoice.OnCpu(best + 1);
    }

    private static JointChoice FastestAlone(JointOperator op, SyncCosts sync)
    {
        JointChoice best = FastestOnCpu(op);
        double bestUs = op.CpuUs[best.Workers - 1], later = sync.ToDeviceUs + sync.BehindDeviceUs(op), overhead = sync.DispatchUs + later;
        if (op.DeviceUs + overhead < bestUs) (best, bestUs) = (JointChoice.OnDevice, op.DeviceUs + overhead);
        foreach (SplitAxis axis in op.Axes)
            for (int workers = 1; axis.Cuts > 0 && workers <= op.CpuUs.Length; workers++)
            {
                long cut = axis.BalancedCut(workers, later);
                double us = sync.DispatchUs + Math.Max(axis.CpuUs(cut, workers), axis.DeviceUs(cut) + later);
                if (us < bestUs) (best, bestUs) = (JointChoice.Split(workers, axis.Axis, cut), us);
            }
        return best;
    }
}
