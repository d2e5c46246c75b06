using System.Collections.Immutable;
using Parallax.OpenCL;
using Parallax.Planning;
using Parallax.Runtime;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.OpenCL;

/// <summary>Runs models on the first device and on the CPU, and compares.</summary>
internal static class ClSessions
{
    internal const double Tolerance = 1e-4;

    private static readonly Lazy<ImmutableArray<ClBackend>> AllBackends = new(() =>
        [.. Enum.GetValues<ClSharing>().Where(ClDevice.All[0].Supports).Select(sharing => ClBackend.Open(ClDevice.All[0], new ClBackendOptions { Sharing = sharing, Strict = true }))]);

    /// <summary>One strict backend per way of sharing memory, kept for the whole run of the tests.</summary>
    internal static ImmutableArray<ClBackend> Backends => AllBackends.Value;

    internal static SessionOptions On(params ReadOnlySpan<IBackend> backends) => new() { Threads = 2, Mode = ScheduleMode.Parallel, Backends = [.. backends], OffloadAll = true };

    /// <summary>The CPU's outputs, in memory of their own.</summary>
    internal static Tensor[] OnCpu(byte[] model, Dictionary<string, Datum> inputs)
    {
        using var session = new InferenceSession(model, new SessionOptions { Threads = 2 });
        return Run(session, inputs);
    }

    internal static Tensor[] Run(InferenceSession session, Dictionary<string, Datum> inputs)
    {
        using RunResult result = session.Run(inputs);
        return [.. result.Select(o => ((Tensor)o.Value).Clone())];
    }

    internal static void AssertClose(Tensor[] expected, Tensor[] actual, string what, double tolerance = Tolerance)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.Equal(expected[i].Dims, actual[i].Dims);
            ClHarness.AssertClose(expected[i], actual[i], tolerance, $"{what}, output {i}");
        }
    }

    /// <summary>Every way of sharing memory gives what the CPU gives, has regions, and loses no device.</summary>
    internal static void AgreesWithCpu(byte[] model, Dictionary<string, Datum> inputs, string what, double tolerance = Tolerance)
    {
        Tensor[] expected = OnCpu(model, inputs);
        foreach (ClBackend backend in Backends)
        {
            using var session = new InferenceSession(model, On(backend));
            AssertClose(expected, Run(session, inputs), $"{what} under {backend.Sharing}", tolerance);
            Assert.Empty(session.Warnings);
            Assert.Contains(session.Explain(inputs).Branches, b => b.Device == "opencl");
        }
    }

    internal static Tensor Floats(int seed, params long[] dims) => Tensor.From(RandomData.Floats((int)Shape.Count(dims), seed), dims);
}

/// <summary>A backend that supports less than it could.</summary>
internal sealed class Narrowed(IBackend backend, string name, Func<Graphs.Node, string?> whyNot) : IBackend
{
    public string Name => name;

    public string Description => backend.Description;

    public AcceleratorModel Model => backend.Model;

    public IArenaAllocator? Allocator => backend.Allocator;

    public string? WhyNot(Graphs.Graph graph, Graphs.Node node) => whyNot(node) ?? backend.WhyNot(graph, node);

    public long? SplitGranule(Graphs.Graph graph, Graphs.Node node, OutputAxis axis) => backend.SplitGranule(graph, node, axis);

    public ICompiledRegion Compile(DeviceRegion region) => backend.Compile(region);

    public void Dispose()
    {
    }
}
