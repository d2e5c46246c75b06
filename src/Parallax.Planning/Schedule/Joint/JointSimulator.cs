namespace Parallax.Planning;

/// <summary>A choice and the times that follow from it; a side that has no part takes none.</summary>
internal readonly struct TimedChoice(JointChoice choice, double cpuUs, double deviceUs)
{
    internal readonly JointChoice Choice = choice;
    internal readonly double CpuUs = cpuUs, DeviceUs = deviceUs;

    internal static TimedChoice Of(JointOperator of, JointChoice choice)
    {
        if (choice.Side == Side.Cpu) return new TimedChoice(choice, of.CpuUs[choice.Workers - 1], 0);
        if (choice.Side == Side.Device) return new TimedChoice(choice, 0, of.DeviceUs);
        SplitAxis axis = of.AxisOf(choice.Axis);
        return new TimedChoice(choice, axis.CpuUs(choice.Cut, choice.Workers), axis.DeviceUs(choice.Cut));
    }
}

/// <summary>
/// Predicts when operators run, given where: whatever can start first does, the more urgent one first where several can; an operator on the CPU takes its workers
/// until it ends, the device takes one operator at a time, in order. The halves of a split operator start for themselves. A window of operators can be tried again
/// and again with other choices, each time from the first step to which that makes a difference. Not thread-safe.
/// </summary>
internal sealed class JointSimulator
{
    private readonly JointProblem problem;
    private readonly Dag dag;
    private readonly SyncCosts sync;
    private readonly int[] urgency, waiting;
    private readonly Ready[] ready; // the most urgent first
    private readonly Times[] times;
    private readonly TimedChoice[] choices;
    private readonly double[] movedUs, workerFree;
    private double deviceFree, end;
    private int readyCount;

    // By operator, its place among those that run now; -1 where it is none of them.
    private readonly int[] stepOf;

    // The window: its operators in the order in which they began, and by step what they took and what was free before.
    private int[] window = [];
    private readonly int[] readyStepOf;
    private Times[] windowTimes = [];
    private double[] workerFreeAt = [], deviceFreeAt = [], endAt = [];
    private Ready[] gates = []; // by step, the operator that all of what follows waits for, and nothing else; its urgency is negative where there is none
    private double windowEnd;

    private struct Times
    {
        internal double StartUs, CpuEndUs, DeviceEndUs, SeenUs;
    }

    /// <summary>An operator whose predecessors have run, and when each side sees their results; never where it has no part.</summary>
    private readonly struct Ready(int op, int urgency, int lastWorker, double cpuUs, double deviceUs, bool startsList)
    {
        internal readonly int Op = op, Urgency = urgency, LastWorker = lastWorker;
        internal readonly double CpuUs = cpuUs, DeviceUs = deviceUs;
        internal readonly bool StartsList = startsList;
    }

    /// <param name="urgency">By operator, a rank: the lowest first.</param>
    internal JointSimulator(JointProblem problem, int[] urgency)
    {
        (this.problem, this.urgency, dag, sync) = (problem, urgency, problem.Dag, problem.Sync);
        int count = problem.Operators.Length;
        (waiting, ready, stepOf, readyStepOf) = (new int[count], new Ready[count], new int[count], new int[count]);
        (times, choices) = (new Times[count], new TimedChoice[count]);
        movedUs = [.. problem.Operators.Select(o => sync.UsPerByte * o.OutputBytes)];
        workerFree = new double[problem.Workers];
        Array.Fill(stepOf, -1);
    }

    internal JointChoice this[int op]
    {
        get => choices[op].Choice;
        set => choices[op] = TimedChoice.Of(problem.Operators[op], value);
    }

    /// <summary>When an operator's first side began.</summary>
    internal double StartUs(int op) => times[op].StartUs;

    /// <summary>When an operator's result is complete, wherever it was computed.</summary>
    internal double EndUs(int op) => Math.Max(times[op].CpuEndUs, times[op].DeviceEndUs);

    /// <summary>Schedules that were simulated, as a whole or in part.</summary>
    internal int Trials { get; private set; }

    /// <summary>Operators that were placed in all trials: what they cost.</summary>
    internal long Steps { get; private set; }

    internal void Start()
    {
        Array.Clear(workerFree);
        deviceFree = 0;
    }

    /// <summary>Runs some operators, whose predecessors outside have run, and returns when all results are seen.</summary>
    internal double Run(ReadOnlySpan<int> operators)
    {
        Trials++;
        for (int i = 0; i < operators.Length; i++) stepOf[operators[i]] = i;
        Enter(operators, 0, 0);
        while (readyCount > 0) PlaceNext();
        foreach (int op in operators) stepOf[op] = -1;
        return end;
    }

