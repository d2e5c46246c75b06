using System.Diagnostics;
using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Planning;

namespace Parallax.Runtime.Calibration;

/// <summary>Measures the constants of a device: what a dispatch takes, how fast it computes, and how fast data get there and back.</summary>
internal static class AcceleratorProbe
{
    private const int MinRuns = 20, ChainLength = 9, WarmingRuns = 50;

    /// <summary>Elements of the tensor that is brought to the device and back.</summary>
    private const long Elements = 1 << 20;

    /// <summary>Of the time of an operator over the same data: less is noise, and the memory is shared.</summary>
    private const double LeastTransfer = 0.25;

    /// <summary>What a shared memory "transfers": nothing, so that any number does.</summary>
    private const double SharedBytesPerSecond = 1e15;

    /// <returns>Null where the device cannot compute even the simplest region. Thresholds are left out: they stand in for what is measured here.</returns>
    /// <param name="seconds">About how long that may take.</param>
    internal static AcceleratorModel? Measure(IBackend backend, double seconds, Action<string> report, CancellationToken cancellation)
    {
        AcceleratorModel assumed = backend.Model;
        CalibrationProblem[] products = [.. CalibrationProblem.All(1).Where(p => p.Class is OpClass.Dense or OpClass.Convolution).Select(p => p.Problem)];
        var time = TimeSpan.FromSeconds(seconds / (products.Length + 4));
        if (Shortest(Chain(1, 8)) is not { } empty) return null;
        double bytesPerSecond = assumed.BytesPerSecond;
        double? memoryBytesPerSecond = null;
        if (Shortest(Chain(1, Elements)) is { } once && Shortest(Chain(ChainLength, Elements)) is { } often)
        {
            double operatorUs = Math.Max(0, (often.AllUs - once.AllUs) / (ChainLength - 1)), transferUs = once.AllUs - operatorUs - empty.AllUs;
            if (operatorUs > 0) memoryBytesPerSecond = 2 * sizeof(float) * Elements / operatorUs * 1e6;
            bytesPerSecond = transferUs < LeastTransfer * operatorUs ? SharedBytesPerSecond : 2 * sizeof(float) * Elements / transferUs * 1e6;
        }
        double launchUs = Shortest(Chain(ChainLength, 8)) is { } chain ? Math.Max(0, (chain.UsualSubmitUs - empty.UsualSubmitUs) / (ChainLength - 1)) : 0;
        var model = new AcceleratorModel(assumed.Name, empty.AllUs, assumed.MacsPerSecond, bytesPerSecond, Units: assumed.Units, MemoryBytesPerSecond: memoryBytesPerSecond) { Device = backend.Description };
        var rates = new List<double>();
        foreach (CalibrationProblem problem in products)
        {
            Graph graph = problem.Build();
            if (Shortest(graph) is { } run)
                rates.Add(StepWork.Of(graph, graph.Nodes.Single()).Macs / Math.Max(1, run.AllUs - model.TransferUs(run.BoundaryBytes) - empty.AllUs) * 1e6);
        }
        // A region begins when the CPU hands it over: nothing on the device waits for the CPU.
        double usPerByte = bytesPerSecond == SharedBytesPerSecond ? 0 : 1e6 / bytesPerSecond;
        return model with
        {
            MacsPerSecond = rates.Count == 0 ? model.MacsPerSecond : Math.Exp(rates.Average(Math.Log)),
            Sync = assumed.Sync ?? new SyncCosts(empty.UsualSubmitUs, 0, empty.AllUs - empty.SubmitUs, usPerByte, launchUs),
        };

        Measured? Shortest(Graph graph)
        {
            report($"{backend.Name}: {graph.Nodes.First().Op.Name}");
            using TimedRegion? region = TimedRegion.TryCompile(backend, graph);
            if (region is null) return null;
            var all = Stopwatch.StartNew();
            for (int run = 0; run < WarmingRuns && all.Elapsed < time; run++) region.Run();
            var runs = new List<(double SubmitUs, double AllUs)>();
            while (runs.Count < MinRuns || all.Elapsed < time)
            {
                cancellation.ThrowIfCancellationRequested();
                runs.Add(region.Run());
            }
            (double submitUs, double allUs) = runs.MinBy(r => r.AllUs);
            return new Measured(submitUs, allUs, RunProfile.Median([.. runs.Select(r => r.SubmitUs)]), region.BoundaryBytes);
        }
    }

    /// <summary>The shortest run of a region.</summary>
    /// <param name="UsualSubmitUs">What handing it over takes when the driver's thread has to be woken for it, as it mostly has in a network: the median.</param>
    private sealed record Measured(double SubmitUs, double AllUs, double UsualSubmitUs, long BoundaryBytes);

    private static Graph Chain(int length, long elements)
    {
        var builder = new GraphBuilder("chain");
        ValueId value = builder.Input("x", new TensorFact(DType.Float32, [1, elements]));
        for (int i = 0; i < length; i++) value = builder.Add($"n{i}", new Unary(UnaryFunction.Relu), value);
        builder.Output("y", value);
        return builder.Build();
    }
}
