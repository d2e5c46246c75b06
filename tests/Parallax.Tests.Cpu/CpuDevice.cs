using System.Collections.Concurrent;
using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Kernels;
using Parallax.Planning;
using Parallax.Runtime;
using Parallax.Runtime.Cpu;
using Parallax.Runtime.Execution;
using Parallax.Runtime.Memory;
using Xunit;

namespace Parallax.Tests.Cpu;

/// <summary>
/// A device that is a thread of its own with the CPU's kernels and an in-order queue: same bits as the CPU, and failures when they are asked for. It works in
/// the session's arena, or in memory of its own to which inputs and from which outputs are copied.
/// </summary>
internal sealed class CpuDevice : IBackend, IArenaAllocator
{
    private readonly BlockingCollection<Action> queue = [];
    private readonly Thread thread;
    private int compiled, enqueued, computed, live;

    internal CpuDevice(string name = "device", bool sharesMemory = true)
    {
        Model = AcceleratorModel.Ideal with { Name = name };
        SharesMemory = sharesMemory;
        thread = new Thread(() =>
        {
            foreach (Action work in queue.GetConsumingEnumerable()) work();
        }) { IsBackground = true };
        thread.Start();
    }

    internal bool SharesMemory { get; }

    /// <summary>Narrows what is supported.</summary>
    internal Func<Node, string?> Refuses { get; init; } = _ => null;

    /// <summary>The number of the region run, and of the node run, that fails; counted from 0 over all runs.</summary>
    internal int FailAtRegion { get; set; } = -1;

    internal int FailAtNode { get; set; } = -1;

    /// <summary>The number of the region that cannot be compiled.</summary>
    internal int FailAtCompile { get; set; } = -1;

    internal bool FailToAllocate { get; set; }

    /// <summary>What happens on the device's thread before it works on a region.</summary>
    internal Action? BeforeWork { get; set; }

    /// <summary>What happens before somebody sleeps until a region has ended.</summary>
    internal Action? BeforeSleep { get; set; }

    /// <summary>Where the device can cut results; null where it cannot.</summary>
    internal long? Granule { get; init; } = 1;

    /// <summary>The same by axis, where that makes a difference.</summary>
    internal Func<OutputAxis, long?>? GranuleAlong { get; init; }

    /// <summary>Regions that were run so far.</summary>
    internal int RegionRuns => Volatile.Read(ref enqueued);

    internal int NodeRuns => Volatile.Read(ref computed);

    /// <summary>What was copied into memory of its own.</summary>
    internal long BytesIn { get; private set; }

    /// <summary>Arenas, regions and calls that were not disposed yet.</summary>
    internal int Live => Volatile.Read(ref live);

    public string Name => Model.Name;

    public string Description => "a thread";

    public AcceleratorModel Model { get; }

    public IArenaAllocator? Allocator => SharesMemory ? this : null;

    public string? WhyNot(Graph graph, Node node) => node.Op.IsControlFlow ? "control flow" : Refuses(node);

    public long? SplitGranule(Graph graph, Node node, OutputAxis axis) => GranuleAlong is { } along ? along(axis) : Granule;

    public Storage Allocate(long byteCount) => FailToAllocate ? throw new DeviceException("no memory") : new Arena(this, byteCount);

    public ICompiledRegion Compile(DeviceRegion region) => Interlocked.Increment(ref compiled) - 1 == FailAtCompile ? throw new DeviceException("cannot be compiled") : new Compiled(this, region);

    public void Dispose()
    {
        queue.CompleteAdding();
        thread.Join();
        queue.Dispose();
    }

    private sealed class Arena : Storage
    {
        private readonly CpuDevice device;
        private readonly NativeStorage memory;

        internal Arena(CpuDevice device, long byteCount)
        {
            Interlocked.Increment(ref device.live);
            this.device = device;
            memory = new NativeStorage(byteCount);
        }

        public override nint Address => memory.Address;

        public override long ByteCount => memory.ByteCount;

        public override Span<byte> Slice(long offset, int count) => memory.Slice(offset, count);

        public override void Dispose()
        {
            Interlocked.Decrement(ref device.live);
            memory.Dispose();
        }
    }

    private sealed class Compiled : ICompiledRegion
    {
        internal readonly CpuDevice Device;
        internal readonly DeviceRegion Region;
        internal readonly Kernel?[] Prepared;
        private readonly WeightCache weights = new(Precision.Standard); // as sessions are that say nothing

        internal Compiled(CpuDevice device, DeviceRegion region)
        {
            Interlocked.Increment(ref device.live);
            Device = device;
            Region = region;
            Prepared = [.. region.Nodes.Select(n => CpuBindings.Find(n.Node.Op.GetType())!.Prepare!(n.Node.Op,
                new PrepareContext([.. n.Node.Inputs.Select(region.Graph.TensorFact)], [.. n.Node.Outputs.Select(region.Graph.TensorFact)], weights) { Part = n.Part }))];
            Kernels = [.. Prepared.Select(k => k!.Name)];
        }

        public ImmutableArray<string> Kernels { get; }

        public IRegionCall CreateCall(Storage arena, ReadOnlySpan<long> offsets)
        {
            Assert.True(!Device.SharesMemory || arena is Arena || Device.FailToAllocate, "an arena that the device does not see");
            Assert.Equal(Region.Places.Length, offsets.Length);
            return new Call(this, arena, offsets.ToArray());
        }

