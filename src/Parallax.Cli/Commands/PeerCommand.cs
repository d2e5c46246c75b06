using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using Parallax.Cli.Measuring;
using Parallax.Cli.Output;
using Parallax.OrtPeer;

namespace Parallax.Cli.Commands;

/// <summary>
/// What <c>bench --compare</c> starts beside itself: ONNX Runtime with one model. It says <c>ready VERSION LOAD_MS</c>, then answers each line it is given:
/// <c>run N</c> with <c>times CPU_MS MS ...</c>, <c>end</c> with <c>peak BYTES</c>. Not for people.
/// </summary>
internal static class PeerCommand
{
    internal const string Name = "bench-peer", OutputFolder = "outputs";

    private static readonly Argument<string> Model = new("MODEL");
    private static readonly Option<string> Folder = new("--folder") { Required = true };
    private static readonly Option<string> Library = new("--ort-lib") { Required = true };
    private static readonly Option<int> Threads = new("--threads") { Required = true };
    private static readonly Option<string[]> Dims = new("--dim");

    internal static Command Create()
    {
        var command = new Command(Name, "Runs a model in ONNX Runtime, as it is told on standard input.") { Model, Folder, Library, Threads, Dims };
        command.Hidden = true;
        command.SetAction((parsed, cancellation) => Task.FromResult(Run(parsed, cancellation)));
        return command;
    }

    private static int Run(ParseResult parsed, CancellationToken cancellation)
    {
        string folder = parsed.GetValue(Folder)!;
        Dictionary<string, long> dims = (parsed.GetValue(Dims) ?? []).Select(d => CommonOptions.Pair("--dim", d, "NAME=VALUE"))
            .ToDictionary(d => d.Name, d => CommonOptions.Whole("--dim", d.Value, 0, long.MaxValue));
        var stopwatch = Stopwatch.StartNew();
        using var session = new OrtSession(parsed.GetValue(Library)!, parsed.GetValue(Model)!, parsed.GetValue(Threads), dims);
        double loadMs = stopwatch.Elapsed.TotalMilliseconds;
        Dictionary<string, Tensor> inputs = session.Inputs.ToDictionary(name => name, name => Npy.Read(Path.Combine(folder, $"{FileSafeName.Of(name)}.npy")));
        WriteOutputs(session, inputs, Path.Combine(folder, OutputFolder));
        TextWriter output = parsed.InvocationConfiguration.Output;
        Say(output, $"ready {session.Version} {loadMs}");
        while (Console.In.ReadLine()?.Split(' ') is { } words && !cancellation.IsCancellationRequested)
        {
            if (words is not ["run", var count]) break;
            var line = new DefaultInterpolatedStringHandler(0, 0, CultureInfo.InvariantCulture);
            TimeSpan before = Environment.CpuUsage.TotalTime;
            for (int i = int.Parse(count, CultureInfo.InvariantCulture); i > 0; i--)
            {
                stopwatch.Restart();
                session.Run(inputs).Dispose();
                line.AppendFormatted(stopwatch.Elapsed.TotalMilliseconds, " 0.######");
            }
            Say(output, $"times {(Environment.CpuUsage.TotalTime - before).TotalMilliseconds}{line.ToStringAndClear()}");
        }
        Say(output, $"peak {ProcessMemory.PeakResidentBytes()}");
        return ExitCode.Done;
    }

    private static void WriteOutputs(OrtSession session, Dictionary<string, Tensor> inputs, string folder)
    {
        Directory.CreateDirectory(folder);
        using OrtRun run = session.Run(inputs);
        foreach ((string name, Tensor tensor) in run.ToTensors()) Npy.Write(Path.Combine(folder, $"{FileSafeName.Of(name)}.npy"), tensor);
    }

    private static void Say(TextWriter output, FormattableString line)
    {
        output.WriteLine(FormattableString.Invariant(line));
        output.Flush();
    }
}
