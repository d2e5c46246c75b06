using System.Runtime.InteropServices;
using Parallax.Kernels;
using Parallax.Planning;
using Parallax.Runtime.Memory;

namespace Parallax.Runtime.Execution;

/// <summary>The memory and bookkeeping of one run of a plan under one schedule; used by one run at a time and kept for the next.</summary>
internal sealed unsafe class RunState : IDisposable
{
    private readonly ExecutionPlan plan;
    private readonly Datum?[] data;
    private readonly bool[] isResult; // by slot: an output without a caller's buffer
    private readonly Tensor?[] results; // by slot: memory that the result will own
    private readonly int[] usesLeft;
    private readonly Dictionary<(Slot Slot, long Offset, long[] Dims), Tensor> windows = [];
    private readonly RegionRun?[] regions; // by branch; empty where the CPU runs all
    private readonly Lane lane = new();
    private readonly BranchRun? branchRun;
    private readonly bool isCapped;
    private readonly ArenaCheck arenaCheck;
    private readonly GuardedArena? guarded;
    private readonly MemoryBudget budget;
    private readonly OutputPool outputPool;
    private bool isNested;

    internal RunState(ExecutionPlan plan, Schedule schedule, RunSettings settings)
    {
        this.plan = plan;
        Schedule = schedule;
        Pool = settings.Pool;
        budget = settings.Budget;
        outputPool = settings.Outputs;
        Workers = Math.Min(settings.Workers, schedule.Workers);
        isCapped = schedule.Workers < settings.Workers;
        arenaCheck = settings.ArenaCheck;
        Branches = new BranchTable(plan.Memory.Branches, schedule);
        data = new Datum?[plan.Slots.Count];
        isResult = new bool[plan.Slots.Count];
        results = new Tensor?[plan.Slots.Count];
        usesLeft = new int[plan.Slots.Count];
        Arena = plan.AllocateArena(schedule.Memory.ArenaBytes);
        if (arenaCheck == ArenaCheck.Guarded) guarded = new GuardedArena([.. plan.Memory.Buffers.Select(b => b.Bytes)]);
        Table = (void**)NativeMemory.AllocZeroed((nuint)Math.Max(1, plan.TableLength), (nuint)sizeof(void*));
        foreach (Slot slot in plan.Slots)
        {
            if (slot.Kind == SlotKind.Arena) Point(slot, ArenaAddress(slot));
            else if (slot.Kind == SlotKind.Constant) Point(slot, slot.Constant!.Address);
        }
        regions = plan.HasRegions ? [.. plan.Branches.Select(b => b is [RegionStep region] ? new RegionRun(region, this) : null)] : [];
        if (Branches.Width > 1 && (Workers > 1 || plan.HasRegions)) branchRun = new BranchRun(this);
    }

    ~RunState() => NativeMemory.Free(Table);

    internal Schedule Schedule { get; }

    /// <summary>Bytes that were taken from the budget for the values of unknown size of the run that goes on.</summary>
    internal long RegionBytes { get; set; }

    internal BranchTable Branches { get; }

    /// <summary>The addresses that kernels get, step by step.</summary>
    internal void** Table { get; }

    /// <summary>Where values of known size lie between inputs and outputs.</summary>
    internal Storage Arena { get; }

    internal WorkerPool Pool { get; }

    /// <summary>Threads that may work on this run, the caller's included.</summary>
    internal int Workers { get; }

    internal CancellationToken Cancellation { get; private set; }

    /// <summary>Notes the times of steps; null where nobody wants them.</summary>
    internal StepRecorder? Recorder { get; set; }

    /// <summary>Where values of unknown size lie: the caller's region for a body, else one of this run. Null where neither is needed.</summary>
    internal RunRegion? Region { get; private set; }

    /// <summary>
    /// Runs the plan's steps. Outputs that are null are allocated; others are the caller's buffers. Given the region of a run around this one, outputs may lie
    /// there, held for the caller, or be the inputs themselves.
    /// </summary>
    internal void Run(ReadOnlySpan<Datum?> inputs, Span<Datum?> outputs, RunRegion? outer, CancellationToken cancellation)
    {
        Cancellation = cancellation;
        isNested = outer is not null;
        Region = outer ?? (plan.HasDynamicSteps ? RunRegion.Rent(budget, RegionBytes, cancellation) : null);
        try
        {
            if (arenaCheck != ArenaCheck.None) Poison();
            BindInputs(inputs);
            BindOutputs(outputs);
            plan.Uses.CopyTo(usesLeft, 0);
            if (branchRun is not null) branchRun.Run(Pool);
            else
                foreach (int branch in Branches.Order) RunBranch(branch, lane, Branches.MaxWorkers[branch]);
            foreach (CopyStep copy in plan.FinalCopies) RunStep(copy, new StepRun(this, lane, Workers));
            TakeOutputs(outputs);
        }
        finally
        {
            if (isNested)
                foreach (Slot slot in plan.DatumSlots) RunMemory.LetGo(data[slot.Index]);
            else if (Region is not null)
            {
                plan.NoteRegion(Region.PeakBytes);
                RunRegion.Return(Region);
            }
            Array.Clear(data);
            Array.Clear(results);
            Region = null;
            Cancellation = default;
            Recorder = null;
        }
    }

