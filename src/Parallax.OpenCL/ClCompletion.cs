using System.Diagnostics;
using Parallax.OpenCL.Native;

namespace Parallax.OpenCL;

/// <summary>The end of a command list: <see cref="ClContext.Signal"/> says of which. Used again for list after list; by one thread at a time.</summary>
internal sealed unsafe class ClCompletion(ClContext context) : IDisposable
{
    /// <summary>A wait polls so long, then sleeps until the driver's event.</summary>
    private const double SpinUs = 100;

    /// <summary>A flag that is never raised because the device failed shows in the event: it is looked at every so many polls.</summary>
    private const int PollsPerEvent = 1 << 12;

    private readonly ClEventHandle done = new(context.Api);
    private uint* flag;
    private uint ticket;
    private int polls;

    /// <summary>Whether the commands have ended.</summary>
    /// <exception cref="DeviceException">The device failed.</exception>
    internal bool IsDone
    {
        get
        {
            if (flag == null) return EventIsDone();
            if (IsRaised) return true;
            if (++polls % PollsPerEvent == 0) EventIsDone();
            return false;
        }
    }

    private bool IsRaised => (int)(Volatile.Read(ref *flag) - ticket) >= 0;

    /// <summary>Returns when the commands have ended: polls for a while, then sleeps.</summary>
    /// <exception cref="DeviceException">The device failed.</exception>
    internal void Wait()
    {
        long start = Stopwatch.GetTimestamp();
        while (!IsDone)
            if (Stopwatch.GetElapsedTime(start).TotalMicroseconds > SpinUs)
            {
                Sleep();
                return;
            }
    }

    /// <summary>Sleeps until the commands have ended.</summary>
    /// <exception cref="DeviceException">The device failed.</exception>
    internal void Sleep()
    {
        if (flag != null && IsRaised) return;
        nint wanted = done.Value;
        context.Check(context.Api.WaitForEvents(1, &wanted), "clWaitForEvents");
        EventIsDone();
    }

    internal void Arm(nint newEvent, uint* newFlag, uint newTicket)
    {
        done.Replace(newEvent);
        flag = newFlag;
        (ticket, polls) = (newTicket, 0);
    }

    private bool EventIsDone()
    {
        int status; // positive while a command waits or runs, 0 when it has ended well, negative when it failed
        context.Check(context.Api.GetEventInfo(done.Value, ClConstants.EventCommandExecutionStatus, sizeof(int), &status, null), "clGetEventInfo");
        context.Check(status, "a command");
        return status == 0;
    }

    public void Dispose() => done.Dispose();
}
