using System.Collections.Concurrent;
using System.Text;
using Parallax.OpenCL.Native;

namespace Parallax.OpenCL;

/// <summary>The kernels of one family, built with one set of options. Belongs to its context. Thread-safe.</summary>
internal sealed class ClProgram : IDisposable
{
    private readonly ClContext context;
    private readonly ClProgramHandle handle;
    private readonly ConcurrentDictionary<string, Lazy<ClKernel>> kernels = [];

    internal ClProgram(ClContext context, ClProgramHandle handle) => (this.context, this.handle) = (context, handle);

    /// <summary>A kernel by its name in the source; the same object every time.</summary>
    /// <exception cref="DeviceException">There is no such kernel.</exception>
    internal ClKernel Kernel(string name) => kernels.GetOrAdd(name, static (n, self) => new Lazy<ClKernel>(() => self.Create(n)), this).Value;

    private unsafe ClKernel Create(string name)
    {
        int error;
        fixed (byte* text = ClText.ZeroTerminated(name))
        {
            nint kernel = context.Api.CreateKernel(handle.Value, text, &error);
            context.Check(error, $"clCreateKernel({name})");
            return new ClKernel(name, new ClKernelHandle(context.Api, kernel));
        }
    }

    public void Dispose()
    {
        foreach (Lazy<ClKernel> kernel in kernels.Values)
            if (kernel.IsValueCreated) kernel.Value.Dispose();
        handle.Dispose();
    }
}

/// <summary>A kernel. Its arguments are set under the lock of its context.</summary>
/// <param name="handle">Null where it is only named, and not to be launched.</param>
internal sealed class ClKernel(string name, ClKernelHandle? handle) : IDisposable
{
    internal string Name => name;

    internal ClKernelHandle Handle => handle ?? throw new InvalidOperationException($"{name} was not built");

    public void Dispose() => handle?.Dispose();
}

/// <summary>The sources that are built into the library.</summary>
internal static class ClSources
{
    /// <summary>A family's source behind the part that all families share.</summary>
    internal static string Of(string family) => $"{Read("common.cl")}\n#line 1 \"{family}.cl\"\n{Read($"{family}.cl")}";

    private static string Read(string name)
    {
        using Stream stream = typeof(ClSources).Assembly.GetManifestResourceStream(name) ?? throw new ArgumentException($"there is no {name}", nameof(name));
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return reader.ReadToEnd();
    }
}
