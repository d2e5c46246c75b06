using System.Collections.Immutable;
using System.Text.Json;
using Parallax.Cli.Commands;
using Parallax.Cli.Output;
using Parallax.OpenCL;
using Parallax.Planning;

namespace Parallax.Cli.Measuring;

/// <summary>An OpenCL device and how long it takes to hand it work, under its best way of sharing memory.</summary>
/// <param name="Number">As <c>--device opencl:N</c> takes it.</param>
/// <param name="Times">Null where the device failed.</param>
/// <param name="Failure">Null where it did not.</param>
/// <param name="WorkGroups">What the profile has for it.</param>
internal sealed record OpenClDevice(int Number, ClDevice Device, ClDispatchTimes? Times, string? Failure, ImmutableArray<TunedWorkGroup> WorkGroups)
{
    internal static OpenClDevice[] MeasureAll(DeviceProfile profile, CancellationToken cancellation) => [.. ClDevice.All.Select((device, i) => Measure(i, device, profile, cancellation))];

    private static OpenClDevice Measure(int number, ClDevice device, DeviceProfile profile, CancellationToken cancellation)
    {
        try
        {
            using ClBackend backend = ClBackend.Open(device);
            return new OpenClDevice(number, device, ClDispatchTimes.Measure(backend, cancellation), null, profile.Accelerator(backend.Name, backend.Description)?.WorkGroups ?? []);
        }
        catch (DeviceException e)
        {
            return new OpenClDevice(number, device, null, e.Message, []);
        }
    }

    internal static void Print(TextWriter output, OpenClDevice[] devices)
    {
        foreach (OpenClDevice d in devices)
        {
            ClDevice device = d.Device;
            output.WriteLine();
            output.WriteLine($"opencl:{d.Number} {device}, {device.Kind.ToString().ToLowerInvariant()}, driver {device.DriverVersion}, {device.Version}");
            output.WriteLine($"  units   {device.ComputeUnits} at {device.ClockMhz} MHz, {Numbers.Bytes(device.GlobalMemoryBytes)}, {Numbers.Bytes(device.LocalMemoryBytes)} local, work-groups of up to {device.MaxWorkGroup}");
            output.WriteLine($"  memory  shared as '{DeviceOptions.NameOf(device.BestSharing)}'; it has {(device.Svm == ClSvmCapabilities.None ? "no shared virtual memory" : device.Svm)}");
            output.WriteLine($"  half    {(device.WhyNotHalf is { } why ? $"no: {why}" : "yes, with --precision half")}");
            output.WriteLine(d.Times is { } t
                ? $"  dispatch {Numbers.Fixed(t.LaunchUs)} us a launch, {Numbers.Fixed(t.BatchedLaunchUs)} us in a batch of 100; its end is seen after {Numbers.Fixed(t.PollUs)} us by polling, {Numbers.Fixed(t.EventUs)} us by an event (measured, shortest)"
                : $"  failed: {d.Failure}");
            if (!d.WorkGroups.IsEmpty) output.WriteLine($"  tuned   {d.WorkGroups.Length} work-groups of the profile, by which operators were up to {Numbers.Fixed(d.WorkGroups.Max(g => g.Speedup), 2)} times as fast as by rule");
        }
        if (devices.Length > 0) return;
        output.WriteLine();
        output.WriteLine("opencl  no device");
    }

    internal void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteNumber("number", Number);
        json.WriteString("name", Device.Name);
        json.WriteString("platform", Device.Platform);
        json.WriteString("vendor", Device.Vendor);
        json.WriteString("driver", Device.DriverVersion);
        json.WriteString("version", Device.Version);
        json.WriteString("kind", Device.Kind.ToString().ToLowerInvariant());
        json.WriteNumber("computeUnits", Device.ComputeUnits);
        json.WriteNumber("clockMhz", Device.ClockMhz);
        json.WriteNumber("globalMemoryBytes", Device.GlobalMemoryBytes);
        json.WriteNumber("localMemoryBytes", Device.LocalMemoryBytes);
        json.WriteNumber("maxWorkGroup", Device.MaxWorkGroup);
        json.Strings("svm", Enum.GetValues<ClSvmCapabilities>().Where(c => c != ClSvmCapabilities.None && Device.Svm.HasFlag(c)).Select(c => c.ToString()));
        json.WriteBoolean("half", Device.HasHalf);
        json.WriteString("whyNotHalf", Device.WhyNotHalf);
        json.WriteString("sharing", DeviceOptions.NameOf(Device.BestSharing));
        json.Finite("launchUs", Times?.LaunchUs ?? double.NaN, 2);
        json.Finite("batchedLaunchUs", Times?.BatchedLaunchUs ?? double.NaN, 2);
        json.Finite("pollUs", Times?.PollUs ?? double.NaN, 2);
        json.Finite("eventUs", Times?.EventUs ?? double.NaN, 2);
        json.WriteNumber("tunedWorkGroups", WorkGroups.Length);
        if (Failure is not null) json.WriteString("failure", Failure);
        json.WriteEndObject();
    }
}