    /// <summary>Runs the steps of a branch in order, with up to so many workers on each kernel.</summary>
    internal void RunBranch(int branch, Lane own, int maxWorkers)
    {
        int workers = Math.Min(maxWorkers, Workers);
        foreach (Step step in plan.Branches[branch])
        {
            Cancellation.ThrowIfCancellationRequested();
            // Where the pool has more workers than this run may use, the branches that run share what it may use.
            RunStep(step, new StepRun(this, own, isCapped && branchRun is not null ? Math.Clamp(Workers / Math.Max(1, branchRun.Running), 1, workers) : workers));
            LetGoOfReads(step);
            TendOthers();
        }
    }

    /// <summary>The region that a branch is; null where the CPU runs the branch.</summary>
    internal RegionRun? RegionRunOf(int branch) => regions.Length == 0 ? null : regions[branch];

    /// <summary>Whether a branch has workers: all but regions that a device computes alone.</summary>
    internal bool HasWorkers(int branch) => RegionRunOf(branch) is not { Step.CpuPart: null };

    /// <summary>Starts regions of other branches that are ready and finishes those that have ended; false where there was none.</summary>
    internal bool TendOthers() => branchRun?.TendDevices() ?? false;

    /// <summary>Begins a region where it is new; whether it has ended.</summary>
    internal bool TendRegion(int branch, bool isNew)
    {
        RegionRun region = regions[branch]!;
        if (isNew) region.Begin();
        if (!region.TryEnd()) return false;
        Recorder?.Note(region.Step, region.Started);
        LetGoOfReads(region.Step);
        return true;
    }

    private void LetGoOfReads(Step step)
    {
        foreach (Slot slot in step.DatumReads)
        {
            if (Interlocked.Decrement(ref usesLeft[slot.Index]) != 0) continue;
            RunMemory.LetGo(data[slot.Index]);
            data[slot.Index] = null;
        }
    }

    private void RunStep(Step step, StepRun run)
    {
        if (Recorder is null) RunNamed(step, run);
        else Recorder.Run(step, run);
    }

    /// <summary>Runs a step; errors say which.</summary>
    internal static void RunNamed(Step step, StepRun run)
    {
        try
        {
            step.Run(run);
        }
        catch (InvalidModelException e)
        {
            throw new InvalidModelException($"{step.Node}: {e.Message}", e);
        }
        catch (InvalidInputException e)
        {
            throw new InvalidInputException($"{step.Node}: {e.Message}", e);
        }
    }

    private void BindInputs(ReadOnlySpan<Datum?> inputs)
    {
        foreach (Slot slot in plan.InputSlots)
        {
            Datum? datum = inputs[slot.Position];
            data[slot.Index] = datum;
            if (datum is Tensor { Storage: not null } tensor) Point(slot, tensor.Address);
        }
    }

    private void BindOutputs(Span<Datum?> outputs)
    {
        foreach ((Slot slot, DType type, long[] dims) in plan.OutputSlots)
        {
            var tensor = (Tensor?)outputs[slot.Position];
            if (tensor is null) outputs[slot.Position] = tensor = isNested ? Region!.Allocate(type, dims) : outputPool.Allocate(type, dims);
            else if (tensor.DType != type || !tensor.Dims.SequenceEqual(dims))
                throw new InvalidInputException($"the buffer of output '{plan.OutputNames[slot.Position]}' must be {type}{Shape.ToString(dims)}, got {tensor}");
            data[slot.Index] = tensor;
            Point(slot, tensor.Address);
        }
        Array.Clear(isResult);
        if (isNested) return;
        foreach ((int position, Slot slot) in plan.DatumOutputs) isResult[slot.Index] |= outputs[position] is null;
    }

    /// <summary>Memory for the value of a slot whose size is known only now: what the result will own where the value is an output and not small, else of the run's region and held.</summary>
    internal Tensor Allocate(Slot slot, DType type, ReadOnlySpan<long> dims) =>
        isResult[slot.Index] && !RunMemory.IsManaged(type, dims) ? results[slot.Index] = outputPool.Allocate(type, dims) : Region!.Allocate(type, dims);

    private void TakeOutputs(Span<Datum?> outputs)
    {
        foreach ((int position, Slot slot) in plan.DatumOutputs)
        {
            Datum datum = slot.Kind == SlotKind.Constant ? slot.Constant! : data[slot.Index]!;
            if (outputs[position] is Tensor buffer)
            {
                if (datum is not Tensor tensor || tensor.DType != buffer.DType || !tensor.Dims.SequenceEqual(buffer.Dims))
                    throw new InvalidInputException($"the buffer of output '{plan.OutputNames[position]}' must be {datum}, got {buffer}");
                if (tensor.Storage is null) tensor.Strings.CopyTo(buffer.Strings);
                else RunMemory.CopyBytes(tensor, buffer);
            }
            else if (isNested)
            {
                RunMemory.Hold(datum);
                outputs[position] = datum;
            }
            else if (ReferenceEquals(datum, results[slot.Index]))
            {
                outputs[position] = datum;
                results[slot.Index] = null; // under another name it is a copy
            }
            else
            {
                // What the caller gave, what the model keeps, and what dies with the run must not leave as it is; a loop or a view may have passed it on.
                outputs[position] = datum is Tensor { Storage: not null } t ? CopyOut(t) : RunMemory.Detach(datum);
            }
        }
    }

