using System.Diagnostics;
using System.Globalization;
using Parallax.Cli.Commands;

namespace Parallax.Cli.Measuring.Peers;

/// <summary>
/// Another runtime with a model, in a process of its own (<see cref="PeerCommand"/>): its memory and processor time are not mixed with ours, and a crash of it
/// is not ours. It is told line by line what to do. One caller at a time.
/// </summary>
internal sealed class PeerProcess : IDisposable
{
    private readonly Process process;
    private readonly CancellationTokenRegistration kill;
    private readonly CancellationToken cancellation;
    private readonly List<double> times = [];
    private readonly List<string> errors = [];
    private double cpuMs;

    private PeerProcess(Process process, CancellationToken cancellation)
    {
        this.process = process;
        this.cancellation = cancellation;
        kill = cancellation.Register(process.Kill);
        process.ErrorDataReceived += (_, line) => { lock (errors) errors.Add(line.Data ?? ""); };
        process.BeginErrorReadLine();
    }

    internal string Version { get; private set; } = "";

    internal double LoadMs { get; private set; }

    /// <summary>Loads a model there and runs it once.</summary>
    /// <param name="folder">Holds the inputs; the outputs are written to its folder <see cref="PeerCommand.OutputFolder"/>.</param>
    /// <exception cref="InvalidInputException">The other runtime cannot be loaded.</exception>
    /// <exception cref="DeviceException">It refuses the model.</exception>
    internal static PeerProcess Start(string library, string model, string folder, int threads, IReadOnlyDictionary<string, long> dims, CancellationToken cancellation)
    {
        var peer = new PeerProcess(SelfProcess.Start(
            [PeerCommand.Name, model, "--folder", folder, "--ort-lib", library, "--threads", threads.ToString(CultureInfo.InvariantCulture), .. dims.SelectMany(d => (string[])["--dim", $"{d.Key}={d.Value}"])]),
            cancellation);
        try
        {
            string[] words = peer.Answer("ready");
            (peer.Version, peer.LoadMs) = (words[0], Number(words[1]));
            return peer;
        }
        catch
        {
            peer.Dispose();
            throw;
        }
    }

    /// <summary>Runs so often without timing.</summary>
    internal void Warm(int count) => Ask($"run {count}", "times");

    /// <summary>Runs once untimed, for threads and caches to wake after our turn, then so often with the clock on.</summary>
    internal void Run(int count)
    {
        Warm(1);
        string[] words = Ask($"run {count}", "times");
        cpuMs += Number(words[0]);
        times.AddRange(words.Skip(1).Select(Number));
    }

    /// <summary>Ends the other process and says what it took.</summary>
    /// <param name="difference">The largest difference of an output from ours, relative to its largest magnitude.</param>
    internal Baseline End(double difference)
    {
        long peak = (long)Number(Ask("end", "peak")[0]);
        return new Baseline("onnxruntime", Version, new Latencies(times), LoadMs, peak, cpuMs / times.Count, difference);
    }

    private string[] Ask(string question, string answer)
    {
        process.StandardInput.WriteLine(question);
        process.StandardInput.Flush();
        return Answer(answer);
    }

    private string[] Answer(string word)
    {
        if (process.StandardOutput.ReadLine()?.Split(' ') is [var first, .. var rest] && first == word) return rest;
        process.WaitForExit();
        cancellation.ThrowIfCancellationRequested();
        string message;
        lock (errors) message = $"--compare: {SelfProcess.LastLine(string.Join('\n', errors)).Replace("parallax: ", "", StringComparison.Ordinal)}";
        throw process.ExitCode == ExitCode.WrongCall ? new InvalidInputException(message) : new DeviceException(message);
    }

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);

    public void Dispose()
    {
        kill.Dispose();
        if (!process.HasExited) process.Kill();
        process.Dispose();
    }
}
