using System.Collections.Immutable;
using Parallax.Kernels;
using Parallax.Planning;
using Parallax.Runtime.Cpu;
using Parallax.Runtime.Memory;

namespace Parallax.Runtime.Execution;

/// <summary>
/// How a graph runs for input shapes that are fixed: its partition, the steps of each branch, where every value lives, and the schedules that were made
/// for the memory budgets met so far. Immutable but for the schedules and the idle run states; thread-safe.
/// </summary>
internal sealed class ExecutionPlan : IDisposable
{
    /// <summary>Run states that are kept for later runs; more callers at once make more, which are freed when they end.</summary>
    private const int MaxIdle = 16;

    private const int BudgetSteps = 16;

    private readonly List<BudgetedSchedule> schedules = [];
    private readonly List<RunState> idle = [];
    private Schedule? narrowest;
    private long regionPeak = -1;
    private int rents;
    private int holders = 1;

    internal required Partition Partition { get; init; }

    /// <summary>How often each pass fired that knows the shapes of this plan.</summary>
    internal required IReadOnlyDictionary<string, int> Fired { get; init; }

    /// <summary>By branch.</summary>
    internal required Step[][] Branches { get; init; }

    /// <summary>Copies of outputs that lie elsewhere too; they run last.</summary>
    internal required CopyStep[] FinalCopies { get; init; }

    internal required int StepCount { get; init; }

    internal required List<Slot> Slots { get; init; }

    internal required MemoryProblem Memory { get; init; }

    internal required BranchTimes Times { get; init; }

    internal required int TableLength { get; init; }

    internal required Slot[] InputSlots { get; init; }

    /// <summary>Outputs of known size, written where they are wanted.</summary>
    internal required (Slot Slot, DType Type, long[] Dims)[] OutputSlots { get; init; }

    /// <summary>Outputs that are taken as data at the end.</summary>
    internal required (int Position, Slot Slot)[] DatumOutputs { get; init; }

    internal required string[] OutputNames { get; init; }

    /// <summary>By slot: <see cref="Slot.Uses"/>.</summary>
    internal required int[] Uses { get; init; }

    /// <summary>Multiply-accumulates of one run, as far as shapes are known.</summary>
    internal required long Macs { get; init; }

    /// <summary>Slots of whole data.</summary>
    internal required Slot[] DatumSlots { get; init; }

    internal required bool HasDynamicSteps { get; init; }

    /// <summary>Whether devices compute branches.</summary>
    internal required bool HasRegions { get; init; }

    /// <summary>Memory for values, such that a device which works on it sees it.</summary>
    internal Storage AllocateArena(long bytes) =>
        (HasRegions ? Branches.SelectMany(b => b).OfType<RegionStep>().Select(r => r.Device).Distinct().Select(d => d.TryAllocate(bytes)).FirstOrDefault(a => a is not null) : null)
        ?? new NativeStorage(bytes);

    internal IEnumerable<Step> Steps => Branches.SelectMany(b => b).Concat(FinalCopies);

    /// <summary>One more holder, unless the plan is gone.</summary>
    internal bool TryHold()
    {
        for (int now = Volatile.Read(ref holders); now > 0; now = Volatile.Read(ref holders))
            if (Interlocked.CompareExchange(ref holders, now + 1, now) == now) return true;
        return false;
    }

    /// <summary>One holder less; the last one frees the plan.</summary>
    public void Dispose()
    {
        if (Interlocked.Decrement(ref holders) == 0) Free();
    }

    /// <summary>Memory for a run, under the best schedule whose arena fits the budget.</summary>
    /// <param name="outer">For a body, the region of the run around it.</param>
    /// <exception cref="MemoryBudgetException">Not even the sequential plan fits.</exception>
    internal RunState Rent(RunSettings settings, RunRegion? outer, CancellationToken cancellation)
    {
        if (Volatile.Read(ref rents) < 2 && Interlocked.Increment(ref rents) == 2) Settle(settings);
        Schedule schedule = ScheduleFor(settings, outer);
        long regionBytes = RegionPeak ?? 0;
        if (outer is not null) outer.TakeArena(schedule.Memory.ArenaBytes);
        else settings.Budget.Take(schedule.Memory.ArenaBytes + regionBytes, exclusive: HasDynamicSteps && RegionPeak is null, cancellation);
        try
        {
            RunState run = TakeIdle(schedule) ?? new RunState(this, schedule, settings);
            run.RegionBytes = regionBytes;
            return run;
        }
        catch
        {
            GiveBack(schedule, regionBytes, settings, outer);
            throw;
        }
    }

