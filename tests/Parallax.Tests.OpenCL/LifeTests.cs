using Parallax.OpenCL;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.OpenCL;

/// <summary>Whole lives of contexts and sessions. Runs alone: the memory of the process is that of all tests under way.</summary>
[Collection(nameof(LifeTests))]
[CollectionDefinition(nameof(LifeTests), DisableParallelization = true)]
public sealed class LifeTests
{
    [ClFact]
    public void A_thousand_lives_leave_nothing()
    {
        var api = new FaultyApi();
        ClDevice device = api.Device;
        ClSharing[] modes = [.. Enum.GetValues<ClSharing>().Where(device.Supports)];
        long early = 0;
        for (int i = 0; i < 1000; i++)
        {
            if (i == 300) early = ProcessMemory.ResidentBytes();
            api.Reset();
            using (var context = new ClContext(device, modes[i % modes.Length]))
            using (var scaling = new Scaling(context, i, 64))
            {
                scaling.Run();
                scaling.AssertRight();
            }
            Assert.Equal(0, api.LiveObjects);
        }
        Assert.InRange(ProcessMemory.ResidentBytes() - early, long.MinValue, 16 << 20);
    }

    [ClFact]
    public void A_thousand_sessions_leave_nothing()
    {
        byte[] model = BranchyNetwork.Build(5, stages: 1, branches: 2, channels: 4);
        var inputs = new Dictionary<string, Datum> { ["x"] = BranchyNetwork.Image(4, 9, 11) };
        Tensor[] expected = ClSessions.OnCpu(model, inputs);
        var api = new FaultyApi();
        ClDevice device = api.Device;
        ClSharing[] modes = [.. Enum.GetValues<ClSharing>().Where(device.Supports)];
        foreach (ClSharing sharing in modes)
        {
            using (ClBackend backend = ClBackend.Open(device, new ClBackendOptions { Sharing = sharing }))
            {
                long early = 0;
                int idle = 0;
                for (int i = 0; i < 1000 / modes.Length; i++)
                {
                    using (var session = new InferenceSession(model, ClSessions.On(backend)))
                    {
                        ClSessions.AssertClose(expected, ClSessions.Run(session, inputs), $"session {i} under {sharing}");
                        Assert.Empty(session.Warnings);
                    }
                    if (i == 0) idle = api.LiveObjects;
                    if (i == 100) early = ProcessMemory.ResidentBytes();
                    Assert.Equal(idle, api.LiveObjects);
                    api.Reset();
                }
                Assert.InRange(ProcessMemory.ResidentBytes() - early, long.MinValue, 16 << 20);
            }
            Assert.Equal(0, api.LiveObjects);
        }
    }
}