    /// <summary>Runs operators to try them with other choices, and returns when all results are seen. To be closed before anything else is run.</summary>
    internal double Open(ReadOnlySpan<int> operators)
    {
        Trials++;
        if (window.Length != operators.Length)
        {
            int count = operators.Length;
            (window, windowTimes, gates) = (new int[count], new Times[count], new Ready[count]);
            (deviceFreeAt, endAt, workerFreeAt) = (new double[count], new double[count], new double[count * workerFree.Length]);
        }
        for (int i = 0; i < operators.Length; i++) stepOf[operators[i]] = i;
        Enter(operators, 0, 0);
        for (int step = 0; step < window.Length; step++)
        {
            workerFree.CopyTo(workerFreeAt, step * workerFree.Length);
            (deviceFreeAt[step], endAt[step]) = (deviceFree, end);
            gates[step] = IsGate ? ready[0] : NoGate;
            int op = window[step] = PlaceNext();
            windowTimes[step] = times[op];
        }
        for (int step = 0; step < window.Length; step++)
        {
            int op = window[step], from = 0;
            stepOf[op] = step;
            foreach (int before in dag.Predecessors(op)) from = Math.Max(from, stepOf[before] + 1);
            readyStepOf[op] = from;
        }
        int earliest = window.Length; // that something behind reads from
        for (int step = window.Length - 1; step >= 0; step--)
        {
            if (earliest < step || endAt[step] >= end) gates[step] = NoGate;
            foreach (int before in dag.Predecessors(window[step])) earliest = Math.Min(earliest, stepOf[before]);
        }
        return windowEnd = end;
    }

    /// <summary>As <see cref="Open"/> would return with other choices for some operators of the window; the window stays as it is.</summary>
    /// <param name="limitUs">Longer times are not told apart: infinite is returned.</param>
    /// <param name="leftUs">By operator, at least so much time passes from its start to the window's end.</param>
    internal double Try(ReadOnlySpan<int> operators, ReadOnlySpan<TimedChoice> changed, double limitUs, ReadOnlySpan<double> leftUs)
    {
        Trials++;
        int from = window.Length, last = 0;
        Span<TimedChoice> before = stackalloc TimedChoice[operators.Length];
        for (int i = 0; i < operators.Length; i++)
        {
            from = Math.Min(from, readyStepOf[operators[i]]);
            last = Math.Max(last, stepOf[operators[i]]);
            before[i] = choices[operators[i]];
            choices[operators[i]] = changed[i];
        }
        Reset(from);
        Enter(window.AsSpan(from), from, endAt[from]);
        bool isLate = false;
        for (int step = from; readyCount > 0 && !isLate; step++)
        {
            if (step > last && IsGate && Delay(gates[step]) is var delay && !double.IsNaN(delay))
            {
                end = Math.Max(end, windowEnd + delay);
                isLate = end >= limitUs;
                break;
            }
            int op = PlaceNext();
            isLate = end >= limitUs || times[op].StartUs + leftUs[op] >= limitUs;
        }
        for (int i = 0; i < operators.Length; i++) choices[operators[i]] = before[i];
        for (int step = from; step < window.Length; step++) times[window[step]] = windowTimes[step];
        return isLate ? double.PositiveInfinity : end;
    }

    private static Ready NoGate => new(0, -1, 0, 0, 0, false);

    /// <summary>Whether one operator is ready and finds everything free, so that nothing but it decides when what waits for it starts.</summary>
    private bool IsGate => readyCount == 1 && Math.Min(ready[0].CpuUs, ready[0].DeviceUs) >= Math.Max(workerFree[^1], deviceFree);

    /// <summary>By how much the only operator that is ready is later than it was at a gate of the window, and with it all that follows; NaN where that is another or would begin otherwise.</summary>
    private double Delay(in Ready gate)
    {
        ref readonly Ready now = ref ready[0];
        if (gate.Urgency < 0 || gate.Op != now.Op || gate.StartsList != now.StartsList) return double.NaN;
        if (double.IsInfinity(now.CpuUs)) return now.DeviceUs - gate.DeviceUs;
        double delay = now.CpuUs - gate.CpuUs;
        return double.IsInfinity(now.DeviceUs) || now.DeviceUs - gate.DeviceUs == delay ? delay : double.NaN;
    }

    /// <summary>What is free is as it was before the window was opened.</summary>
    internal void Close()
    {
        Reset(0);
        foreach (int op in window) stepOf[op] = -1;
    }

    private void Reset(int step)
    {
        workerFreeAt.AsSpan(step * workerFree.Length, workerFree.Length).CopyTo(workerFree);
        deviceFree = deviceFreeAt[step];
    }

    /// <summary>Finds what is ready of the operators that are to run.</summary>
    /// <param name="from">Those of an earlier step have run.</param>
    private void Enter(ReadOnlySpan<int> operators, int from, double endUs)
    {
        end = endUs;
        readyCount = 0;
        foreach (int op in operators)
        {
            int count = 0;
            foreach (int before in dag.Predecessors(op))
                if (stepOf[before] >= from) count++;
            waiting[op] = count;
            if (count == 0) AddReady(op);
        }
    }

