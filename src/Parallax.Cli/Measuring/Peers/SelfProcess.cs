using System.Diagnostics;

namespace Parallax.Cli.Measuring.Peers;

/// <summary>This program in another process.</summary>
internal static class SelfProcess
{
    /// <summary>Starts it with all three streams redirected.</summary>
    internal static Process Start(IEnumerable<string> args)
    {
        string name = typeof(SelfProcess).Assembly.GetName().Name!, host = Environment.ProcessPath ?? "dotnet";
        string library = Path.Combine(AppContext.BaseDirectory, name + ".dll");
        var start = new ProcessStartInfo { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        // Under its own name, or as a single file under any, the process is the program. Else the program runs inside another one, as it does in tests.
        if (Path.GetFileNameWithoutExtension(host) == name || !File.Exists(library)) start.FileName = host;
        else
        {
            start.FileName = Path.GetFileNameWithoutExtension(host) == "dotnet" ? host : "dotnet";
            start.ArgumentList.Add(library);
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
