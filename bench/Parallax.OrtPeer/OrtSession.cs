using System.Runtime.InteropServices;
using System.Text;
using static Parallax.OrtPeer.OrtApi;

namespace Parallax.OrtPeer;

/// <summary>
/// A model in ONNX Runtime, for measuring beside ours: sequential execution, all graph optimizations, a fixed number of threads.
/// One run at a time.
/// </summary>
public sealed unsafe class OrtSession : IDisposable
{
    private readonly OrtApi api;
    private readonly nint session, memoryInfo;
    private readonly nint[] inputNames, outputNames;

    /// <summary>Loads a model file.</summary>
    /// <param name="library">Path of ONNX Runtime's library, see <see cref="FindLibrary"/>.</param>
    /// <param name="dimensions">Values for symbolic dims, by name, so that the library can plan for them.</param>
    /// <exception cref="InvalidInputException">The library cannot be loaded.</exception>
    /// <exception cref="DeviceException">It refuses the model.</exception>
    public OrtSession(string library, string modelPath, int threads, IReadOnlyDictionary<string, long>? dimensions = null)
    {
        api = OrtApi.Load(library);
        nint options = api.Create(Function.CreateSessionOptions);
        try
        {
            Configure(options, threads, dimensions);
            session = Open(modelPath, options);
        }
        finally
        {
            api.Release(Function.ReleaseSessionOptions, options);
        }
        const int arenaAllocator = 1, defaultMemory = 0;
        nint info;
        api.Check(((delegate* unmanaged<int, int, nint*, nint>)api[Function.CreateCpuMemoryInfo])(arenaAllocator, defaultMemory, &info), "memory info");
        memoryInfo = info;
        inputNames = Names(Function.SessionGetInputCount, Function.SessionGetInputName);
        outputNames = Names(Function.SessionGetOutputCount, Function.SessionGetOutputName);
        Inputs = [.. inputNames.Select(Text)];
        Outputs = [.. outputNames.Select(Text)];
    }

    /// <summary>Threads of ONNX Runtime spin for 50 to 120 ms after a run: who is measured after it waits so long, or pays for it.</summary>
    public static TimeSpan Settling { get; } = TimeSpan.FromMilliseconds(150);

    /// <summary>The library's version.</summary>
    public string Version => api.Version;

    public IReadOnlyList<string> Inputs { get; }

    public IReadOnlyList<string> Outputs { get; }

    /// <summary>The library's path: the one given, or the one that PARALLAX_ORT_LIB names.</summary>
    /// <exception cref="InvalidInputException">Neither is given, or there is no such file.</exception>
    public static string FindLibrary(string? given = null)
    {
        string path = given ?? (Environment.GetEnvironmentVariable("PARALLAX_ORT_LIB") is { Length: > 0 } named ? named : null)
            ?? throw new InvalidInputException("where ONNX Runtime's library lies must be said by --ort-lib or PARALLAX_ORT_LIB");
        return File.Exists(path) ? path : throw new InvalidInputException($"{path}: no such file; expected ONNX Runtime's library");
    }

    /// <summary>Runs the model. The inputs' memory is used where it lies; the outputs stay the library's until the result is disposed.</summary>
    public OrtRun Run(IReadOnlyDictionary<string, Tensor> inputs)
    {
        var values = new nint[inputNames.Length];
        var results = new nint[outputNames.Length];
        try
        {
            for (int i = 0; i < values.Length; i++)
                values[i] = Wrap(inputs.TryGetValue(Inputs[i], out Tensor? tensor) ? tensor : throw new InvalidInputException($"input '{Inputs[i]}' is missing"));
            var run = (delegate* unmanaged<nint, nint, nint*, nint*, nint, nint*, nint, nint*, nint>)api[Function.Run];
            fixed (nint* names = inputNames, data = values, wanted = outputNames, target = results)
                api.Check(run(session, 0, names, data, values.Length, wanted, results.Length, target), "run");
        }
        finally
        {
            foreach (nint value in values) api.Release(Function.ReleaseValue, value);
            GC.KeepAlive(inputs);
        }
        return new OrtRun(api, Outputs, results);
    }

    public void Dispose()
    {
        api.Release(Function.ReleaseSession, session);
        api.Release(Function.ReleaseMemoryInfo, memoryInfo);
        nint allocator = api.Create(Function.GetAllocatorWithDefaultOptions);
        foreach (nint name in inputNames.Concat(outputNames))
            api.Check(((delegate* unmanaged<nint, nint, nint>)api[Function.AllocatorFree])(allocator, name), "free");
    }

    private void Configure(nint options, int threads, IReadOnlyDictionary<string, long>? dimensions)
    {
        const int sequential = 0, allOptimizations = 99;
        api.Set(Function.SetSessionExecutionMode, options, sequential);
        api.Set(Function.SetSessionGraphOptimizationLevel, options, allOptimizations);
        api.Set(Function.SetIntraOpNumThreads, options, threads);
        api.Set(Function.SetInterOpNumThreads, options, 1);
        foreach (var (name, value) in dimensions ?? new Dictionary<string, long>())
            fixed (byte* utf8 = Utf8(name))
                api.Check(((delegate* unmanaged<nint, byte*, long, nint>)api[Function.AddFreeDimensionOverrideByName])(options, utf8, value), $"dim {name}");
    }

    private nint Open(string modelPath, nint options)
    {
        nint opened;
        if (OperatingSystem.IsWindows())
            fixed (char* path = modelPath)
                api.Check(((delegate* unmanaged<nint, char*, nint, nint*, nint>)api[Function.CreateSession])(api.Environment, path, options, &opened), modelPath);
        else
            fixed (byte* path = Utf8(modelPath))
                api.Check(((delegate* unmanaged<nint, byte*, nint, nint*, nint>)api[Function.CreateSession])(api.Environment, path, options, &opened), modelPath);
        return opened;
    }

    private nint Wrap(Tensor tensor)
    {
        if (tensor.DType == DType.String) throw new InvalidInputException("string inputs are not supported beside ONNX Runtime");
        nint value;
        var create = (delegate* unmanaged<nint, nint, nint, long*, nint, int, nint*, nint>)api[Function.CreateTensorWithDataAsOrtValue];
        fixed (long* dims = tensor.Dims)
            api.Check(create(memoryInfo, tensor.Address, (nint)tensor.ByteCount, dims, tensor.Rank, (int)tensor.DType, &value), "input tensor");
        return value;
    }

    private nint[] Names(Function count, Function name)
    {
        nint allocator = api.Create(Function.GetAllocatorWithDefaultOptions);
        var names = new nint[(int)api.Get(count, session)];
        for (int i = 0; i < names.Length; i++)
        {
            nint text;
            api.Check(((delegate* unmanaged<nint, nint, nint, nint*, nint>)api[name])(session, i, allocator, &text), name.ToString());
            names[i] = text;
        }
        return names;
    }

    private static string Text(nint utf8) => Marshal.PtrToStringUTF8(utf8) ?? "";

    private static byte[] Utf8(string text) => Encoding.UTF8.GetBytes(text + '\0');
}
