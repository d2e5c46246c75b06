using System.Diagnostics;
using Parallax.OrtPeer;

namespace Parallax.Compare;

/// <summary>One side of a comparison: a loaded model that runs again and again on the same inputs.</summary>
internal abstract class Contestant : IDisposable
{
    private readonly List<double> times = [];

    public abstract string Name { get; }

    public double LoadMs { get; protected init; }

    public IReadOnlyList<double> TimesMs => times;

    public double MedianMs => times.Count == 0 ? double.NaN : times.Order().ElementAt(times.Count / 2);

    public double MinMs => times.Count == 0 ? double.NaN : times.Min();

    /// <summary>Copies of the outputs.</summary>
    public abstract Dictionary<string, Tensor> Outputs();

    public abstract void Run();

    public void RunTimed()
    {
        long start = Stopwatch.GetTimestamp();
        Run();
        times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
    }

    public abstract void Dispose();
}

internal sealed class ParallaxContestant : Contestant
{
    private readonly InferenceSession session;
    private readonly Dictionary<string, Datum> inputs;

    public ParallaxContestant(ModelFile model, Dictionary<string, Tensor> inputs, CompareOptions options)
    {
        long start = Stopwatch.GetTimestamp();
        session = new InferenceSession(model.Path, new SessionOptions { Threads = options.Threads, Dimensions = options.Bind ? model.Dims : new Dictionary<string, long>() });
        LoadMs = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        this.inputs = inputs.ToDictionary(i => i.Key, i => (Datum)i.Value);
    }

    public override string Name => "Parallax";

    public override Dictionary<string, Tensor> Outputs()
    {
        using RunResult result = session.Run(inputs);
        return result.Where(o => o.Value is Tensor).ToDictionary(o => o.Key, o => ((Tensor)o.Value).Clone());
    }

    public override void Run() => session.Run(inputs).Dispose();

    public override void Dispose() => session.Dispose();
}

internal sealed class OrtContestant : Contestant
{
    private readonly OrtSession session;
    private readonly Dictionary<string, Tensor> inputs;

    public OrtContestant(ModelFile model, Dictionary<string, Tensor> inputs, CompareOptions options)
    {
        long start = Stopwatch.GetTimestamp();
        session = new OrtSession(OrtSession.FindLibrary(options.OrtLibrary), model.Path, options.Threads, options.Bind ? model.Dims : null);
        LoadMs = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        this.inputs = inputs;
    }

    public override string Name => $"ONNX Runtime {session.Version}";

    public override Dictionary<string, Tensor> Outputs()
    {
        using OrtRun run = session.Run(inputs);
        return run.ToTensors();
    }

    public override void Run() => session.Run(inputs).Dispose();

    public override void Dispose() => session.Dispose();
}
