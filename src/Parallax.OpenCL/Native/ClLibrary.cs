using System.Runtime.InteropServices;

namespace Parallax.OpenCL.Native;

/// <summary>The loader that hands out the OpenCL drivers of a machine. It is opened when somebody asks for a device, never before, and stays open.</summary>
internal static class ClLibrary
{
    /// <summary>Names the loader's file where it is not among the usual names.</summary>
    internal const string PathVariable = "PARALLAX_OPENCL_LIB";

    private static readonly Lazy<ClApi?> Loaded = new(() => Load(Environment.GetEnvironmentVariable(PathVariable)));

    /// <summary>The functions of this machine's loader; null where there is none.</summary>
    internal static ClApi? Api => Loaded.Value;

    /// <summary>The functions of a loader: that at <paramref name="path"/> alone, or the first of the usual ones. Null where there is none.</summary>
    internal static ClApi? Load(string? path) => Open(path) is var library and not 0 ? new ClApi(library) : null;

    /// <summary>A loader that knows OpenCL 1.2; 0 where there is none.</summary>
    internal static nint Open(string? path)
    {
        foreach (string name in string.IsNullOrEmpty(path) ? UsualNames() : [path])
        {
            if (!NativeLibrary.TryLoad(name, out nint library)) continue;
            if (NativeLibrary.TryGetExport(library, "clEnqueueMarkerWithWaitList", out _)) return library;
            NativeLibrary.Free(library);
        }
        return 0;
    }

    private static string[] UsualNames() =>
        OperatingSystem.IsWindows() ? ["OpenCL.dll"]
        : OperatingSystem.IsMacOS() ? ["/System/Library/Frameworks/OpenCL.framework/OpenCL"]
        : ["libOpenCL.so.1", "libOpenCL.so"];
}