        public void Dispose()
        {
            Interlocked.Decrement(ref Device.live);
            foreach (Kernel? kernel in Prepared) kernel?.Dispose();
            weights.Dispose();
        }
    }

    private sealed class Call : IRegionCall
    {
        private readonly Compiled compiled;
        private readonly Storage arena;
        private readonly NativeStorage? own;
        private readonly long[] offsets;
        private readonly ManualResetEventSlim done = new(true);
        private readonly Action compute; // made once: a run allocates nothing on the caller's thread
        private DeviceException? failure;
        private bool isCopied;

        internal Call(Compiled compiled, Storage arena, long[] offsets)
        {
            Interlocked.Increment(ref compiled.Device.live);
            (this.compiled, this.arena, this.offsets, compute) = (compiled, arena, offsets, Compute);
            if (!compiled.Device.SharesMemory) own = new NativeStorage(arena.ByteCount);
            ImmutableArray<RegionPlace> places = compiled.Region.Places;
            for (int i = 0; i < places.Length; i++)
            {
                ByteRows written = places[i].Used;
                Assert.True(written.Offset >= 0 && written.Width <= written.Pitch && written.Offset + (written.Count - 1) * written.Pitch + written.Width <= places[i].ByteCount);
                Assert.True(offsets[i] % 64 == 0 && offsets[i] >= 0 && offsets[i] + places[i].ByteCount <= arena.ByteCount);
                for (int j = 0; j < places.Length; j++)
                    Assert.False(i != j && places[i].IsInput && offsets[i] < offsets[j] + places[j].ByteCount && offsets[j] < offsets[i] + places[i].ByteCount, "something is written over an input");
            }
        }

        public bool IsDone
        {
            get
            {
                if (!done.IsSet) return false;
                if (failure is not null) throw failure;
                if (own is not null && !isCopied) Copy(p => p.IsOutput, own, arena);
                isCopied = true;
                return true;
            }
        }

        public void Enqueue()
        {
            Assert.True(done.IsSet, "begun before it ended");
            CpuDevice device = compiled.Device;
            if (Interlocked.Increment(ref device.enqueued) - 1 == device.FailAtRegion) throw new DeviceException("failed to enqueue");
            if (own is not null)
            {
                own.Slice(0, checked((int)own.ByteCount)).Fill(0xFF); // what was not copied is no number
                Copy(p => p.IsInput, arena, own);
                for (int i = 0; i < offsets.Length; i++)
                    if (compiled.Region.Places[i] is { IsInput: true, Used: var used }) device.BytesIn += used.Width * used.Count;
            }
            failure = null;
            isCopied = false;
            done.Reset();
            device.queue.Add(compute);
        }

        public void Wait()
        {
            compiled.Device.BeforeSleep?.Invoke();
            done.Wait();
        }

        public void Dispose()
        {
            Assert.True(done.IsSet, "disposed of while it works");
            Interlocked.Decrement(ref compiled.Device.live);
            own?.Dispose();
            done.Dispose();
        }

        private void Compute()
        {
            CpuDevice device = compiled.Device;
            Storage memory = (Storage?)own ?? arena;
            device.BeforeWork?.Invoke();
            for (int i = 0; i < compiled.Prepared.Length && failure is null; i++)
            {
                RegionNode node = compiled.Region.Nodes[i];
                if (Interlocked.Increment(ref device.computed) - 1 == device.FailAtNode)
                {
                    // Half of the work is there, and none of it is right.
                    for (int p = 0; p < offsets.Length; p++)
                        if (!compiled.Region.Places[p].IsInput) ForRows(p, (offset, count) => memory.Slice(offset, count).Fill(0xFF));
                    failure = new DeviceException("was pulled out");
                }
                else KernelRun.Run(compiled.Prepared[i]!, Tensors(node.Node.Inputs, node.Inputs, memory), Tensors(node.Node.Outputs, node.Outputs, memory));
            }
            done.Set();
        }

        private Tensor?[] Tensors(ImmutableArray<ValueId> values, ImmutableArray<RegionOperand?> operands, Storage memory) => [.. operands.Select((operand, i) =>
        {
            if (operand is not { } known) return null;
            TensorFact fact = compiled.Region.Graph.TensorFact(values[i])!;
            long[] dims = fact.Shape!.Value.ToArray();
            return known.Constant?.Reshape(dims) ?? new Tensor(fact.Type, dims, new BorrowedStorage(memory.Address + (nint)offsets[known.Place], compiled.Region.Places[known.Place].ByteCount));
        })];

        private void Copy(Func<RegionPlace, bool> which, Storage from, Storage to)
        {
            for (int i = 0; i < offsets.Length; i++)
                if (which(compiled.Region.Places[i])) ForRows(i, (offset, count) => from.Slice(offset, count).CopyTo(to.Slice(offset, count)));
        }

        private void ForRows(int place, Action<long, int> what)
        {
            ByteRows rows = compiled.Region.Places[place].Used;
            for (long row = 0; row < rows.Count; row++) what(offsets[place] + rows.Offset + row * rows.Pitch, (int)rows.Width);
        }
    }
}
