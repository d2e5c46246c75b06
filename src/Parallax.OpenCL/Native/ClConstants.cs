namespace Parallax.OpenCL.Native;

/// <summary>The numbers of the OpenCL headers that are used here, under the headers' names without their prefix.</summary>
internal static class ClConstants
{
    internal const int Success = 0, DeviceNotFound = -1, BuildProgramFailure = -11, InvalidOperation = -59, PlatformNotFound = -1001;

    internal const uint PlatformVersion = 0x0901, PlatformName = 0x0902;

    internal const ulong DeviceTypeCpu = 1 << 1, DeviceTypeGpu = 1 << 2, DeviceTypeAccelerator = 1 << 3, DeviceTypeAll = 0xFFFFFFFF;

    internal const uint DeviceType = 0x1000, DeviceMaxComputeUnits = 0x1002, DeviceMaxWorkGroupSize = 0x1004, DeviceMaxWorkItemSizes = 0x1005, DeviceMaxClockFrequency = 0x100C,
        DeviceMaxMemAllocSize = 0x1010, DeviceGlobalMemSize = 0x101F, DeviceLocalMemSize = 0x1023, DeviceName = 0x102B, DeviceVendor = 0x102C,
        DriverVersion = 0x102D, DeviceVersion = 0x102F, DeviceExtensions = 0x1030, DeviceHalfFpConfig = 0x1033, DeviceNativeVectorWidthFloat = 0x103A, DeviceOpenClCVersion = 0x103D, DeviceSvmCapabilities = 0x1053;

    internal const ulong FpInfNan = 1 << 1, FpRoundToNearest = 1 << 2;

    internal const ulong SvmCoarseGrainBuffer = 1, SvmFineGrainBuffer = 2, SvmFineGrainSystem = 4, SvmAtomics = 8;

    internal const ulong MemReadWrite = 1, MemSvmFineGrainBuffer = 1 << 10, MemSvmAtomics = 1 << 11;


    internal const uint ProgramBinarySizes = 0x1165, ProgramBinaries = 0x1166, ProgramBuildLog = 0x1183;

    internal const uint EventCommandExecutionStatus = 0x11D3;
}
