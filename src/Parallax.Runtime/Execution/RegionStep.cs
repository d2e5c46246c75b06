using System.Diagnostics;
using Parallax.Graphs;

namespace Parallax.Runtime.Execution;

/// <summary>Bytes that a region needs in another place than everybody else.</summary>
internal readonly record struct RegionCopy(Slot From, Slot To);

/// <summary>A region that a device computes, and the CPU's kernels where the device is lost.</summary>
internal sealed class RegionStep(Node node, Operand?[] inputs, Operand?[] outputs, SessionDevice device, ICompiledRegion compiled, Node[] members) : Step(node, inputs, outputs)
{
    private long fastest = long.MaxValue;

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

    /// <summary>The same work on the CPU, prepared when it is needed.</summary>
    internal required Lazy<KernelStep[]> Twin { get; init; }

    internal override string Implementation => device.Lost is null ? device.Name : "cpu";

    internal override int Length => Math.Max(1, members.Length);

    /// <summary>The shortest time that the device took so far, copies of the caller's data included; null before the first.</summary>
    internal double? FastestUs => Volatile.Read(ref fastest) is var ticks and < long.MaxValue ? Stopwatch.GetElapsedTime(0, ticks).TotalMicroseconds : null;

    internal void Took(long ticks)
    {
        for (long now = Volatile.Read(ref fastest); ticks < now; now = Volatile.Read(ref fastest))
            if (Interlocked.CompareExchange(ref fastest, ticks, now) == now) return;
    }

    internal override void Run(StepRun run) => run.State.RegionRunOf(Branch)!.Run();

    public override void Dispose()
    {
        compiled.Dispose();
        if (Twin.IsValueCreated)
            foreach (KernelStep step in Twin.Value) step.Dispose();
        base.Dispose();
    }
}
