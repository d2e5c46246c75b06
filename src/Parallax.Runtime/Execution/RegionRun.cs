using System.Diagnostics;

namespace Parallax.Runtime.Execution;

/// <summary>A region in the memory of one run: begun, looked at until it has ended, and then perhaps begun again by the next run.</summary>
internal sealed unsafe class RegionRun(RegionStep step, RunState state) : IDisposable
{
    private readonly Lane lane = new();
    private IRegionCall? call;
    private bool isOnDevice;

    /// <summary>When the region was begun, in ticks of <see cref="Stopwatch"/>.</summary>
    internal long Started { get; private set; }

    /// <summary>When the CPU's part of a split node was done; <see cref="Started"/> where there is none.</summary>
    internal long CpuEnded { get; private set; }

    internal RegionStep Step => step;

    /// <summary>Begins the region, computes the CPU's part where there is one, and stays to the end; helps others meanwhile.</summary>
    internal void Run(StepRun run)
    {
        Begin();
        try
        {
            step.CpuPart?.Run(run);
        }
        catch
        {
            AwaitDevice();
            throw;
        }
        CpuEnded = Stopwatch.GetTimestamp();
        var patience = new Patience();
        while (!TryEnd())
            if (state.TendOthers() || state.Pool.TryHelpAny(leafOnly: true)) patience = new Patience();
            else if (!patience.Spin()) Sleep();
    }

    /// <summary>Until the device touches the memory of the run no more, whatever came of its work.</summary>
    private void AwaitDevice()
    {
        try
        {
            while (isOnDevice && !call!.IsDone) call.Wait();
        }
        catch (DeviceException e)
        {
            Fail(e);
        }
    }

    /// <summary>Starts the device; where that is lost, <see cref="TryEnd"/> does the work.</summary>
    internal void Begin()
    {
        state.Cancellation.ThrowIfCancellationRequested();
        Started = CpuEnded = Stopwatch.GetTimestamp();
        Copy(step.CopiesIn);
        isOnDevice = false;
        if (step.Device.Lost is not null) return;
        try
        {
            (call ??= NewCall()).Enqueue();
            isOnDevice = true;
        }
        catch (DeviceException e)
        {
            step.Device.Lose(e);
        }
    }

    /// <summary>False while the device works.</summary>
    internal bool TryEnd()
    {
        if (isOnDevice)
        {
            try
            {
                if (!call!.IsDone) return false;
            }
            catch (DeviceException e)
            {
                Fail(e);
            }
        }
        if (!isOnDevice) RunTwin();
        Copy(step.CopiesOut);
        if (isOnDevice) step.Took(new RegionTime(Stopwatch.GetTimestamp() - Started, CpuEnded - Started));
        return true;
    }

    /// <summary>Sleeps until the device has ended.</summary>
    internal void Sleep()
    {
        try
        {
            if (isOnDevice) call!.Wait();
        }
        catch (DeviceException e)
        {
            Fail(e);
        }
    }

    private void Fail(DeviceException failure)
    {
        step.Device.Lose(failure);
        isOnDevice = false;
    }

    private IRegionCall NewCall()
    {
        long[] offsets = [.. step.Places.Select(p => state.Schedule.Memory.Offsets[p.Buffer])];
        return step.Compiled.CreateCall(state.Arena, offsets);
    }

    private void RunTwin()
    {
        var run = new StepRun(state, lane, state.Workers);
        foreach (KernelStep twin in step.Twin.Value)
        {
            state.Cancellation.ThrowIfCancellationRequested();
            RunState.RunNamed(twin, run);
        }
    }

    private void Copy(RegionCopy[] copies)
    {
        foreach (RegionCopy copy in copies)
        {
            long bytes = Math.Max(copy.From.ByteCount, copy.To.ByteCount); // one of them is in the arena and knows
            Buffer.MemoryCopy((void*)state.Address(copy.From), (void*)state.Address(copy.To), bytes, bytes);
        }
    }

    public void Dispose()
    {
        call?.Dispose();
        lane.Dispose();
    }
}

/// <summary>How long to spin for a device before sleeping: most regions end soon after they are looked at, and waking up costs more than that.</summary>
internal struct Patience()
{
    private const double SpinUs = 100;

    private readonly long started = Stopwatch.GetTimestamp();
    private SpinWait spinner;

    /// <summary>Spins for a moment; false where that has been done long enough.</summary>
    internal bool Spin()
    {
        if (Stopwatch.GetElapsedTime(started).TotalMicroseconds > SpinUs) return false;
        spinner.SpinOnce(sleep1Threshold: -1);
        return true;
    }
}
