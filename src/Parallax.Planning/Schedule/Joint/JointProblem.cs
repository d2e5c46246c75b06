using System.Collections.Immutable;

namespace Parallax.Planning;

/// <summary>Where an operator runs.</summary>
public enum Side
{
    Cpu,
    Device,

    /// <summary>Both compute a part of one shared result.</summary>
    Both,
}

/// <summary>What is chosen for one operator.</summary>
/// <param name="Workers">Of the CPU; 0 on the device alone.</param>
/// <param name="Axis">The axis of the result that is split; meaningless on one side alone.</param>
/// <param name="Cut">The CPU computes what lies before it along the axis, the device the rest.</param>
public readonly record struct JointChoice(Side Side, int Workers, OutputAxis Axis = default, long Cut = 0)
{
    public static JointChoice OnDevice { get; } = new(Side.Device, 0);

    public static JointChoice OnCpu(int workers) => new(Side.Cpu, workers);

    public static JointChoice Split(int workers, OutputAxis axis, long cut) => new(Side.Both, workers, axis, cut);
}

/// <summary>An axis of an operator's result along which it can be split. Times are asked for once and remembered.</summary>
public sealed class SplitAxis
{
    private readonly Func<long, int, double> cpuUs;
    private readonly Func<long, double> deviceUs;
    private readonly double[] knownCpuUs, knownDeviceUs;
    private readonly int workers;

    /// <param name="extent">Elements along it.</param>
    /// <param name="granule">Cuts lie at multiples of this: what the kernels of both sides compute whole.</param>
    /// <param name="workers">The most workers that are asked for.</param>
    /// <param name="cpuUs">The CPU's time for so many elements with so many workers, with what it takes to hand the device the rest beyond <see cref="SyncCosts.DispatchUs"/>.</param>
    /// <param name="deviceUs">The device's time for so many elements.</param>
    /// <param name="localTo">See <see cref="LocalTo"/>.</param>
    public SplitAxis(OutputAxis axis, long extent, long granule, int workers, Func<long, int, double> cpuUs, Func<long, double> deviceUs, ImmutableArray<int> localTo = default)
    {
        (Axis, Extent, Granule, this.workers, this.cpuUs, this.deviceUs) = (axis, extent, granule, workers, cpuUs, deviceUs);
        LocalTo = localTo.IsDefault ? [] : localTo;
        Cuts = (int)Math.Max(0, (extent - 1) / granule);
        (knownCpuUs, knownDeviceUs) = (new double[Cuts * workers], new double[Cuts]);
        Array.Fill(knownCpuUs, double.NaN);
        Array.Fill(knownDeviceUs, double.NaN);
    }

    public OutputAxis Axis { get; }

    public long Extent { get; }

    public long Granule { get; }

    /// <summary>Places where it can be cut: the multiples of the granule inside.</summary>
    public int Cuts { get; }

    /// <summary>
    /// Predecessors of which each side reads only what it computed itself, where they are cut at the same place of the same axis: no side waits for the other.
    /// </summary>
    public ImmutableArray<int> LocalTo { get; }

    /// <summary>The CPU's time for what lies before a cut.</summary>
    public double CpuUs(long cut, int ofWorkers)
    {
        ref double known = ref knownCpuUs[(cut / Granule - 1) * workers + ofWorkers - 1];
        return double.IsNaN(known) ? known = cpuUs(cut, ofWorkers) : known;
    }

    /// <summary>The device's time for what lies behind a cut.</summary>
    public double DeviceUs(long cut)
    {
        ref double known = ref knownDeviceUs[cut / Granule - 1];
        return double.IsNaN(known) ? known = deviceUs(Extent - cut) : known;
    }

