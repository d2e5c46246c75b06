using System.Diagnostics;

namespace Parallax.Cli.Measuring.Peers;

/// <summary>This program in another process.</summary>
internal static class SelfProcess
{
    /// <summary>Starts it with all three streams redirected.</summary>
    internal static Process Start(IEnumerable<string> args)
    {
        string own = typeof(SelfProcess).Assembly.Location, host = Environment.ProcessPath ?? "dotnet";
        var start = new ProcessStartInfo { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        // A single file has no location of its own: the process is the program. Else the program may run inside another one, as it does in tests.
        if (own.Length == 0 || Path.GetFileNameWithoutExtension(host) == Path.GetFileNameWithoutExtension(own)) start.FileName = host;
        else
        {
            start.FileName = Path.GetFileNameWithoutExtension(host) == "dotnet" ? host : "dotnet";
            start.ArgumentList.Add(own);
        }
        foreach (string arg in args) start.ArgumentList.Add(arg);
        return Process.Start(start)!;
    }

    /// <summary>Runs it to its end.</summary>
    /// <exception cref="DeviceException">It failed; the message is its last line.</exception>
    internal static void Run(IEnumerable<string> args, CancellationToken cancellation)
    {
        using Process process = Start(args);
        using CancellationTokenRegistration kill = cancellation.Register(process.Kill);
        process.StandardOutput.ReadToEnd();
        string error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        cancellation.ThrowIfCancellationRequested();
        if (process.ExitCode != 0) throw new DeviceException(LastLine(error));
    }

    internal static string LastLine(string error) => error.TrimEnd().Split('\n')[^1].TrimEnd('\r') is { Length: > 0 } line ? line : "the process ended without a word";
}