    private Tensor CopyOut(Tensor tensor)
    {
        Tensor copy = outputPool.Allocate(tensor.DType, tensor.Dims);
        RunMemory.CopyBytes(tensor, copy);
        return copy;
    }

    private void Point(Slot slot, nint address)
    {
        foreach ((int position, long offset) in CollectionsMarshal.AsSpan(slot.TablePositions)) Table[position] = (void*)(address + (nint)offset);
    }

    private nint ArenaAddress(Slot slot) =>
        guarded is null || slot.IsOnDevice ? Arena.Address + (nint)Schedule.Memory.Offsets[slot.Buffer] : guarded[slot.Buffer];

    private void Poison()
    {
        if (guarded is null || plan.HasRegions) ArenaPoison.Fill((void*)Arena.Address, Arena.ByteCount);
        guarded?.Poison();
    }

    /// <summary>Stores a value and holds its memory until the last step has read it.</summary>
    /// <param name="isHeld">Whether the caller held it and leaves that to the run.</param>
    internal void SetDatum(Slot slot, Datum datum, bool isHeld)
    {
        if (datum is Tensor { Storage: BorrowedStorage } borrowed)
        {
            // A view of arena bytes, which the plan gives to others after the last step that it knows to read them.
            Tensor copy = Region!.Allocate(borrowed.DType, borrowed.Dims);
            RunMemory.CopyBytes(borrowed, copy);
            datum = copy;
        }
        else if (datum is not Tensor) datum = RunMemory.Detach(datum);
        else if (!isHeld) RunMemory.Hold(datum);
        data[slot.Index] = datum;
        if (datum is Tensor { Storage: not null } tensor) Point(slot, tensor.Address);
    }

    internal nint Address(Slot slot) => slot.Kind switch
    {
        SlotKind.Constant => slot.Constant!.Address,
        SlotKind.Arena => ArenaAddress(slot),
        _ => ((Tensor)data[slot.Index]!).Address,
    };

    /// <summary>The value as a datum; a window on the arena where it lies there.</summary>
    internal Datum Datum(Operand operand)
    {
        Slot slot = operand.Slot;
        if (slot.Kind == SlotKind.Arena) return Window(operand);
        Datum? datum = slot.Kind == SlotKind.Constant ? slot.Constant : data[slot.Index];
        // A view with static dims shares the slot of what it views, or a part of it.
        if (datum is Tensor { Storage: { } storage } tensor && operand.Dims is { } dims && (operand.Offset > 0 || operand.Type != tensor.DType || !tensor.Dims.SequenceEqual(dims)))
            return new Tensor(operand.Type, dims, storage, tensor.ByteOffset + operand.Offset);
        return datum ?? throw new InvalidOperationException($"slot {slot.Index} is empty");
    }

    private Tensor Window(Operand operand)
    {
        lock (windows)
        {
            if (windows.TryGetValue((operand.Slot, operand.Offset, operand.Dims!), out Tensor? window)) return window;
            window = new Tensor(operand.Type, operand.Dims, new BorrowedStorage(ArenaAddress(operand.Slot), operand.Slot.ByteCount), operand.Offset);
            windows.Add((operand.Slot, operand.Offset, operand.Dims!), window);
            return window;
        }
    }

    public void Dispose()
    {
        foreach (RegionRun? region in regions) region?.Dispose();
        Arena.Dispose();
        guarded?.Dispose();
        lane.Dispose();
        NativeMemory.Free(Table);
        GC.SuppressFinalize(this);
    }
}

/// <summary>One run as the steps of one branch see it.</summary>
internal readonly unsafe struct StepRun(RunState state, Lane lane, int workers)
{
    internal RunState State => state;

    /// <summary>Memory of this branch alone, valid until the next call.</summary>
    internal byte* Scratch(long bytes) => lane.Scratch(bytes);

    internal void RunKernel(Kernel kernel, in KernelArgs args) => state.Pool.Run(kernel, args, workers, lane.Job);

    /// <summary>Runs a kernel that is not part of the plan's table.</summary>
    internal void RunKernel<TDatum>(Kernel kernel, ReadOnlySpan<TDatum?> inputs, ReadOnlySpan<TDatum?> outputs) where TDatum : Datum
    {
        void** table = stackalloc void*[inputs.Length + outputs.Length + 1];
        KernelRun.FillTable(table, inputs, outputs);
        RunKernel(kernel, new KernelArgs(table, inputs.Length, table + inputs.Length, outputs.Length, lane.Scratch(kernel.ScratchBytes), null));
        KernelRun.KeepAlive(inputs);
        KernelRun.KeepAlive(outputs);
    }
}