    /// <summary>Does what kernels left for a second run, on all workers, those with the largest constants first. The first run may be under way, and later ones need not wait: results are the same.</summary>
    private void Settle(RunSettings settings)
    {
        List<(Kernel Kernel, long Bytes)> left = [];
        foreach (Step step in Steps)
            if (step is KernelStep { Kernel: { IsSettled: false } kernel })
            {
                long bytes = 0;
                foreach (Operand? input in step.Inputs)
                    if (input?.Slot.Constant is { } constant)
                    {
                        bytes += constant.ByteCount;
                        WeightCache.Release(constant); // else what the first run read would stand beside what is packed now
                    }
                left.Add((kernel, bytes));
            }
        if (left.Count > 0) new PoolLoop(PoolLoop.LargestFirst([.. left.Select(l => l.Bytes)]), i => left[i].Kernel.Settle()).Run(settings.Pool, settings.Workers);
    }

    private RunState? TakeIdle(Schedule schedule)
    {
        lock (idle)
        {
            for (int i = idle.Count - 1; i >= 0; i--)
                if (ReferenceEquals(idle[i].Schedule, schedule))
                {
                    RunState run = idle[i];
                    idle.RemoveAt(i);
                    return run;
                }
            Trim(); // idle arenas of other schedules: memory became scarcer or freer since they were made
            return null;
        }
    }

    /// <summary>The most bytes that values of unknown size took at once; null where nobody knows.</summary>
    internal long? RegionPeak => HasDynamicSteps && Interlocked.Read(ref regionPeak) is >= 0 and var bytes ? bytes : null;

    /// <summary>Values of unknown size took so many bytes: the next run takes as many from the budget at its start, where it can still wait for others to end.</summary>
    internal void NoteRegion(long bytes)
    {
        for (long now = Interlocked.Read(ref regionPeak); bytes > now; now = Interlocked.Read(ref regionPeak))
            if (Interlocked.CompareExchange(ref regionPeak, bytes, now) == now) return;
    }

    private static void GiveBack(Schedule schedule, long regionBytes, RunSettings settings, RunRegion? outer)
    {
        if (outer is not null) outer.GiveBackArena(schedule.Memory.ArenaBytes);
        else settings.Budget.GiveBack(schedule.Memory.ArenaBytes + regionBytes);
    }

    internal void Return(RunState run, RunSettings settings, RunRegion? outer)
    {
        GiveBack(run.Schedule, run.RegionBytes, settings, outer);
        lock (idle)
            if (idle.Count < MaxIdle)
            {
                idle.Add(run);
                return;
            }
        run.Dispose();
    }

    /// <summary>The schedule for the budget of the moment; one is made where none of those at hand is known to be the best for it.</summary>
    /// <exception cref="MemoryBudgetException">Not even the sequential plan fits.</exception>
    internal Schedule ScheduleFor(RunSettings settings, RunRegion? outer = null)
    {
        long idleBytes = IdleBytes(), budget = outer?.RoomForArena(idleBytes) ?? settings.Budget.Room(idleBytes);
        lock (schedules)
        {
            if (narrowest is not null && budget < narrowest.Memory.ArenaBytes)
                return narrowest.Memory.ArenaBytes <= settings.Budget.HardRoom(idleBytes) ? narrowest : throw BelowNarrowest(narrowest.Memory.ArenaBytes, budget);
            long step = Quantize(budget);
            foreach (BudgetedSchedule known in schedules)
                if (known.Schedule.Memory.ArenaBytes <= step && step <= known.BestUpTo) return known.Schedule;
            return MakeSchedule(settings, step, idleBytes);
        }
    }

    /// <summary>Free memory changes all the time: below the largest arena, budgets are looked at in sixteenths of it, so that few schedules serve them all.</summary>
    private long Quantize(long budget)
    {
        long top = 0;
        foreach (BudgetedSchedule known in schedules) top = Math.Max(top, known.Schedule.Memory.ArenaBytes);
        if (budget >= top) return budget;
        long step = top / BudgetSteps * (budget / Math.Max(1, top / BudgetSteps));
        return narrowest is null ? step : Math.Max(step, narrowest.Memory.ArenaBytes);
    }