    /// <summary>The cut at which both sides take most nearly as long: the CPU's part takes longer the more it is.</summary>
    /// <param name="deviceLaterUs">What the device's part takes beside its time, more than the CPU's.</param>
    public long BalancedCut(int ofWorkers, double deviceLaterUs)
    {
        int low = 1, high = Cuts;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (CpuUs(middle * Granule, ofWorkers) >= DeviceUs(middle * Granule) + deviceLaterUs) high = middle;
            else low = middle + 1;
        }
        long cut = low * Granule, before = Math.Max(1, low - 1) * Granule;
        return PairUs(before) < PairUs(cut) ? before : cut;

        double PairUs(long at) => Math.Max(CpuUs(at, ofWorkers), DeviceUs(at) + deviceLaterUs);
    }
}

/// <summary>An operator and the times that are predicted for it.</summary>
/// <param name="CpuUs">By number of workers less one; all operators have as many entries.</param>
/// <param name="DeviceUs">On an idle device inside a list of commands; infinite where the device cannot run it.</param>
/// <param name="OutputBytes">What a transfer of the result moves.</param>
public sealed record JointOperator(string Name, ImmutableArray<double> CpuUs, double DeviceUs, ImmutableArray<SplitAxis> Axes, long OutputBytes = 0)
{
    /// <summary>Whether the device can run it.</summary>
    public bool FitsDevice => double.IsFinite(DeviceUs);

    /// <summary>What the CPU has to do with it.</summary>
    internal double CpuUsOf(JointChoice choice) => choice.Side switch
    {
        Side.Cpu => CpuUs[choice.Workers - 1],
        Side.Both => AxisOf(choice.Axis).CpuUs(choice.Cut, choice.Workers),
        _ => 0,
    };

    /// <summary>What the device has to do with it.</summary>
    internal double DeviceUsOf(JointChoice choice) => choice.Side switch
    {
        Side.Device => DeviceUs,
        Side.Both => AxisOf(choice.Axis).DeviceUs(choice.Cut),
        _ => 0,
    };

    internal SplitAxis AxisOf(OutputAxis axis)
    {
        foreach (SplitAxis candidate in Axes)
            if (candidate.Axis == axis) return candidate;
        throw new ArgumentException($"{Name} cannot be split along its {OutputAxes.NameOf(axis)}");
    }
}

/// <summary>What it costs that CPU and device work on one network.</summary>
/// <param name="DispatchUs">To start a list of commands on the device. The worker that does it has something else to do only then: its part of a split operator begins so much later.</param>
/// <param name="ToDeviceUs">Until a device's command that waits sees that the CPU is done.</param>
/// <param name="ToCpuUs">Until the CPU sees that the device is done.</param>
/// <param name="UsPerByte">To move a result between them; 0 where memory is shared.</param>
/// <param name="LaunchUs">What each further command of a list adds to the time in which it is started.</param>
public sealed record SyncCosts(double DispatchUs, double ToDeviceUs, double ToCpuUs, double UsPerByte = 0, double LaunchUs = 0)
{
    /// <summary>What a worker needs to hand the device a part of an operator before it begins its own.</summary>
    public double HandOverUs(in KernelFacts kernel) => DispatchUs + FurtherLaunchesUs(kernel);

    internal double FurtherLaunchesUs(in KernelFacts kernel) => LaunchUs * Math.Max(0, kernel.Launches - 1);

    /// <summary>From the end of an operator on the device until the CPU has its result.</summary>
    internal double BehindDeviceUs(JointOperator op) => ToCpuUs + UsPerByte * op.OutputBytes;

    internal bool IsSound => IsCost(DispatchUs) && IsCost(ToDeviceUs) && IsCost(ToCpuUs) && IsCost(UsPerByte) && IsCost(LaunchUs);

    private static bool IsCost(double value) => double.IsFinite(value) && value >= 0;
}

/// <summary>What is to be placed.</summary>
/// <param name="Dag">The dependencies of the operators.</param>
public sealed record JointProblem(Dag Dag, ImmutableArray<JointOperator> Operators, SyncCosts Sync)
{
    public int Workers => Operators.IsEmpty ? 1 : Operators[0].CpuUs.Length;
}
