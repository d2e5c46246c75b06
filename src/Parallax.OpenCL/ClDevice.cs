using System.Collections.Immutable;
using Parallax.OpenCL.Native;
using Parallax.Planning;
using static Parallax.OpenCL.Native.ClConstants;

namespace Parallax.OpenCL;

/// <summary>An OpenCL device of this machine and what it says of itself. Immutable.</summary>
public sealed class ClDevice
{
    private static readonly Lazy<ImmutableArray<ClDevice>> Found = new(() => ClLibrary.Api is { } api ? ClDiscovery.Devices(api) : []);

    internal ClDevice(ClApi api, nint id, nint platformId)
    {
        var info = new ClInfo(api, id);
        Api = api;
        Id = id;
        PlatformId = platformId;
        Platform = ClInfo.PlatformText(api, platformId, PlatformName);
        PlatformRelease = ClInfo.PlatformText(api, platformId, ClConstants.PlatformVersion);
        Name = info.Text(DeviceName);
        Vendor = info.Text(DeviceVendor);
        DriverVersion = info.Text(ClConstants.DriverVersion);
        Version = info.Text(DeviceVersion);
        LanguageVersion = info.Text(DeviceOpenClCVersion);
        Kind = info.Number<ulong>(DeviceType) switch
        {
            var type when (type & DeviceTypeGpu) != 0 => ClDeviceKind.Gpu,
            var type when (type & DeviceTypeCpu) != 0 => ClDeviceKind.Cpu,
            var type when (type & DeviceTypeAccelerator) != 0 => ClDeviceKind.Accelerator,
            _ => ClDeviceKind.Other,
        };
        ComputeUnits = (int)info.Number<uint>(DeviceMaxComputeUnits);
        ClockMhz = (int)info.Number<uint>(DeviceMaxClockFrequency);
        GlobalMemoryBytes = (long)info.Number<ulong>(DeviceGlobalMemSize);
        LocalMemoryBytes = (long)info.Number<ulong>(DeviceLocalMemSize);
        MaxAllocationBytes = (long)info.Number<ulong>(DeviceMaxMemAllocSize);
        MaxWorkGroup = (int)info.Number<nuint>(DeviceMaxWorkGroupSize);
        WidestWorkGroup = info.WidestWorkGroup();
        NativeVectorFloats = (int)info.Number<uint>(DeviceNativeVectorWidthFloat);
        Svm = api.HasSvm && info.TryNumber(DeviceSvmCapabilities, out ulong svm) ? (ClSvmCapabilities)svm : ClSvmCapabilities.None;
        const ulong Wanted = FpInfNan | FpRoundToNearest;
        WhyNotHalf = !info.Text(DeviceExtensions).Split(' ').Contains("cl_khr_fp16") ? "it has no cl_khr_fp16"
            : !info.TryNumber(DeviceHalfFpConfig, out ulong half) || (half & Wanted) != Wanted ? "its half precision is not rounded to nearest or has no infinities" : null;
    }

    /// <summary>Every device of every driver, in the loader's order; empty where there is no OpenCL. The loader is opened by the first call.</summary>
    public static ImmutableArray<ClDevice> All => Found.Value;

    public string Platform { get; }

    /// <summary>The version of the platform, as its driver words it.</summary>
    public string PlatformRelease { get; }

    public string Name { get; }

    public string Vendor { get; }

    public string DriverVersion { get; }

    /// <summary>The version of OpenCL and of the device, as its driver words them.</summary>
    public string Version { get; }

    public ClDeviceKind Kind { get; }

    public int ComputeUnits { get; }

    public int ClockMhz { get; }

    public long GlobalMemoryBytes { get; }

    /// <summary>Memory that the items of one work-group share.</summary>
    public long LocalMemoryBytes { get; }

    public long MaxAllocationBytes { get; }

    /// <summary>Items of the largest work-group.</summary>
    public int MaxWorkGroup { get; }

    /// <summary>Items of a work-group along each dim, at most.</summary>
    public WorkGroupSize WidestWorkGroup { get; }

    /// <summary>Floats of the widest vector that an instruction works on; 1 on devices whose items are the lanes.</summary>
    public int NativeVectorFloats { get; }

    public ClSvmCapabilities Svm { get; }

    /// <summary>Whether it computes in half precision, rounded to nearest, with infinities.</summary>
    public bool HasHalf => WhyNotHalf is null;

    /// <summary>Why it does not compute in half precision; null where it does.</summary>
    public string? WhyNotHalf { get; }

    public ClSharing BestSharing => Supports(ClSharing.FineGrainedAtomics) ? ClSharing.FineGrainedAtomics
        : Supports(ClSharing.FineGrained) ? ClSharing.FineGrained : ClSharing.Copied;

    /// <summary>What built programs and measured times depend on.</summary>
    public string Identity => string.Join(", ", Platform, PlatformRelease, Name, DriverVersion, $"{ComputeUnits} units");

    internal ClApi Api { get; }

    internal nint Id { get; }

    internal nint PlatformId { get; }

    /// <summary>Floats of a vector that an item should compute on: on a processor items run one after another, elsewhere they are the lanes of vectors.</summary>
    internal int Lanes => Kind != ClDeviceKind.Cpu ? 1 : NativeVectorFloats >= 16 ? 16 : NativeVectorFloats >= 8 ? 8 : 4;

    /// <summary>The device's OpenCL C, "OpenCL C 3.0 ...".</summary>
    internal string LanguageVersion { get; }

    public bool Supports(ClSharing sharing) => sharing switch
    {
        ClSharing.FineGrainedAtomics => Svm.HasFlag(ClSvmCapabilities.FineGrainBuffer | ClSvmCapabilities.Atomics),
        ClSharing.FineGrained => Svm.HasFlag(ClSvmCapabilities.FineGrainBuffer),
        _ => true,
    };

    /// <summary>Whether work-groups may have such a size, as far as the device says; a kernel that takes many registers may still be refused.</summary>
    internal bool Takes(WorkGroupSize size) =>
        size.X <= WidestWorkGroup.X && size.Y <= WidestWorkGroup.Y && size.Z <= WidestWorkGroup.Z && (long)size.X * size.Y * size.Z <= MaxWorkGroup;

    public override string ToString() => $"{Name} ({Platform})";
}