    private void AddReady(int op)
    {
        JointChoice choice = choices[op].Choice;
        double cpuUs = choice.Side == Side.Device ? double.PositiveInfinity : CpuReadyUs(op);
        (double deviceUs, bool startsList) = choice.Side == Side.Cpu ? (double.PositiveInfinity, false) : DeviceReadyUs(op);
        int place = readyCount++;
        for (; place > 0 && ready[place - 1].Urgency > urgency[op]; place--) ready[place] = ready[place - 1];
        ready[place] = new Ready(op, urgency[op], Math.Max(0, choice.Workers - 1), cpuUs, deviceUs, startsList);
    }

    /// <summary>Places the operator that can start first, and adds what becomes ready by it.</summary>
    private int PlaceNext()
    {
        Steps++;
        int next = 0;
        double soonest = double.PositiveInfinity, nothingSooner = Math.Min(workerFree[0], deviceFree);
        for (int i = 0; i < readyCount && soonest > nothingSooner; i++)
        {
            ref readonly Ready candidate = ref ready[i];
            double start = Math.Min(Math.Max(candidate.CpuUs, workerFree[candidate.LastWorker]), Math.Max(candidate.DeviceUs, deviceFree));
            if (start < soonest) (soonest, next) = (start, i);
        }
        int op = ready[next].Op;
        Place(ready[next]);
        readyCount--;
        ready.AsSpan(next + 1, readyCount - next).CopyTo(ready.AsSpan(next));
        end = Math.Max(end, times[op].SeenUs);
        foreach (int after in dag.Successors(op))
            if (stepOf[after] >= 0 && --waiting[after] == 0) AddReady(after);
        return op;
    }

    private void Place(in Ready op)
    {
        ref readonly TimedChoice chosen = ref choices[op.Op];
        ref Times of = ref times[op.Op];
        of.StartUs = double.PositiveInfinity;
        (of.CpuEndUs, of.DeviceEndUs, of.SeenUs) = (-1, -1, 0);
        if (chosen.Choice.Side != Side.Device)
        {
            of.StartUs = Math.Max(op.CpuUs, workerFree[op.LastWorker]);
            of.SeenUs = of.CpuEndUs = of.StartUs + chosen.CpuUs + (op.StartsList ? sync.DispatchUs : 0);
            Take(chosen.Choice.Workers, of.CpuEndUs);
        }
        if (chosen.Choice.Side != Side.Cpu)
        {
            double start = Math.Max(op.DeviceUs, deviceFree);
            of.StartUs = Math.Min(of.StartUs, start);
            deviceFree = of.DeviceEndUs = start + chosen.DeviceUs + (op.StartsList ? sync.DispatchUs : 0);
            of.SeenUs = Math.Max(of.SeenUs, of.DeviceEndUs + sync.ToCpuUs + movedUs[op.Op]);
        }
    }

    private double CpuReadyUs(int op)
    {
        double latest = 0;
        foreach (int before in dag.Predecessors(op)) latest = Math.Max(latest, IsLocal(before, op) ? times[before].CpuEndUs : times[before].SeenUs);
        return latest;
    }

    /// <summary>When the device may begin, and whether that starts a new list of commands: it does where something comes from the CPU, or nothing from the device.</summary>
    private (double Us, bool StartsList) DeviceReadyUs(int op)
    {
        double latest = 0;
        bool starts = true, fromCpu = false;
        foreach (int before in dag.Predecessors(op))
        {
            ref readonly Times of = ref times[before];
            bool own = of.CpuEndUs < 0 || IsLocal(before, op);
            latest = Math.Max(latest, own ? of.DeviceEndUs : Math.Max(of.DeviceEndUs, of.CpuEndUs + sync.ToDeviceUs + movedUs[before]));
            if (own) starts = false;
            else fromCpu = true;
        }
        return (latest, starts || fromCpu);
    }

    /// <summary>Whether two split operators are cut alike, so that each half of the second reads the same half of the first alone.</summary>
    private bool IsLocal(int before, int op)
    {
        ref readonly JointChoice first = ref choices[before].Choice;
        ref readonly JointChoice second = ref choices[op].Choice;
        return first.Side == Side.Both && second.Side == Side.Both && first.Axis == second.Axis && first.Cut == second.Cut
            && problem.Operators[op].AxisOf(second.Axis).LocalTo.Contains(before);
    }

    /// <summary>The workers that are free first are busy until then; the times stay sorted.</summary>
    private void Take(int workers, double until)
    {
        int place = 0;
        for (; place + workers < workerFree.Length && workerFree[place + workers] < until; place++) workerFree[place] = workerFree[place + workers];
        for (int i = 0; i < workers; i++) workerFree[place + i] = until;
    }
}
