using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Parallax.OpenCL.Native;
using Parallax.Planning;

namespace Parallax.OpenCL;

/// <summary>Asks a loader for its devices.</summary>
internal static unsafe class ClDiscovery
{
    /// <summary>The devices of every platform that answers. A platform or device that fails is left out, so that a broken driver hides no other.</summary>
    internal static ImmutableArray<ClDevice> Devices(ClApi api)
    {
        var devices = ImmutableArray.CreateBuilder<ClDevice>();
        foreach (nint platform in Platforms(api))
            foreach (nint id in Devices(api, platform))
            {
                try
                {
                    devices.Add(new ClDevice(api, id, platform));
                }
                catch (DeviceException)
                {
                    // It does not answer: it is not there.
                }
            }
        return devices.DrainToImmutable();
    }

    private static nint[] Platforms(ClApi api)
    {
        uint count;
        if (api.GetPlatformIDs(0, null, &count) != ClConstants.Success) return [];
        var ids = new nint[count];
        fixed (nint* into = ids) return count > 0 && api.GetPlatformIDs(count, into, null) == ClConstants.Success ? ids : [];
    }

    private static nint[] Devices(ClApi api, nint platform)
    {
        uint count;
        if (api.GetDeviceIDs(platform, ClConstants.DeviceTypeAll, 0, null, &count) != ClConstants.Success) return [];
        var ids = new nint[count];
        fixed (nint* into = ids) return count > 0 && api.GetDeviceIDs(platform, ClConstants.DeviceTypeAll, count, into, null) == ClConstants.Success ? ids : [];
    }
}

/// <summary>Reads facts about a device.</summary>
internal readonly unsafe struct ClInfo(ClApi api, nint device)
{
    internal T Number<T>(uint what) where T : unmanaged
    {
        T value = default;
        ClErrors.Check(api.GetDeviceInfo(device, what, (nuint)sizeof(T), &value, null), "clGetDeviceInfo", "a device");
        return value;
    }

    /// <summary>False where the device is too old for the question.</summary>
    internal bool TryNumber(uint what, out ulong value)
    {
        fixed (ulong* into = &value) return api.GetDeviceInfo(device, what, sizeof(ulong), into, null) == ClConstants.Success;
    }

    internal string Text(uint what) => ClText.FromZeroTerminated(Bytes(what));

    /// <summary>Of a list of numbers with one for each dim that the device has, three or more, the first three.</summary>
    internal WorkGroupSize WidestWorkGroup()
    {
        ReadOnlySpan<nuint> items = MemoryMarshal.Cast<byte, nuint>(Bytes(ClConstants.DeviceMaxWorkItemSizes));
        return new WorkGroupSize(Count(items[0]), Count(items[1]), Count(items[2]));

        static int Count(nuint items) => (int)Math.Min(items, int.MaxValue);
    }

    private byte[] Bytes(uint what)
    {
        nuint count;
        ClErrors.Check(api.GetDeviceInfo(device, what, 0, null, &count), "clGetDeviceInfo", "a device");
        var bytes = new byte[count];
        fixed (byte* into = bytes) ClErrors.Check(api.GetDeviceInfo(device, what, count, into, null), "clGetDeviceInfo", "a device");
        return bytes;
    }

    internal static string PlatformText(ClApi api, nint platform, uint what)
    {
        nuint bytes;
        ClErrors.Check(api.GetPlatformInfo(platform, what, 0, null, &bytes), "clGetPlatformInfo", "a platform");
        var text = new byte[bytes];
        fixed (byte* into = text) ClErrors.Check(api.GetPlatformInfo(platform, what, bytes, into, null), "clGetPlatformInfo", "a platform");
        return ClText.FromZeroTerminated(text);
    }
}
