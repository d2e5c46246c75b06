using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Parallax.OpenCL.Calls;
using Parallax.OpenCL.Native;
using Parallax.Runtime;
using static Parallax.OpenCL.Native.ClConstants;

namespace Parallax.OpenCL;

/// <summary>
/// A device in use, under one way of sharing memory: its memory, its programs, and one queue whose commands run in the order in which they were
/// enqueued. Thread-safe, but for <see cref="Dispose"/>.
/// </summary>
internal sealed unsafe class ClContext : IDisposable
{
    private static int count;

    private readonly Lock gate = new(); // the queue's order, the arguments of kernels, the ranges
    private readonly ClContextHandle context;
    private readonly ClQueueHandle queue;
    private readonly ConcurrentDictionary<(string Family, string Options), Lazy<ClProgram>> programs = [];
    private readonly SvmRanges ranges = new();
    private readonly ProgramCache cache;
    private readonly bool strict;
    private readonly ClKernel? signal;
    private readonly ClBuffer? flag;
    private uint lastTicket;

    /// <param name="sharing">Null for the best that the device has.</param>
    /// <param name="strict">Whether every tensor that a kernel gets must lie in memory of this context. Some drivers take any address.</param>
    /// <param name="cache">Where built programs are kept; null for the user's cache.</param>
    /// <param name="lanes">Null for <see cref="ClDevice.Lanes"/>, else 1, 4, 8 or 16.</param>
    /// <exception cref="DeviceException">The device cannot share memory so, or fails.</exception>
    internal ClContext(ClDevice device, ClSharing? sharing = null, bool strict = false, ProgramCache? cache = null, int? lanes = null)
    {
        Device = device;
        Lanes = lanes ?? device.Lanes;
        Sharing = sharing ?? device.BestSharing;
        if (!device.Supports(Sharing)) throw new DeviceException($"{device} cannot share memory as {Sharing}: it has {device.Svm}");
        this.strict = strict;
        this.cache = cache ?? ProgramCache.Default;
        int error;
        nint id = device.Id;
        context = new ClContextHandle(Api, Made(Api.CreateContext(null, 1, &id, 0, 0, &error), error, "clCreateContext"));
        try
        {
            queue = new ClQueueHandle(Api, Made(Api.CreateCommandQueue(context.Value, id, 0, &error), error, "clCreateCommandQueue"));
            if (Sharing != ClSharing.FineGrainedAtomics) return;
            flag = Allocate(Storage.Alignment);
            *(uint*)flag.Address = 0;
            signal = Program("signal", SignalOptions).Kernel("raise_flag");
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    internal ClDevice Device { get; }

    internal ClSharing Sharing { get; }

    /// <summary>Floats of a vector that an item of a kernel computes on; 1 where items are the lanes of the device's vectors.</summary>
    internal int Lanes { get; }

    internal ClApi Api => Device.Api;

    internal nint Handle => context.Value;

    /// <summary>Tells the contexts of this process apart.</summary>
    internal int Number { get; } = Interlocked.Increment(ref count);

    private string SignalOptions => Device.LanguageVersion.StartsWith("OpenCL C 2", StringComparison.Ordinal) ? "-cl-std=CL2.0" : "-cl-std=CL3.0";

    /// <summary>New memory, undefined contents. In shared memory, 64-byte aligned.</summary>
    /// <exception cref="DeviceException">There is not enough.</exception>
    internal ClBuffer Allocate(long byteCount)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(byteCount);
        nuint bytes = (nuint)Math.Max(byteCount, 1);
        if (Sharing == ClSharing.Copied)
        {
            int error;
            nint memory = Made(Api.CreateBuffer(context.Value, MemReadWrite, bytes, null, &error), error, "clCreateBuffer");
            return new ClBuffer(this, new ClMemoryHandle(Api, memory), byteCount);
        }
        ulong flags = MemReadWrite | MemSvmFineGrainBuffer | (Sharing == ClSharing.FineGrainedAtomics ? MemSvmAtomics : 0);
        void* address = Api.SvmAlloc(context.Value, flags, bytes, Storage.Alignment);
        if (address == null) throw new DeviceException($"clSVMAlloc of {byteCount} bytes failed on {Device}");
        lock (gate) ranges.Add((nint)address, (long)bytes);
        return new ClBuffer(this, new ClSvmHandle(Api, (nint)address, context), byteCount);
    }

    /// <summary>New memory with the contents of a tensor.</summary>
    /// <exception cref="DeviceException">There is not enough, or the device fails.</exception>
    internal ClBuffer Copy(Tensor tensor)
    {
        ClBuffer copy = Allocate(tensor.ByteCount);
        try
        {
            Write(copy, tensor.Address, tensor.ByteCount);
            GC.KeepAlive(tensor);
            return copy;
        }
        catch
        {
            copy.Dispose();
            throw;
        }
    }

    /// <summary>Called by a buffer that is about to be freed.</summary>
    internal void Forget(ClBuffer buffer)
    {
        if (!queue.IsClosed) Drain();
        if (buffer.Address != 0)
            lock (gate) ranges.Remove(buffer.Address);
    }

    /// <summary>A family's program, built by the first call.</summary>
    /// <param name="options">Options of the compiler that choose a variant, e.g. <c>-DTILE=8</c>.</param>
    /// <exception cref="DeviceException">The compiler refused it.</exception>
    internal ClProgram Program(string family, string options = "")
    {
        string all = options.Contains("-cl-std", StringComparison.Ordinal) ? options : $"-cl-std=CL1.2 -cl-mad-enable {options}".TrimEnd();
        return programs.GetOrAdd((family, all), static (key, self) =>
            new Lazy<ClProgram>(() => new ClProgram(self, ProgramBuilder.Build(self, key.Family, key.Options, self.cache))), this).Value;
    }

    /// <summary>Puts the launches of a call into the queue. Does not wait; nothing is sure to begin before <see cref="Signal"/>.</summary>
    /// <param name="scratch">At least <see cref="ClCall.ScratchBytes"/> bytes.</param>
    /// <exception cref="DeviceException">A launch was refused; those before it stay enqueued.</exception>
    internal void Enqueue(ClCall call, ReadOnlySpan<ClAddress> inputs, ReadOnlySpan<ClAddress> outputs, ClAddress scratch = default)
    {
        lock (gate)
            foreach (ClLaunch launch in call.Launches)
            {
                if (launch.Grid.IsEmpty) continue;
                Bind(launch, inputs, outputs, scratch);
                _ = Launch(launch.Kernel, launch.Grid, wantsEvent: false);
            }
    }

    /// <summary>Ends a command list: sends what is enqueued to the device, and completes <paramref name="completion"/> when all of it is done.</summary>
    internal void Signal(ClCompletion completion)
    {
        lock (gate)
        {
            nint done;
            if (flag is not null)
            {
                uint ticket = ++lastTicket, position = 0;
                BindTensor(signal!, ref position, flag, 0);
                Check(Api.SetKernelArg(signal!.Handle.Value, position, sizeof(uint), &ticket), "clSetKernelArg");
                done = Launch(signal, ClGrid.Of(1, 1, 1, 1, 1, 1), wantsEvent: true);
            }
            else Check(Api.EnqueueMarkerWithWaitList(queue.Value, 0, null, &done), "clEnqueueMarkerWithWaitList");
            completion.Arm(done, flag is null ? null : (uint*)flag.Address, lastTicket);
            Check(Api.Flush(queue.Value), "clFlush");
        }
    }

    /// <summary>Waits for everything that is enqueued.</summary>
    internal void Finish() => Check(Api.Finish(queue.Value), "clFinish");

    /// <summary>The same where something has failed before: what a lost device says about it does not matter any more.</summary>
    internal void Drain() => _ = Api.Finish(queue.Value);

    /// <summary>Copies host memory to the device's. No command that uses the bytes may be under way in shared memory; elsewhere the copy comes after it.</summary>
    /// <param name="wait">Whether host memory may be changed when this returns. Without, the copy is a command among others, unless memory is shared.</param>
    internal void Write(ClAddress to, nint from, long byteCount, bool wait = true) => Move(to, from, byteCount, toDevice: true, wait);

    /// <summary>Copies the device's memory to the host's. No command that writes the bytes may be under way in shared memory; elsewhere the copy comes after it.</summary>
    /// <param name="wait">Whether the bytes are there when this returns. Without, the copy is a command among others, unless memory is shared.</param>
    internal void Read(ClAddress from, nint to, long byteCount, bool wait = true) => Move(from, to, byteCount, toDevice: false, wait);

    /// <summary>Copies rows of bytes to where they lie at the same distances in the device's memory; what is between them there is left as it is. Otherwise as the other.</summary>
    /// <param name="to">Where <see cref="ByteRows.Offset"/> counts from, as from <paramref name="source"/>.</param>
    internal void Write(ClAddress to, nint source, ByteRows rows, bool wait = true) => Move(to, source, rows, toDevice: true, wait);

    /// <summary>Copies rows of bytes to where they lie at the same distances in the host's memory; what is between them there is left as it is. Otherwise as the other.</summary>
    /// <param name="source">Where <see cref="ByteRows.Offset"/> counts from, as from <paramref name="to"/>.</param>
    internal void Read(ClAddress source, nint to, ByteRows rows, bool wait = true) => Move(source, to, rows, toDevice: false, wait);

    /// <summary>Keeps the commands of others out of the queue until it is disposed: what is enqueued meanwhile stays together.</summary>
    internal Lock.Scope Hold() => gate.EnterScope();

    internal void Check(int error, string call) => ClErrors.Check(error, call, Device.Name);

    private void Move(ClAddress device, nint host, long byteCount, bool toDevice, bool wait)
    {
        if (device.Buffer is { } buffer) ArgumentOutOfRangeException.ThrowIfGreaterThan(device.Offset + byteCount, buffer.ByteCount);
        if (byteCount == 0) return;
        if (Sharing != ClSharing.Copied)
        {
            Copy(device.Buffer is null ? (nint)device.Offset : device.Buffer.Address + (nint)device.Offset, host, byteCount, toDevice);
            return;
        }
        nint memory = device.Buffer!.Base;
        if (toDevice) Check(Api.EnqueueWriteBuffer(queue.Value, memory, wait ? 1u : 0, (nuint)device.Offset, (nuint)byteCount, (void*)host), "clEnqueueWriteBuffer");
        else Check(Api.EnqueueReadBuffer(queue.Value, memory, wait ? 1u : 0, (nuint)device.Offset, (nuint)byteCount, (void*)host), "clEnqueueReadBuffer");
    }

    private void Move(ClAddress device, nint host, ByteRows rows, bool toDevice, bool wait)
    {
        (ClAddress first, nint hostFirst) = (device with { Offset = device.Offset + rows.Offset }, host + (nint)rows.Offset);
        if (rows.Count == 1 || rows.Width == rows.Pitch) Move(first, hostFirst, rows.Width * rows.Count, toDevice, wait);
        else if (Sharing != ClSharing.Copied)
            for (long row = 0; row < rows.Count; row++) Move(first with { Offset = first.Offset + row * rows.Pitch }, hostFirst + (nint)(row * rows.Pitch), rows.Width, toDevice, wait);
        else MoveRectangle(first, hostFirst, rows, toDevice, wait);
    }

    private void MoveRectangle(ClAddress device, nint host, ByteRows rows, bool toDevice, bool wait)
    {
        nuint* origin = stackalloc nuint[] { (nuint)device.Offset, 0, 0 }, start = stackalloc nuint[] { 0, 0, 0 };
        nuint* extent = stackalloc nuint[] { (nuint)rows.Width, (nuint)rows.Count, 1 };
        (nint memory, nuint pitch, uint blocks) = (device.Buffer!.Base, (nuint)rows.Pitch, wait ? 1u : 0);
        if (toDevice) Check(Api.EnqueueWriteBufferRect(queue.Value, memory, blocks, origin, start, extent, pitch, pitch, (void*)host), "clEnqueueWriteBufferRect");
        else Check(Api.EnqueueReadBufferRect(queue.Value, memory, blocks, origin, start, extent, pitch, pitch, (void*)host), "clEnqueueReadBufferRect");
    }

    private nint Made(nint handle, int error, string call)
    {
        Check(error, call);
        return handle;
    }

    private static void Copy(nint device, nint host, long byteCount, bool toDevice) =>
        NativeMemory.Copy((void*)(toDevice ? host : device), (void*)(toDevice ? device : host), (nuint)byteCount);

    private nint Launch(ClKernel kernel, in ClGrid grid, bool wantsEvent)
    {
        nuint* global = stackalloc nuint[] { (nuint)grid.X, (nuint)grid.Y, (nuint)grid.Z };
        nuint* local = stackalloc nuint[] { (nuint)grid.LocalX, (nuint)grid.LocalY, (nuint)grid.LocalZ };
        nint done = 0;
        int error = Api.EnqueueNDRangeKernel(queue.Value, kernel.Handle.Value, (uint)grid.Dims, null, global, local, 0, null, wantsEvent ? &done : null);
        if (error != Success) Check(error, $"clEnqueueNDRangeKernel({kernel.Name})");
        return done;
    }

    private void Bind(ClLaunch launch, ReadOnlySpan<ClAddress> inputs, ReadOnlySpan<ClAddress> outputs, ClAddress scratch)
    {
        uint position = 0;
        foreach (ref readonly ClArg arg in launch.Args.AsSpan())
            switch (arg.Kind)
            {
                case ClArgKind.Input: BindTensor(launch.Kernel, ref position, inputs[arg.Index], arg.ByteOffset); break;
                case ClArgKind.Output: BindTensor(launch.Kernel, ref position, outputs[arg.Index], arg.ByteOffset); break;
                case ClArgKind.Scratch: BindTensor(launch.Kernel, ref position, scratch, arg.ByteOffset); break;
                case ClArgKind.Weight: BindTensor(launch.Kernel, ref position, arg.Buffer!, arg.ByteOffset); break;
                case ClArgKind.Value:
                    fixed (int* value = &arg.Value) BindValue(launch.Kernel, position++, arg.ByteCount, value);
                    break;
                default: BindValue(launch.Kernel, position++, arg.ByteCount, null); break;
            }
    }

    private void BindValue(ClKernel kernel, uint position, int byteCount, void* value)
    {
        int error = Api.SetKernelArg(kernel.Handle.Value, position, (nuint)byteCount, value);
        if (error != Success) Check(error, $"clSetKernelArg({kernel.Name}, {position})");
    }

    private void BindTensor(ClKernel kernel, ref uint position, ClAddress where, long byteOffset)
    {
        nint memory = where.Buffer?.Base ?? (nint)where.Offset;
        ulong offset = (ulong)(byteOffset + (where.Buffer is null ? 0 : where.Offset));
        if (where.IsNone) throw new ArgumentException($"{kernel.Name}: argument {position} has no memory");
        if (strict && where.Buffer?.BelongsTo(this) == false) throw new ArgumentException($"{kernel.Name}: argument {position} is memory of another context");
        if (Sharing == ClSharing.Copied)
        {
            if (where.Buffer is null) throw new ArgumentException($"{kernel.Name}: argument {position} is an address, which means nothing to memory of the device's own");
            BindValue(kernel, position, sizeof(nint), &memory);
        }
        else
        {
            if (strict && !ranges.Contains(memory)) throw new ArgumentException($"{kernel.Name}: argument {position} lies outside of shared memory");
            int error = Api.SetKernelArgSvmPointer(kernel.Handle.Value, position, (void*)memory);
            if (error != Success) Check(error, $"clSetKernelArgSVMPointer({kernel.Name}, {position})");
        }
        BindValue(kernel, position + 1, sizeof(ulong), &offset);
        position += 2;
    }

    /// <summary>Waits for what is enqueued and frees everything but the buffers, which their owners free.</summary>
    public void Dispose()
    {
        if (queue is { IsClosed: false }) Drain();
        foreach (Lazy<ClProgram> program in programs.Values)
            if (program.IsValueCreated) program.Value.Dispose();
        flag?.Dispose();
        queue?.Dispose();
        context.Dispose();
    }
}
