using System.Globalization;
using Parallax.OpenCL;

namespace Parallax.Bench.CoExecution;

/// <summary>What it takes to have a device do nothing much and to see that it has, in one way of sharing memory.</summary>
internal sealed record SharingCosts(string Sharing, ClDispatchTimes Times)
{
    /// <summary>Of every way that the device has, best first.</summary>
    internal static SharingCosts[] MeasureAll(ClDevice device) => [.. Enum.GetValues<ClSharing>().Where(device.Supports).Select(sharing =>
    {
        using ClBackend backend = ClBackend.Open(device, new ClBackendOptions { Sharing = sharing });
        return new SharingCosts($"{sharing}", ClDispatchTimes.Measure(backend));
    })];

    internal static void Print(TextWriter output, SharingCosts[] all)
    {
        output.WriteLine();
        output.WriteLine($"{"us",-20} {"launch, finish",15} {"of 100 launches",16} {"launch, polled",15} {"launch, slept",14}");
        foreach ((string sharing, ClDispatchTimes t) in all)
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{sharing,-20} {t.LaunchUs,15:0.0} {t.BatchedLaunchUs,16:0.0} {t.PollUs,15:0.0} {t.EventUs,14:0.0}"));
        output.WriteLine();
    }
}
