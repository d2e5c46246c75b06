using System.Runtime.InteropServices;

namespace Parallax.OrtPeer;

/// <summary>
/// ONNX Runtime's C interface: a library with one entry point, <c>OrtGetApiBase</c>, which leads to a table of functions. Positions in the table are
/// those of <c>onnxruntime_c_api.h</c>; they never change from version to version, functions are only added at the end.
/// </summary>
internal sealed unsafe class OrtApi
{
    /// <summary>The version of the table asked for: old enough for many libraries, and all functions used here are in it.</summary>
    private const uint ApiVersion = 14;

    private static readonly Lock Gate = new();
    private static readonly Dictionary<string, OrtApi> Loaded = [];

    private readonly nint* table;
    private readonly nint environment;

    private OrtApi(string library)
    {
        nint handle;
        try
        {
            handle = NativeLibrary.Load(library);
        }
        catch (Exception error) when (error is DllNotFoundException or BadImageFormatException)
        {
            throw new InvalidInputException($"{library}: cannot be loaded as ONNX Runtime ({error.Message.ReplaceLineEndings(" ")})", error);
        }
        if (!NativeLibrary.TryGetExport(handle, "OrtGetApiBase", out nint entry)) throw new InvalidInputException($"{library}: no ONNX Runtime, it has no OrtGetApiBase");
        var apiBase = (nint*)((delegate* unmanaged<nint>)entry)();
        Version = Marshal.PtrToStringUTF8(((delegate* unmanaged<nint>)apiBase[1])()) ?? "";
        table = (nint*)((delegate* unmanaged<uint, nint>)apiBase[0])(ApiVersion);
        if (table is null) throw new InvalidInputException($"{library}: ONNX Runtime {Version} does not offer version {ApiVersion} of its interface");
        const int severityError = 3;
        nint created;
        fixed (byte* logId = "parallax\0"u8)
            Check(((delegate* unmanaged<int, byte*, nint*, nint>)this[Function.CreateEnv])(severityError, logId, &created), "environment");
        environment = created;
    }

    /// <summary>The version of the library, such as 1.30.0.</summary>
    public string Version { get; }

    /// <summary>One environment for all sessions of the process; it is never released, as the library advises.</summary>
    public nint Environment => environment;

    /// <summary>The library, loaded on the first call for its path and kept.</summary>
    public static OrtApi Load(string library)
    {
        string path = Path.GetFullPath(library);
        if (!File.Exists(path)) throw new InvalidInputException($"{library}: no such file; expected ONNX Runtime's library");
        lock (Gate)
        {
            if (!Loaded.TryGetValue(path, out OrtApi? api)) Loaded.Add(path, api = new OrtApi(path));
            return api;
        }
    }

    public nint this[Function function] => table[(int)function];

    /// <summary>Throws what the library says where a call did not succeed.</summary>
    public void Check(nint status, string what)
    {
        if (status == 0) return;
        string message = Marshal.PtrToStringUTF8(((delegate* unmanaged<nint, nint>)this[Function.GetErrorMessage])(status)) ?? "unknown error";
        Release(Function.ReleaseStatus, status);
        throw new DeviceException($"ONNX Runtime, {what}: {message}");
    }

    public void Release(Function release, nint thing)
    {
        if (thing != 0) ((delegate* unmanaged<nint, void>)this[release])(thing);
    }

    /// <summary>A function of a thing and an int: most settings.</summary>
    public void Set(Function function, nint thing, int value) =>
        Check(((delegate* unmanaged<nint, int, nint>)this[function])(thing, value), function.ToString());

    /// <summary>A function that makes something from nothing.</summary>
    public nint Create(Function function)
    {
        nint created;
        Check(((delegate* unmanaged<nint*, nint>)this[function])(&created), function.ToString());
        return created;
    }

    /// <summary>A function that tells a number or a thing of another thing.</summary>
    public nint Get(Function function, nint thing)
    {
        nint result;
        Check(((delegate* unmanaged<nint, nint*, nint>)this[function])(thing, &result), function.ToString());
        return result;
    }

    /// <summary>Positions in the table.</summary>
    public enum Function
    {
        GetErrorMessage = 2,
        CreateEnv = 3,
        CreateSession = 7,
        Run = 9,
        CreateSessionOptions = 10,
        SetSessionExecutionMode = 13,
        SetSessionGraphOptimizationLevel = 23,
        SetIntraOpNumThreads = 24,
        SetInterOpNumThreads = 25,
        SessionGetInputCount = 30,
        SessionGetOutputCount = 31,
        SessionGetInputName = 36,
        SessionGetOutputName = 37,
        CreateTensorWithDataAsOrtValue = 49,
        GetTensorMutableData = 51,
        GetTensorElementType = 60,
        GetDimensionsCount = 61,
        GetDimensions = 62,
        GetTensorTypeAndShape = 65,
        CreateCpuMemoryInfo = 69,
        AllocatorFree = 76,
        GetAllocatorWithDefaultOptions = 78,
        ReleaseStatus = 93,
        ReleaseMemoryInfo = 94,
        ReleaseSession = 95,
        ReleaseValue = 96,
        ReleaseTensorTypeAndShapeInfo = 99,
        ReleaseSessionOptions = 100,
        AddFreeDimensionOverrideByName = 124,
    }
}
