using System.Runtime.InteropServices;
using Parallax.Cli.Output;

namespace Parallax.Cli;

/// <summary>
/// Ctrl-C and SIGTERM: cancels the work, and where that takes too long (one long kernel, a large file being read) ends the process, less what is half written.
/// </summary>
internal sealed class Interruption : IDisposable
{
    private static readonly TimeSpan Grace = TimeSpan.FromMilliseconds(400);

    private readonly CancellationTokenSource source = new();
    private readonly PosixSignalRegistration[] registrations;
    private Timer? deadline;

    internal Interruption() => registrations = [PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop), PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop)];

    internal CancellationToken Token => source.Token;

    private void Stop(PosixSignalContext context)
    {
        context.Cancel = true;
        deadline ??= new Timer(_ => End(), null, Grace, Timeout.InfiniteTimeSpan);
        source.Cancel();
    }

    private static void End()
    {
        AtomicFile.DropUnfinished();
        Console.Error.WriteLine("parallax: stopped");
        Environment.Exit(ExitCode.WorkFailed);
    }

    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in registrations) registration.Dispose();
        deadline?.Dispose();
        source.Dispose();
    }
}
