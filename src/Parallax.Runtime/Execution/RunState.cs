using System.Runtime.InteropServices;
using Parallax.Kernels;
using Parallax.Runtime.Memory;

namespace Parallax.Runtime.Execution;

/// <summary>The memory and bookkeeping of one run of a plan; used by one run at a time and kept for the next.</summary>
internal sealed unsafe class RunState : IDisposable
{
    private readonly ExecutionPlan plan;
    private readonly Datum?[] data;
    private readonly Dictionary<(Slot Slot, long[] Dims), Tensor> windows = [];
    private readonly NativeStorage arena;
    private NativeStorage? looseScratch;

    internal RunState(ExecutionPlan plan, WorkerPool pool, int workers)
    {
        this.plan = plan;
        Pool = pool;
        Workers = workers;
        data = new Datum?[plan.Slots.Count];
        arena = new NativeStorage(plan.ArenaBytes);
        Table = (void**)NativeMemory.AllocZeroed((nuint)Math.Max(1, plan.TableLength), (nuint)sizeof(void*));
        foreach (Slot slot in plan.Slots)
        {
            if (slot.Kind == SlotKind.Arena) Point(slot, arena.Address + (nint)slot.Offset);
            else if (slot.Kind == SlotKind.Constant) Point(slot, slot.Constant!.Address);
        }
    }

    ~RunState() => NativeMemory.Free(Table);

    /// <summary>The addresses that kernels get, step by step.</summary>
    internal void** Table { get; }

    internal nint ArenaAddress => arena.Address;

    internal WorkerPool Pool { get; }

    /// <summary>Threads that may work on this run, the caller's included.</summary>
    internal int Workers { get; }

    internal BlockJob Job { get; } = new();

    internal CancellationToken Cancellation { get; set; }

    /// <summary>Runs the plan's steps. Outputs that are null are allocated; others are the caller's buffers.</summary>
    internal void Run(ReadOnlySpan<Datum?> inputs, Span<Datum?> outputs, CancellationToken cancellation)
    {
        Cancellation = cancellation;
        try
        {
            BindInputs(inputs);
            BindOutputs(outputs);
            RunSteps();
            TakeOutputs(outputs);
        }
        finally
        {
            Array.Clear(data);
            Cancellation = default;
        }
    }

    private void RunSteps()
    {
        Step[] steps = plan.Steps;
        for (int i = 0; i < steps.Length; i++)
        {
            Cancellation.ThrowIfCancellationRequested();
            try
            {
                steps[i].Run(this);
            }
            catch (InvalidModelException e)
            {
                throw new InvalidModelException($"{steps[i].Node}: {e.Message}", e);
            }
            catch (InvalidInputException e)
            {
                throw new InvalidInputException($"{steps[i].Node}: {e.Message}", e);
            }
            foreach (Slot slot in plan.LetGoAfter[i]) data[slot.Index] = null;
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
            if (tensor is null) outputs[slot.Position] = tensor = RunMemory.Allocate(type, dims);
            else if (tensor.DType != type || !tensor.Dims.SequenceEqual(dims))
                throw new InvalidInputException($"the buffer of output '{plan.OutputNames[slot.Position]}' must be {type}{Shape.ToString(dims)}, got {tensor}");
            data[slot.Index] = tensor;
            Point(slot, tensor.Address);
        }
    }

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
            else
            {
                // What the caller gave, what the model keeps, and what lies in the arena must not leave as it is.
                outputs[position] = slot.Kind is SlotKind.Input or SlotKind.Constant || datum is Tensor { Storage: BorrowedStorage }
                    ? datum is Tensor t ? RunMemory.Copy(t) : datum
                    : datum;
            }
        }
    }

    private void Point(Slot slot, nint address)
    {
        foreach (int position in CollectionsMarshal.AsSpan(slot.TablePositions)) Table[position] = (void*)address;
    }

    internal void SetDatum(Slot slot, Datum datum)
    {
        data[slot.Index] = datum;
        if (datum is Tensor { Storage: not null } tensor) Point(slot, tensor.Address);
    }

    internal nint Address(Slot slot) => slot.Kind switch
    {
        SlotKind.Constant => slot.Constant!.Address,
        SlotKind.Arena => arena.Address + (nint)slot.Offset,
        _ => ((Tensor)data[slot.Index]!).Address,
    };

    /// <summary>The value as a datum; a window on the arena where it lies there.</summary>
    internal Datum Datum(Operand operand)
    {
        Slot slot = operand.Slot;
        Datum? datum = slot.Kind == SlotKind.Constant ? slot.Constant : data[slot.Index];
        if (slot.Kind == SlotKind.Arena)
        {
            if (windows.TryGetValue((slot, operand.Dims!), out Tensor? window)) return window;
            window = new Tensor(operand.Type, operand.Dims, new BorrowedStorage(arena.Address + (nint)slot.Offset, slot.ByteCount));
            windows.Add((slot, operand.Dims!), window);
            return window;
        }
        // A view with static dims shares the slot of what it views.
        if (datum is Tensor tensor && operand.Dims is { } dims && !tensor.Dims.SequenceEqual(dims)) return tensor.Reshape(dims);
        return datum ?? throw new InvalidOperationException($"slot {slot.Index} is empty");
    }

    /// <summary>Runs a kernel that is not part of the plan's table.</summary>
    internal void RunKernel(Kernel kernel, ReadOnlySpan<Datum?> inputs, ReadOnlySpan<Datum?> outputs)
    {
        void** table = stackalloc void*[inputs.Length + outputs.Length + 1];
        for (int i = 0; i < inputs.Length; i++) table[i] = inputs[i] is Tensor tensor ? (void*)tensor.Address : null;
        for (int i = 0; i < outputs.Length; i++) table[inputs.Length + i] = outputs[i] is Tensor tensor ? (void*)tensor.Address : null;
        if (kernel.ScratchBytes > (looseScratch?.ByteCount ?? 0))
        {
            looseScratch?.Dispose();
            looseScratch = new NativeStorage(kernel.ScratchBytes);
        }
        byte* scratch = kernel.ScratchBytes > 0 ? (byte*)looseScratch!.Address : null;
        Pool.Run(kernel, new KernelArgs(table, inputs.Length, table + inputs.Length, outputs.Length, scratch, null), Workers, Job);
        // Native memory is freed when its last tensor is collected: these are in use until here.
        foreach (Datum? datum in inputs) GC.KeepAlive(datum);
        foreach (Datum? datum in outputs) GC.KeepAlive(datum);
    }

    public void Dispose()
    {
        arena.Dispose();
        looseScratch?.Dispose();
        NativeMemory.Free(Table);
        GC.SuppressFinalize(this);
    }
}
