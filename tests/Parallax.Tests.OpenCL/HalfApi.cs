using System.Text;
using Parallax.OpenCL;
using Parallax.OpenCL.Native;
using Xunit;

namespace Parallax.Tests.OpenCL;

/// <summary>
/// A driver whose device has half precision, whatever it says itself: its compiler is handed the types and conversions of <c>cl_khr_fp16</c> in front of the source, made of the 16-bit type that clang has on every
/// processor. So the text of the kernels that devices with the extension get is what runs, and it computes in half, one instruction of a device at a time.
/// </summary>
/// <param name="config">What the device says of its half precision.</param>
internal sealed unsafe class HalfApi(ulong config = ClConstants.FpInfNan | ClConstants.FpRoundToNearest) : ClApi(ClLibrary.Open(null))
{
    private static readonly string Extension = string.Concat(((int[])[4, 8, 16]).Select(n => $$"""
        typedef _Float16 half{{n}} __attribute__((ext_vector_type({{n}})));
        inline half{{n}} __attribute__((overloadable)) convert_half{{n}}(float{{n}} x) { return __builtin_convertvector(x, half{{n}}); }
        inline half{{n}} __attribute__((overloadable)) as_half{{n}}(short{{n}} x) { return __builtin_astype(x, half{{n}}); }
        inline float{{n}} __attribute__((overloadable)) convert_float{{n}}(half{{n}} x) { return __builtin_convertvector(x, float{{n}}); }

        """)) + """
        #define convert_half(x) ((_Float16)(x))
        #define as_half(x) __builtin_astype((short)(x), _Float16)

        """;

    private static readonly Lazy<ClDevice> First = new(() => new HalfApi().Device);

    /// <summary>Null where there is a device that has half precision, or can be given it.</summary>
    internal static string? WhySkip => ClPresence.WhySkip ?? (ClDevice.All[0].HasHalf || ClDevice.All[0].Platform.Contains("Portable Computing Language") ? null : $"{ClDevice.All[0]} has no half precision");

    /// <summary>The first device, with half precision.</summary>
    internal static ClDevice FirstDevice => ClDevice.All[0].HasHalf ? ClDevice.All[0] : First.Value;

    internal ClDevice Device => ClDiscovery.Devices(this)[0];

    internal override int GetDeviceInfo(nint device, uint what, nuint bytes, void* value, nuint* needed)
    {
        if (what == ClConstants.DeviceHalfFpConfig)
        {
            *(ulong*)value = config;
            return ClConstants.Success;
        }
        // Under another name, for programs are kept by it.
        string? more = what switch { ClConstants.DeviceExtensions => " cl_khr_fp16", ClConstants.DeviceName => " with half", _ => null };
        if (more is null) return base.GetDeviceInfo(device, what, bytes, value, needed);
        nuint length;
        int error = base.GetDeviceInfo(device, what, 0, null, &length);
        if (error != ClConstants.Success) return error;
        if (needed != null) *needed = length + (nuint)more.Length;
        if (value == null) return ClConstants.Success;
        var text = new Span<byte>(value, (int)bytes);
        error = base.GetDeviceInfo(device, what, bytes, value, null);
        Encoding.ASCII.GetBytes(more).CopyTo(text[((int)length - 1)..]);
        return error;
    }

    internal override nint CreateProgramWithSource(nint context, uint count, byte** sources, nuint* lengths, int* error)
    {
        byte[] extension = Encoding.ASCII.GetBytes(Extension);
        fixed (byte* first = extension)
        {
            byte** texts = stackalloc byte*[] { first, sources[0] };
            nuint* sizes = stackalloc nuint[] { (nuint)extension.Length, lengths[0] };
            return base.CreateProgramWithSource(context, 2, texts, sizes, error);
        }
    }
}

/// <summary>A test that needs a device with half precision, or one that can be given it; skipped, visibly, where there is none.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class HalfFactAttribute : FactAttribute
{
    public HalfFactAttribute() => Skip = HalfApi.WhySkip;
}

/// <inheritdoc cref="HalfFactAttribute"/>
[AttributeUsage(AttributeTargets.Method)]
public sealed class HalfTheoryAttribute : TheoryAttribute
{
    public HalfTheoryAttribute() => Skip = HalfApi.WhySkip;
}
