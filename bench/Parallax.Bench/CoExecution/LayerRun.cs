using System.Collections.Immutable;
using Parallax.Onnx;
using Parallax.Runtime;
using Parallax.Runtime.Calibration;

namespace Parallax.Bench.CoExecution;

/// <summary>A layer in a session of its own, and what its runs took.</summary>
internal sealed class LayerRun : IDisposable
{
    private readonly InferenceSession session;
    private readonly Dictionary<string, Datum> inputs;
    private readonly List<double> us = [];

    internal LayerRun(LayerShape shape, SessionOptions options)
    {
        session = new InferenceSession(new ImportedModel(shape.Build(), ImmutableDictionary<string, string>.Empty, source: null), options);
        inputs = session.Inputs.ToDictionary(i => i.Name, i => (Datum)CalibrationProblem.Fill(i.Shape!.Value.ToArray()));
        Plan = session.Summarize(inputs);
    }

    internal PlanSummary Plan { get; }

    /// <summary>Where the result is cut; null where one side computes all.</summary>
    internal LayerCut? Cut => Plan.Splits is [var only] ? new LayerCut(only.Axis, only.Cut, only.Extent) : null;

    internal RunTimes Times => new(Timing.Of(us), [Timing.Of(us.Where((_, i) => i % 2 == 0)), Timing.Of(us.Where((_, i) => i % 2 == 1))]);

    /// <summary>Runs the layer and notes its time, what is beside it not counted.</summary>
    internal void Run()
    {
        RunProfile profile = session.Profile(inputs);
        us.Add(profile.Steps.Single(s => s.Operator != LayerShape.Beside && s.Branch >= 0).Us);
    }

    internal void Forget() => us.Clear();

    /// <exception cref="DeviceException">The device was lost: times are not the device's.</exception>
    internal void CheckDevice()
    {
        if (session.Warnings is [var warning, ..]) throw new DeviceException(warning);
    }

    public void Dispose() => session.Dispose();
}
