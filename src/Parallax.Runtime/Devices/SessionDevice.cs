using System.Globalization;
using Parallax.Graphs;
using Parallax.Planning;

namespace Parallax.Runtime;

/// <summary>A backend as one session uses it: until it fails. Thread-safe.</summary>
/// <param name="exclude">Nodes or operators, by name, that stay on the CPU.</param>
/// <param name="model">What its regions cost.</param>
/// <param name="isStrict">Whether the session's convolutions are sums of products.</param>
internal sealed class SessionDevice(IBackend backend, AcceleratorModel model, IReadOnlySet<string> exclude, bool isStrict = false)
{
    private volatile string? lost;

    /// <summary>With the sizes of work-groups that the model has.</summary>
    internal IBackend Backend { get; } = backend.Tuned(model.WorkGroups, isStrict);

    internal string Name => backend.Name;

    internal AcceleratorModel Model => model;

    /// <summary>The constants that regions are judged by, for people.</summary>
    internal string Costs => string.Create(CultureInfo.InvariantCulture,
        $"{(model.Device is null ? "assumed" : "measured")}: {model.LatencyUs:0.#} us to start, {model.MacsPerSecond / 1e9:0.###} GMAC/s, {model.BytesPerSecond / 1e9:0.###} GB/s{(model.WorkGroups is [] ? "" : $", tuned work-groups: {model.WorkGroups.Length}")}");

    /// <summary>Why the session no longer uses the device; null while it does.</summary>
    internal string? Lost => lost;

    /// <summary>Ends the use of the device; the first reason counts.</summary>
    internal void Lose(DeviceException failure) => lost ??= failure.Message;

    /// <summary>Memory that the device sees; null where the device has none to give, needs none, or is lost.</summary>
    internal Storage? TryAllocate(long byteCount)
    {
        if (lost is not null || backend.Allocator is not { } allocator) return null;
        try
        {
            return allocator.Allocate(byteCount);
        }
        catch (DeviceException e)
        {
            Lose(e);
            return null;
        }
    }

    /// <summary>The device as the partitioner sees it.</summary>
    /// <param name="whyNot">What the session cannot hand to any device; null where it can.</param>
    internal IRegionBackend For(Func<Node, string?> whyNot) => new Candidate(this, whyNot);

    private sealed class Candidate(SessionDevice device, Func<Node, string?> whyNot) : IRegionBackend
    {
        public string Name => device.Name;

        public AcceleratorModel Model => device.Model;

        public KernelFacts KernelOf(Graph graph, Node node, OutputPart? part) => device.Backend.KernelOf(graph, node, part);

        /// <summary>Cuts that both the device and the CPU can make.</summary>
        public long? SplitGranule(Graph graph, Node node, OutputAxis axis)
        {
            if (device.Backend.SplitGranule(graph, node, axis) is not { } ofDevice) return null;
            long ofCpu = Cpu.CpuParts.GranuleOf(graph, node, axis), common = (long)System.Numerics.BigInteger.GreatestCommonDivisor(ofDevice, ofCpu);
            return ofDevice / common * ofCpu;
        }

        public string? WhyNot(Graph graph, Node node) => device.WhyExcluded(node) ?? whyNot(node) ?? device.Backend.WhyNot(graph, node);
    }

    private string? WhyExcluded(Node node) => exclude.Contains(node.Name) || exclude.Contains(node.Op.Name) ? "excluded by the call" : null;
}
