namespace Parallax.Runtime.Memory;

/// <summary>
/// The memory of a session's results. What a disposed result gave back serves outputs of about its size in later runs, whose pages are then there already; what a
/// result still holds, and what was forgotten and is left to the garbage collector, never does. Keeps a limited number of bytes, those that came back last. Thread-safe.
/// </summary>
internal sealed class OutputPool : IDisposable
{
    /// <summary>So many bytes at most wait for later runs.</summary>
    internal const long KeptBytes = 32 << 20;

    private readonly Lock gate = new();
    private readonly List<NativeStorage> idle = []; // in the order in which they came back
    private long idleBytes;
    private bool isDisposed;

    /// <summary>Bytes that wait for later runs.</summary>
    internal long IdleBytes
    {
        get
        {
            lock (gate) return idleBytes;
        }
    }

    /// <summary>A tensor with undefined contents, which gives its memory back when it is disposed.</summary>
    internal Tensor Allocate(DType type, ReadOnlySpan<long> dims)
    {
        if (RunMemory.IsManaged(type, dims)) return Tensor.Allocate(type, dims);
        long bytes = type.ByteCount(Shape.Count(dims));
        RunRegion.ClassOf(bytes, out long size);
        return new Tensor(type, dims, new OutputStorage(this, Take(size) ?? new NativeStorage(size), bytes), ownsStorage: true);
    }

    private NativeStorage? Take(long size)
    {
        lock (gate)
        {
            int found = idle.FindLastIndex(m => m.ByteCount == size);
            return found < 0 ? null : RemoveAt(found);
        }
    }

    internal void Return(NativeStorage memory)
    {
        lock (gate)
        {
            if (!isDisposed && memory.ByteCount <= KeptBytes)
            {
                idle.Add(memory);
                idleBytes += memory.ByteCount;
                while (idleBytes > KeptBytes) RemoveAt(0).Dispose();
                return;
            }
        }
        memory.Dispose();
    }

    private NativeStorage RemoveAt(int index)
    {
        NativeStorage memory = idle[index];
        idle.RemoveAt(index);
        idleBytes -= memory.ByteCount;
        return memory;
    }

    /// <summary>Frees what waits. Results stay valid; their memory is freed when they are disposed.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            isDisposed = true;
            while (idle.Count > 0) RemoveAt(idle.Count - 1).Dispose();
        }
    }
}

/// <summary>The memory of one output of a run.</summary>
internal sealed class OutputStorage(OutputPool pool, NativeStorage memory, long byteCount) : Storage
{
    private NativeStorage? memory = memory;

    private NativeStorage Memory => Volatile.Read(ref memory) ?? throw new ObjectDisposedException(nameof(OutputStorage), "the tensor's memory was given back");

    public override nint Address => Memory.Address;

    public override long ByteCount => byteCount;

    public override Span<byte> Slice(long offset, int count)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset + count, byteCount);
        return Memory.Slice(offset, count);
    }

    /// <summary>Gives the memory back, once however often it is called.</summary>
    public override void Dispose()
    {
        if (Interlocked.Exchange(ref memory, null) is { } free) pool.Return(free);
        base.Dispose();
    }
}
