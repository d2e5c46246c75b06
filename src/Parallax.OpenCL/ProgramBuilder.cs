using System.Text;
using Parallax.OpenCL.Native;
using static Parallax.OpenCL.Native.ClConstants;

namespace Parallax.OpenCL;

/// <summary>Makes programs: from the cache where the binary is there and the driver takes it, else from source.</summary>
internal static unsafe class ProgramBuilder
{
    /// <exception cref="DeviceException">The source does not compile; the message has the compiler's words.</exception>
    internal static ClProgramHandle Build(ClContext context, string family, string options, ProgramCache cache)
    {
        string source = ClSources.Of(family), key = ProgramCache.KeyOf(context.Device, source, options);
        if (cache.Read(key) is { } binary && FromBinary(context, binary, options) is { } cached) return cached;
        ClProgramHandle built = FromSource(context, family, source, options);
        if (Binary(context, built) is { } made) cache.Write(key, made);
        return built;
    }

    /// <summary>Null where the driver refuses the binary.</summary>
    private static ClProgramHandle? FromBinary(ClContext context, byte[] binary, string options)
    {
        int error, status;
        nint device = context.Device.Id;
        nuint length = (nuint)binary.Length;
        fixed (byte* bytes = binary)
        {
            byte* start = bytes;
            nint program = context.Api.CreateProgramWithBinary(context.Handle, 1, &device, &length, &start, &status, &error);
            if (error != Success) return null;
            var handle = new ClProgramHandle(context.Api, program);
            if (status == Success && Compile(context, handle, options) == Success) return handle;
            handle.Dispose();
            return null;
        }
    }

    private static ClProgramHandle FromSource(ClContext context, string family, string source, string options)
    {
        int error;
        byte[] text = Encoding.UTF8.GetBytes(source);
        nuint length = (nuint)text.Length;
        fixed (byte* bytes = text)
        {
            byte* start = bytes;
            nint program = context.Api.CreateProgramWithSource(context.Handle, 1, &start, &length, &error);
            context.Check(error, "clCreateProgramWithSource");
            var handle = new ClProgramHandle(context.Api, program);
            error = Compile(context, handle, options);
            if (error == Success) return handle;
            string log = BuildLog(context, handle);
            handle.Dispose();
            throw ClErrors.Failure(error, "clBuildProgram", context.Device.Name, $"{family}.cl with '{options}': {log}");
        }
    }

    private static int Compile(ClContext context, ClProgramHandle program, string options)
    {
        nint device = context.Device.Id;
        fixed (byte* text = ClText.ZeroTerminated(options))
            return context.Api.BuildProgram(program.Value, 1, &device, text, 0, 0);
    }

    private static string BuildLog(ClContext context, ClProgramHandle program)
    {
        nuint bytes;
        if (context.Api.GetProgramBuildInfo(program.Value, context.Device.Id, ProgramBuildLog, 0, null, &bytes) != Success) return "no log";
        var text = new byte[bytes];
        fixed (byte* into = text)
            return context.Api.GetProgramBuildInfo(program.Value, context.Device.Id, ProgramBuildLog, bytes, into, null) == Success ? ClText.FromZeroTerminated(text) : "no log";
    }

    /// <summary>Null where the driver gives none.</summary>
    private static byte[]? Binary(ClContext context, ClProgramHandle program)
    {
        nuint length;
        if (context.Api.GetProgramInfo(program.Value, ProgramBinarySizes, (nuint)sizeof(nuint), &length, null) != Success || length == 0) return null;
        var binary = new byte[length];
        fixed (byte* bytes = binary)
        {
            byte* start = bytes;
            return context.Api.GetProgramInfo(program.Value, ProgramBinaries, (nuint)sizeof(byte*), &start, null) == Success ? binary : null;
        }
    }
}
