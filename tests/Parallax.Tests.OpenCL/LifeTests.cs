using System.Diagnostics;
using Parallax.OpenCL;
using Xunit;

namespace Parallax.Tests.OpenCL;

/// <summary>Whole lives of contexts. Runs alone: the memory of the process is that of all tests under way.</summary>
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
            if (i == 300) early = ResidentBytes();
            api.Reset();
            using (var context = new ClContext(device, modes[i % modes.Length]))
            using (var scaling = new Scaling(context, i, 64))
            {
                scaling.Run();
                scaling.AssertRight();
            }
            Assert.Equal(0, api.LiveObjects);
        }
        Assert.InRange(ResidentBytes() - early, long.MinValue, 16 << 20);
    }

    private static long ResidentBytes()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        using var self = Process.GetCurrentProcess();
        return self.WorkingSet64;
    }
}