    private Schedule MakeSchedule(RunSettings settings, long budget, long idleBytes)
    {
        Rehearsal? rehearsal = schedules.Count == 0 ? Rehearsal.Start(this, settings) : null;
        try
        {
            return Remember(Scheduler.Schedule(Memory, Times, settings.Schedule(budget)), budget);
        }
        catch (MemoryBudgetException e)
        {
            if (e.NeededBytes > settings.Budget.HardRoom(idleBytes)) throw;
            // The margin is for choosing among plans; where only the narrowest is left, it may have all that is free.
            return narrowest = Remember(Scheduler.Schedule(Memory, Times, settings.Schedule(e.NeededBytes) with { Mode = ScheduleMode.Sequential }), e.NeededBytes);
        }
        finally
        {
            rehearsal?.End();
        }
    }

    /// <summary>The schedule, or an equal one that is known already.</summary>
    private Schedule Remember(Schedule made, long budget)
    {
        // Where every alternative fitted, no larger budget can change the choice.
        if (made.Alternatives.All(a => a.FitsBudget)) budget = long.MaxValue;
        foreach (BudgetedSchedule known in schedules)
            if (known.Schedule.Memory.ArenaBytes == made.Memory.ArenaBytes && known.Schedule.Mode == made.Mode)
            {
                known.BestUpTo = Math.Max(known.BestUpTo, budget);
                return known.Schedule;
            }
        schedules.Add(new BudgetedSchedule(made, budget));
        return made;
    }

    private static MemoryBudgetException BelowNarrowest(long needed, long budget) =>
        new($"the narrowest plan needs {needed} bytes, the budget is {budget}", needed, budget);

    /// <summary>A schedule and the largest budget for which it is known to be the best; the smallest is what it needs.</summary>
    private sealed class BudgetedSchedule(Schedule schedule, long bestUpTo)
    {
        internal Schedule Schedule { get; } = schedule;

        internal long BestUpTo { get; set; } = bestUpTo;
    }

    internal long IdleBytes()
    {
        long bytes = 0;
        lock (idle)
            foreach (RunState run in idle) bytes += run.Arena.ByteCount;
        return bytes;
    }

    /// <summary>Frees the memory of runs that have ended.</summary>
    internal void Trim()
    {
        lock (idle)
        {
            foreach (RunState run in idle) run.Dispose();
            idle.Clear();
        }
    }

    private void Free()
    {
        Trim();
        foreach (Step step in Steps) step.Dispose();
    }
}

/// <summary>What all runs of a session have in common.</summary>
/// <param name="Workers">Threads that may work on one run.</param>
/// <param name="IsNested">Whether the runs happen inside of another run, as those of a loop's body do.</param>
internal sealed record RunSettings(WorkerPool Pool, int Workers, ScheduleMode Mode, CostModel CostModel, MemoryBudget Budget, bool IsNested = false)
{
    /// <summary>Imagined accelerators: regions are formed and kept by their constants, and computed as branches by the CPU's kernels.</summary>
    internal ImmutableArray<IRegionBackend> Accelerators { get; init; } = [];

    /// <summary>Asked before the imagined ones, in this order.</summary>
    internal ImmutableArray<SessionDevice> Devices { get; init; } = [];

    internal ImmutableArray<LayerSplit> Splits { get; init; } = [];

    /// <summary>Whether the time of the whole graph decides what a device computes, where branches may run side by side.</summary>
    internal bool PlansJointly { get; init; } = true;

    /// <summary>Whether that decision is made operator by operator instead, to be compared with.</summary>
    internal bool EachForItself { get; init; }

    internal JointOptions? Joint => PlansJointly && Mode is ScheduleMode.Auto or ScheduleMode.Parallel ? new JointOptions { EachForItself = EachForItself } : null;

    internal SchedulePolicy Policy { get; init; }

    internal Precision Precision { get; init; }

    internal OutputPool Outputs { get; } = new();

    internal ArenaCheck ArenaCheck { get; init; }

    internal ScheduleOptions Schedule(long budgetBytes) => new(Workers, Mode, budgetBytes, DispatchUs: CostModel.DispatchUs, Policy: Policy);
}
