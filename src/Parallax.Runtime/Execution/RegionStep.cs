using System.Diagnostics;
using Parallax.Graphs;
using Parallax.Planning;

namespace Parallax.Runtime.Execution;

/// <summary>Bytes that a region needs in another place than everybody else.</summary>
internal readonly record struct RegionCopy(Slot From, Slot To);

/// <summary>A region that a device computes, and the CPU's kernels where the device is lost. Where it is a split node, the CPU computes a part of it in any case.</summary>
internal sealed class RegionStep(Node node, Operand?[] inputs, Operand?[] outputs, SessionDevice device, ICompiledRegion compiled, Node[] members) : Step(node, inputs, outputs)
{
    private readonly Lock gate = new();
    private RegionTime fastest = new(long.MaxValue, 0);

    internal SessionDevice Device => device;

    internal ICompiledRegion Compiled => compiled;

    /// <summary>The nodes, as <see cref="ICompiledRegion.Kernels"/> counts them.</summary>
    internal Node[] Members => members;

    /// <summary>The branch that the region is.</summary>
    internal required int Branch { get; init; }

    /// <summary>By place of the region.</summary>
    internal required Slot[] Places { get; init; }

    internal required RegionCopy[] CopiesIn { get; init; }

    internal required RegionCopy[] CopiesOut { get; init; }

    /// <summary>The CPU's part of a split node; null where the device computes all.</summary>
    internal required KernelStep? CpuPart { get; init; }

    /// <summary>What the device computes, on the CPU; prepared when it is needed.</summary>
    internal required Lazy<KernelStep[]> Twin { get; init; }

    internal override string Implementation => device.Lost is not null ? Placement.Cpu : CpuPart is null ? device.Name : $"{Placement.Cpu}+{device.Name}";

    internal override KernelStep? OnCpu => CpuPart;

    internal override int Length => Math.Max(1, members.Length);

    /// <summary>The run in which the region took least time with the device, copies of the caller's data included; null before the first.</summary>
    internal RegionTime? Fastest
    {
        get
        {
            lock (gate) return fastest.Ticks < long.MaxValue ? fastest : null;
        }
    }

    internal void Took(RegionTime time)
    {
        lock (gate)
            if (time.Ticks < fastest.Ticks) fastest = time;
    }

    internal override void Run(StepRun run) => run.State.RegionRunOf(Branch)!.Run(run);

    public override void Dispose()
    {
        compiled.Dispose();
        CpuPart?.Dispose();
        if (Twin.IsValueCreated)
            foreach (KernelStep step in Twin.Value) step.Dispose();
        base.Dispose();
    }
}

/// <summary>How long one run of a region took, in ticks of <see cref="Stopwatch"/>.</summary>
/// <param name="CpuTicks">Of <paramref name="Ticks"/>, until the CPU's part of a split node was done; the rest was waiting for the device. 0 where the device computed all.</param>
internal readonly record struct RegionTime(long Ticks, long CpuTicks)
{
    internal double Us => Stopwatch.GetElapsedTime(0, Ticks).TotalMicroseconds;

    internal double CpuUs => Stopwatch.GetElapsedTime(0, CpuTicks).TotalMicroseconds;
}
