using System.Diagnostics;
using System.Runtime;

namespace Parallax.Runtime.Calibration;

/// <summary>Waits for .NET to compile what is called often, which it does behind the program's back, some 100 ms later, and late on a busy machine: what is measured meanwhile shares its processors with that. Thread-safe.</summary>
public static class Warming
{
    /// <summary>Long enough for code that is called often to be queued for compilation and compiled.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(150);

    /// <summary>Repeats the work, with pauses, until two pauses in a row have seen nothing compiled, or the time is over.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static void Settle(Action work, TimeSpan atMost, CancellationToken cancellation)
    {
        var all = Stopwatch.StartNew();
        for (int quiet = 0; quiet < 2 && all.Elapsed < atMost;)
        {
            long compiled = JitInfo.GetCompiledMethodCount();
            work();
            cancellation.WaitHandle.WaitOne(Pause);
            cancellation.ThrowIfCancellationRequested();
            quiet = JitInfo.GetCompiledMethodCount() == compiled ? quiet + 1 : 0;
        }
    }
}
