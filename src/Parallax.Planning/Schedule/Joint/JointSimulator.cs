namespace Parallax.Planning;

/// <summary>
/// Predicts when operators run, given where: whatever can start first does, the more urgent one first where several can; an operator on the CPU takes its workers
/// until it ends, the device takes one operator at a time, in order. The halves of a split operator start for themselves. Reused for many trials; not thread-safe.
/// </summary>
internal sealed class JointSimulator
{
    private readonly JointProblem problem;
    private readonly int[] urgency, waiting, ready, trialOf;
    private readonly double[] workerFree;
    private double deviceFree;

    /// <param name="urgency">By operator, a rank: the lowest first.</param>
    internal JointSimulator(JointProblem problem, int[] urgency)
    {
        (this.problem, this.urgency) = (problem, urgency);
        int count = problem.Operators.Length;
        waiting = new int[count];
        ready = new int[count];
        trialOf = new int[count];
        workerFree = new double[problem.Workers];
        (StartUs, CpuEndUs, DeviceEndUs) = (new double[count], new double[count], new double[count]);
        Choices = new JointChoice[count];
    }

    /// <summary>What is tried; the caller's to change.</summary>
    internal JointChoice[] Choices { get; }

    /// <summary>By operator of the last trial, when its first side began.</summary>
    internal double[] StartUs { get; }

    /// <summary>By operator, when the CPU's part ended; negative where it had none.</summary>
    internal double[] CpuEndUs { get; }

    internal double[] DeviceEndUs { get; }

    /// <summary>Schedules that were simulated.</summary>
    internal int Trials { get; private set; }

    /// <summary>When an operator's result is complete, wherever it was computed.</summary>
    internal double EndUs(int op) => Math.Max(CpuEndUs[op], DeviceEndUs[op]);

    /// <summary>When the CPU sees all of an operator's result.</summary>
    internal double SeenUs(int op) => Math.Max(CpuEndUs[op], DeviceEndUs[op] < 0 ? 0 : DeviceEndUs[op] + problem.Sync.ToCpuUs + MovedUs(op));

    internal void Start()
    {
        Array.Clear(workerFree);
        deviceFree = 0;
    }

    internal (double[] WorkerFree, double DeviceFree) Save() => ((double[])workerFree.Clone(), deviceFree);

    internal void Restore((double[] WorkerFree, double DeviceFree) saved)
    {
        saved.WorkerFree.CopyTo(workerFree, 0);
        deviceFree = saved.DeviceFree;
    }

    /// <summary>Runs some operators, whose predecessors outside have run, and returns when all results are seen.</summary>
    internal double Run(ReadOnlySpan<int> operators)
    {
        Trials++;
        int readyCount = 0;
        foreach (int op in operators) trialOf[op] = Trials;
        foreach (int op in operators)
        {
            waiting[op] = 0;
            foreach (int before in problem.Dag.Predecessors(op))
                if (trialOf[before] == Trials) waiting[op]++;
            if (waiting[op] == 0) ready[readyCount++] = op;
        }
        double end = 0;
        while (readyCount > 0)
        {
            int next = 0;
            double soonest = EarliestUs(ready[0]);
            for (int i = 1; i < readyCount; i++)
            {
                double start = EarliestUs(ready[i]);
                if (start > soonest || (start == soonest && urgency[ready[i]] > urgency[ready[next]])) continue;
                (soonest, next) = (start, i);
            }
            int op = ready[next];
            ready[next] = ready[--readyCount];
            Place(op);
            end = Math.Max(end, SeenUs(op));
            foreach (int after in problem.Dag.Successors(op))
                if (trialOf[after] == Trials && --waiting[after] == 0) ready[readyCount++] = after;
        }
        return end;
    }

    private double EarliestUs(int op)
    {
        JointChoice choice = Choices[op];
        double cpu = double.PositiveInfinity, device = double.PositiveInfinity;
        if (choice.Side != Side.Device) cpu = Math.Max(CpuReadyUs(op), FreeUs(choice.Workers));
        if (choice.Side != Side.Cpu) device = Math.Max(DeviceReadyUs(op).Us, deviceFree);
        return Math.Min(cpu, device);
    }

    private void Place(int op)
    {
        JointChoice choice = Choices[op];
        JointOperator of = problem.Operators[op];
        SplitAxis? axis = choice.Side == Side.Both ? of.AxisOf(choice.Axis) : null;
        StartUs[op] = double.PositiveInfinity;
        (CpuEndUs[op], DeviceEndUs[op]) = (-1, -1);
        double cpuReady = choice.Side == Side.Device ? 0 : CpuReadyUs(op);
        (double deviceReady, bool joins) = choice.Side == Side.Cpu ? default : DeviceReadyUs(op);
        if (choice.Side != Side.Device)
        {
            double start = Math.Max(cpuReady, FreeUs(choice.Workers));
            double us = axis is null ? of.CpuUs[choice.Workers - 1] : axis.CpuUs(choice.Cut, choice.Workers);
            StartUs[op] = start;
            CpuEndUs[op] = start + us;
            Take(choice.Workers, start + us);
        }
        if (choice.Side != Side.Cpu)
        {
            double start = Math.Max(deviceReady, deviceFree);
            StartUs[op] = Math.Min(StartUs[op], start);
            double us = axis is null ? of.DeviceUs : axis.DeviceUs(choice.Cut);
            deviceFree = DeviceEndUs[op] = start + us + (joins ? problem.Sync.DispatchUs : 0);
        }
    }

    private double CpuReadyUs(int op)
    {
        double ready = 0;
        foreach (int before in problem.Dag.Predecessors(op)) ready = Math.Max(ready, IsLocal(before, op) ? CpuEndUs[before] : SeenUs(before));
        return ready;
    }

    /// <summary>When the device may begin, and whether that starts a new list of commands: it does where something comes from the CPU, or nothing from the device.</summary>
    private (double Us, bool StartsList) DeviceReadyUs(int op)
    {
        double ready = 0;
        bool starts = true, fromCpu = false;
        foreach (int before in problem.Dag.Predecessors(op))
        {
            bool own = IsLocal(before, op) || CpuEndUs[before] < 0;
            ready = Math.Max(ready, own ? DeviceEndUs[before] : Math.Max(DeviceEndUs[before], CpuEndUs[before] + problem.Sync.ToDeviceUs + MovedUs(before)));
            if (own) starts = false;
            else fromCpu = true;
        }
        return (ready, starts || fromCpu);
    }

    /// <summary>Whether two split operators are cut alike, so that each half of the second reads the same half of the first alone.</summary>
    private bool IsLocal(int before, int op)
    {
        JointChoice first = Choices[before], second = Choices[op];
        return first.Side == Side.Both && second.Side == Side.Both && first.Axis == second.Axis && first.Cut == second.Cut
            && problem.Operators[op].AxisOf(second.Axis).LocalTo.Contains(before);
    }

    private double MovedUs(int op) => problem.Sync.UsPerByte * problem.Operators[op].OutputBytes;

    /// <summary>When so many workers are free; they are kept sorted.</summary>
    private double FreeUs(int workers) => workerFree[workers - 1];

    private void Take(int workers, double until)
    {
        for (int i = 0; i < workers; i++) workerFree[i] = until;
        Array.Sort(workerFree);
    }
}
