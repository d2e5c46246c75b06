using Parallax.OpenCL;
using Parallax.Planning;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.OpenCL;

/// <summary>Layers that the CPU and an OpenCL device compute together, under every way of sharing memory.</summary>
public sealed class SplitTests
{
    private static readonly byte[] Model = SplitNetwork.Build();
    private static readonly Dictionary<string, Datum> Image = new() { ["x"] = SplitNetwork.Image() };

    private static SessionOptions Splitting(ClBackend backend, double share) => ClSessions.On(backend) with { OffloadAll = false, Splits = [new LayerSplit(LayerSplit.All, share)] };

    [ClTheory]
    [InlineData(ScheduleMode.Sequential, 1, ArenaCheck.Poisoned)]
    [InlineData(ScheduleMode.Parallel, 1, ArenaCheck.None)]
    [InlineData(ScheduleMode.Parallel, 3, ArenaCheck.Guarded)]
    [InlineData(ScheduleMode.Auto, 2, ArenaCheck.Poisoned)]
    public void Every_layer_agrees_with_the_CPU(ScheduleMode mode, int threads, ArenaCheck check)
    {
        Tensor[] expected = ClSessions.OnCpu(Model, Image);
        foreach (ClBackend backend in ClSessions.Backends)
            foreach (double share in (double[])[0.01, 0.5, 0.99])
            {
                using var session = new InferenceSession(Model, Splitting(backend, share) with { Mode = mode, Threads = threads, ArenaCheck = check });
                for (int run = 0; run < 3; run++) ClSessions.AssertClose(expected, ClSessions.Run(session, Image), $"share {share} under {backend.Sharing}, run {run}");
                Assert.Empty(session.Warnings);
                PlanReport plan = session.Explain(Image);
                Assert.Equal(SplitNetwork.Layers.Count, plan.Branches.Count(b => b is { Device: "cpu+opencl", Split: { MeasuredCpuUs: > 0, MeasuredWaitUs: >= 0 } }));
            }
    }

    [ClFact]
    public void Regions_beside_split_layers_agree_with_the_CPU()
    {
        Tensor[] expected = ClSessions.OnCpu(Model, Image);
        foreach (ClBackend backend in ClSessions.Backends)
        {
            using var session = new InferenceSession(Model, ClSessions.On(backend) with { Splits = [new LayerSplit("Conv", 0.4)] });
            for (int run = 0; run < 3; run++) ClSessions.AssertClose(expected, ClSessions.Run(session, Image), $"{backend.Sharing}, run {run}");
            Assert.Empty(session.Warnings);
            PlanReport plan = session.Explain(Image);
            Assert.Contains(plan.Branches, b => b.Device == "opencl");
            Assert.Contains(plan.Branches, b => b.Device == "cpu+opencl");
        }
    }

    /// <summary>The n-th launch, and the n-th copy back, fail.</summary>
    [ClTheory]
    [InlineData("clEnqueueNDRangeKernel", 0)]
    [InlineData("clEnqueueNDRangeKernel", 7)]
    [InlineData("clEnqueueReadBufferRect", 0)]
    [InlineData("clEnqueueReadBufferRect", 2)]
    [InlineData("clFlush", 3)]
    public void What_fails_is_computed_by_the_CPU(string call, int failAt)
    {
        Tensor[] expected = ClSessions.OnCpu(Model, Image);
        foreach (ClBackend usual in ClSessions.Backends)
        {
            var api = new FaultyApi();
            using ClBackend backend = ClBackend.Open(api.Device, new ClBackendOptions { Sharing = usual.Sharing });
            using var session = new InferenceSession(Model, Splitting(backend, 0.5));
            ClSessions.Run(session, Image);
            bool isCalled = api.Calls.Count(c => c == call) > failAt;
            int calls = 0;
            api.Reset(c => c == call && Interlocked.Increment(ref calls) - 1 == failAt ? -5 : 0);
            for (int run = 0; run < 3; run++) ClSessions.AssertClose(expected, ClSessions.Run(session, Image), $"{call} {failAt} under {usual.Sharing}, run {run}");
            Assert.Equal(isCalled ? 1 : 0, session.Warnings.Count);
            if (usual.Sharing == ClSharing.Copied) Assert.True(isCalled, $"{call} is not called {failAt + 1} times");
        }
    }
}
