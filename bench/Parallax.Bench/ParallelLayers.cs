using System.Collections.Immutable;
using System.Globalization;
using Parallax.Onnx;
using Parallax.Planning;
using Parallax.Runtime;
using Parallax.Runtime.Calibration;
using Parallax.Zoo;

namespace Parallax.Bench;

/// <summary>
/// What layers of several branches take: their steps one after another on one thread, on all threads, and side by side between barriers, as the paper's
/// table 6 has them. Sessions take turns. And what memory they take in the plan of mode layered: the sum of all values that a layer computes, and the bytes of the arena under them.
/// </summary>
internal sealed class ParallelLayers : IDisposable
{
    private const int Rounds = 21, WarmingRounds = 40, Shown = 5;

    private readonly InferenceSession[] sessions;
    private readonly Dictionary<string, Datum> inputs;
    private readonly ImmutableArray<ImmutableArray<int>> layers;
    private readonly ImmutableArray<PlanBuffer> buffers;

    private ParallelLayers(ZooEntry entry, int threads)
    {
        ModelProto model = entry.Build(new ZooOptions(Dynamic: false));
        InferenceSession Create(int workers, ScheduleMode mode) =>
            new(Importer.Import(model), new SessionOptions { Threads = workers, Mode = mode, Dimensions = entry.DefaultDims });
        sessions = [Create(1, ScheduleMode.Sequential), Create(threads, ScheduleMode.Sequential), Create(threads, ScheduleMode.Layered)];
        inputs = sessions[0].Inputs.ToDictionary(i => i.Name, i => (Datum)Fill(i));
        PlanReport plan = sessions[^1].Explain(inputs);
        layers = [.. plan.Layers.Where(l => l.Length > 1)];
        buffers = plan.Memory.Buffers;
    }

    /// <param name="names">Of the zoo; empty for all networks of the paper.</param>
    internal static void Run(ReadOnlySpan<string> names, TextWriter output)
    {
        int threads = Environment.ProcessorCount;
        output.WriteLine($"medians of {Rounds} turns, ms: one thread, {threads} threads, layered on {threads} threads; the last but one over the last; KiB of its values, of the arena under them");
        foreach (string name in names is [] ? ["yolov8n", "whisper-tiny-encoder", "whisper-tiny-decoder", "swinv2-tiny", "clip-text", "distilbert"] : names)
        {
            using var network = new ParallelLayers(ZooCatalog.Find(name), threads);
            network.Print(name, output);
        }
    }

    private void Print(string name, TextWriter output)
    {
        double[][] times = Measure();
        output.WriteLine($"{name}: {layers.Length} layers of several branches");
        foreach (int layer in Enumerable.Range(0, layers.Length).OrderByDescending(l => times[l][0]).Take(Shown))
        {
            PlanBuffer[] own = [.. buffers.Where(b => layers[layer].Contains(b.Branch))];
            Line($"layer of {layers[layer].Length} branches", times[layer], $"{own.Sum(b => b.Bytes) / 1024,8} {BranchMemory.Covered(own.Select(b => (b.Offset, b.Offset + b.Bytes))) / 1024,8}");
        }
        Line("all of them", [.. sessions.Select((_, way) => times.Sum(t => t[way]))], "");

        void Line(string what, double[] us, string bytes) => output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"  {what,-22} {us[0] / 1e3,8:0.000} {us[1] / 1e3,8:0.000} {us[2] / 1e3,8:0.000}   {us[1] / us[2]:0.00} {bytes}"));
    }

    /// <summary>Microseconds by layer and way.</summary>
    private double[][] Measure()
    {
        foreach (InferenceSession session in sessions)
            for (int i = 0; i < WarmingRounds; i++) session.Run(inputs).Dispose();
        var samples = layers.Select(_ => sessions.Select(_ => new double[Rounds]).ToArray()).ToArray();
        for (int round = 0; round < Rounds; round++)
            for (int way = 0; way < sessions.Length; way++)
            {
                ILookup<int, ProfiledStep> steps = sessions[way].Profile(inputs).Steps.Where(s => s.Body.Length == 0).ToLookup(s => s.Branch);
                for (int layer = 0; layer < layers.Length; layer++)
                {
                    ProfiledStep[] own = [.. layers[layer].SelectMany(branch => steps[branch])];
                    bool sideBySide = way == sessions.Length - 1;
                    samples[layer][way][round] = own is [] ? 0 : sideBySide ? own.Max(s => s.EndUs) - own.Min(s => s.StartUs) : own.Sum(s => s.Us);
                }
            }
        return [.. samples.Select(ways => ways.Select(RunProfile.Median).ToArray())];
    }

    private static Tensor Fill(ValueInfo input)
    {
        long[] dims = input.Shape!.Value.ToArray();
        if (input.DType == DType.Float32) return CalibrationProblem.Fill(dims);
        Tensor tensor = Tensor.Allocate(input.DType, dims);
        tensor.Span<long>().Fill(1); // a token of any vocabulary, and seen by any mask
        return tensor;
    }

    public void Dispose() => Array.ForEach(sessions, s => s.Dispose());
}
