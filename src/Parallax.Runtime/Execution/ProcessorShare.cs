using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Parallax.Runtime.Execution;

/// <summary>
/// How much of a processor a worker gets while it asks for one. Where other programs hold its core, it stands still in the middle of a block for a scheduler's slice, and everybody waits for that block: with a share p, two work
/// at 2 p of the speed of one alone. So a worker that gets less than about half of a processor stays away, longer each time, up to 80 ms. For one thread; not thread-safe.
/// </summary>
internal sealed class ProcessorShare
{
    /// <summary>Below it a worker costs more than it adds; above the other it is welcome as if nothing had been.</summary>
    private const double TooLittle = 0.55, Enough = 0.8;

    private static readonly TimeSpan Window = TimeSpan.FromMilliseconds(16);
    private static readonly TimeSpan ShortestPause = TimeSpan.FromMilliseconds(20), LongestPause = TimeSpan.FromMilliseconds(80);

    private readonly Func<TimeSpan?> processorTime;

    /// <summary>Of the present window: what the thread wanted before it slept last, since when it wants again, and its processor time when the window began.</summary>
    private TimeSpan wanted, since;
    private TimeSpan? before;
    private TimeSpan pause = ShortestPause;

    /// <param name="processorTime">Processor time of the thread so far; null where that cannot be told.</param>
    internal ProcessorShare(Func<TimeSpan?> processorTime, TimeSpan now)
    {
        this.processorTime = processorTime;
        StartWindow(now);
    }

    /// <summary>The thread is about to sleep.</summary>
    internal void Sleeps(TimeSpan now) => wanted += now - since;

    /// <summary>The thread wants a processor again.</summary>
    internal void Wakes(TimeSpan now) => since = now;

    /// <summary>For how long the thread is to sleep; zero for not at all.</summary>
    internal TimeSpan PauseAt(TimeSpan now)
    {
        TimeSpan all = wanted + (now - since);
        if (all < Window || before is not { } begin) return TimeSpan.Zero;
        StartWindow(now);
        double share = (before - begin) / all ?? 1;
        if (share >= Enough) pause = ShortestPause;
        if (share >= TooLittle) return TimeSpan.Zero;
        TimeSpan given = pause;
        pause = TimeSpan.FromTicks(Math.Min(2 * pause.Ticks, LongestPause.Ticks));
        return given;
    }

    private void StartWindow(TimeSpan now) => (wanted, since, before) = (TimeSpan.Zero, now, processorTime());

    /// <summary>Processor time of the calling thread; null where the system does not tell it finely enough.</summary>
    internal static unsafe TimeSpan? OfThisThread()
    {
        int clock = OperatingSystem.IsLinux() || OperatingSystem.IsAndroid() ? 3 : OperatingSystem.IsMacOS() ? 16 : -1;
        long* time = stackalloc long[2];
        return clock < 0 || ClockGetTime(clock, time) != 0 ? null : TimeSpan.FromSeconds(time[0]) + TimeSpan.FromTicks(time[1] / TimeSpan.NanosecondsPerTick);
    }

    [DllImport("libc", EntryPoint = "clock_gettime")]
    private static extern unsafe int ClockGetTime(int clock, long* time);
}
