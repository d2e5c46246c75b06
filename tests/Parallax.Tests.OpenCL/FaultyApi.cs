using System.Collections.Concurrent;
using Parallax.OpenCL;
using Parallax.OpenCL.Native;

namespace Parallax.Tests.OpenCL;

/// <summary>The loader's functions, of which chosen calls fail. It counts its own objects, so that tests do not disturb each other.</summary>
internal sealed class FaultyApi() : ClApi(ClLibrary.Open(null))
{
    private readonly ConcurrentQueue<string> calls = [];

    private Func<string, int>? errors;

    internal string[] Calls => [.. calls];

    /// <summary>The first device, driven through this.</summary>
    internal ClDevice Device => ClDiscovery.Devices(this)[0];

    /// <summary>Forgets the calls so far.</summary>
    /// <param name="newErrors">The error of a call by its name; 0 lets it through.</param>
    internal void Reset(Func<string, int>? newErrors = null)
    {
        calls.Clear();
        errors = newErrors;
    }

    private protected override int Fault(string call)
    {
        calls.Enqueue(call);
        return errors?.Invoke(call) ?? 0;
    }
}
