using System.Collections.Immutable;
using Parallax.Planning;
using Parallax.Runtime.Cpu;

namespace Parallax.Runtime.Calibration;

/// <summary>What is calibrated, and for how long.</summary>
public sealed record CalibrationOptions
{
    public const double DefaultSeconds = 240;

    public const int DefaultRounds = 80;

    /// <summary>The most workers that are measured.</summary>
    public int Workers { get; init; } = Processor.PhysicalCores;

    /// <summary>About how long the measurements may take in all.</summary>
    public double Seconds { get; init; } = DefaultSeconds;

    /// <summary>Rounds of the sequence of problems: each has every kind of operator.</summary>
    public int Rounds { get; init; } = DefaultRounds;

    /// <summary>Of the problems and of the training.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>Devices to be measured beside the CPU.</summary>
    public ImmutableArray<IBackend> Backends { get; init; } = [];

    /// <summary>Models whose operators are measured before all others, with inputs of the shapes that matter. They must outlive the calibration.</summary>
    public ImmutableArray<(InferenceSession Session, Dictionary<string, Datum> Inputs)> Models { get; init; } = [];
}

/// <summary>A profile, and how much was sampled for it.</summary>
public sealed record CalibrationResult(DeviceProfile Profile, SamplingResult Sampling);

/// <summary>Measures a machine and trains the predictors of its devices.</summary>
public static class Calibration
{
    /// <summary>The part of the time that the constants take, those of each device.</summary>
    private const double ConstantsPart = 0.125;

    /// <summary>The part of the time that the sizes of a device's work-groups take.</summary>
    private const double TuningPart = 0.04;

    /// <summary>Measures what the log does not have yet, and makes a profile of everything that it has.</summary>
    /// <param name="report">Told what is being done.</param>
    /// <exception cref="OperationCanceledException">What was measured is in the log.</exception>
    public static CalibrationResult Run(CalibrationOptions options, MeasurementLog log, Action<string> report, CancellationToken cancellation = default)
    {
        double constantsSeconds = options.Seconds * ConstantsPart, tuningSeconds = options.Seconds * TuningPart, seconds = options.Seconds;
        if (log.Cpu(options.Workers) is not { } cpu)
        {
            cpu = Calibrator.Measure(options.Workers, constantsSeconds, report, cancellation);
            log.Add(new Measurement(Cpu: new MeasuredCpu(options.Workers, cpu)));
            seconds -= constantsSeconds;
        }
        using var cpuDevice = new CpuTimedDevice(options.Workers);
        var accelerators = new List<BackendTimedDevice>();
        try
        {
            foreach (IBackend backend in options.Backends)
            {
                AcceleratorModel? model = log.Accelerator(backend.Name, backend.Description);
                if (model is null)
                {
                    // First, for everything that is measured of the device depends on it; together with the constants, so that all samples of a log are of one table.
                    ImmutableArray<TunedWorkGroup> tuned = new WorkGroupTuner(new BackendTunedDevice(backend), report, cancellation).Tune(WorkGroupTuner.Problems, tuningSeconds);
                    model = AcceleratorProbe.Measure(backend.Tuned(tuned), constantsSeconds, report, cancellation);
                    if (model is null) continue;
                    model = model with { WorkGroups = tuned };
                    log.Add(new Measurement(Accelerator: model));
                    seconds -= tuningSeconds + constantsSeconds;
                }
                accelerators.Add(new BackendTimedDevice(backend.Tuned(model.WorkGroups), model));
            }
            SamplingResult sampling = new LatencySampler([cpuDevice, .. accelerators], log, report, cancellation).Measure(Problems(options), seconds);
            return new CalibrationResult(Train(options, log, cpu, report, cancellation), sampling);
        }
        finally
        {
            foreach (BackendTimedDevice device in accelerators) device.Dispose();
        }
    }

    private static IReadOnlyList<LatencyProblem> Problems(CalibrationOptions options) =>
        [.. options.Models.SelectMany(m => LatencyProblem.Of(m.Session.PlanFor(m.Inputs).Partition.Graph)).DistinctBy(p => p.Name), .. ProblemSampler.Take(options.Rounds, options.Seed)];

    /// <summary>The profile of constants and of what the log's samples teach.</summary>
    private static DeviceProfile Train(CalibrationOptions options, MeasurementLog log, CostModel cpu, Action<string> report, CancellationToken cancellation)
    {
        CostModel constants = cpu with { Predictors = [] };
        return new DeviceProfile(Processor.Identity, options.Workers,
            constants with { Predictors = Of(Placement.Cpu, cpu.StepOverheadUs, s => constants.PredictUs(s.Work, s.Units, s.Kernel) - cpu.StepOverheadUs) },
            [.. log.Accelerators.Select(a => a with { Predictors = Of(BackendTimedDevice.NameOf(a), a.LatencyUs, s => a.StepUs(s.Work, s.Kernel)) })]);

        ImmutableArray<LatencyPredictor> Of(string device, double dispatchUs, Func<LatencySample, double> constantsUs)
        {
            cancellation.ThrowIfCancellationRequested();
            report($"training the predictors of {device}");
            return PredictorTrainer.Train(log.Samples.Where(s => s.Device == device), dispatchUs, constantsUs, options.Seed);
        }
    }
}
