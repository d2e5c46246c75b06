using System.CommandLine;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using Parallax.Cli.Measuring;
using Parallax.Cli.Output;
using Parallax.Kernels;
using Parallax.Runtime.Cpu;

namespace Parallax.Cli.Commands;

/// <summary><c>devices</c>: what this machine computes with, and how fast that can be at most.</summary>
internal static class DevicesCommand
{
    private static readonly TimeSpan PeakTime = TimeSpan.FromSeconds(0.6);

    internal static Command Create()
    {
        var command = new Command("devices", "Shows what there is to compute with: the processor's cores, instruction sets and measured peak, and every OpenCL device.");
        CommonOptions.AddBasicsTo(command);
        command.SetAction((parsed, cancellation) => Task.FromResult(Run(parsed, cancellation)));
        return command;
    }

    private static int Run(ParseResult parsed, CancellationToken cancellation)
    {
        using CommonSettings settings = CommonOptions.Read(parsed);
        int threads = settings.Threads == 0 ? Processor.PhysicalCores : settings.Threads;
        LoadedProfile profile = DeviceProfiles.Load(null);
        double one = FmaPeak.MeasureGflops(1, PeakTime, cancellation), all = threads == 1 ? one : FmaPeak.MeasureGflops(threads, PeakTime, cancellation);
        OpenClDevice[] devices = OpenClDevice.MeasureAll(profile.Profile, cancellation);
        TextWriter output = parsed.InvocationConfiguration.Output;
        if (settings.Json is not { Path: null })
        {
            Print(output, threads, one, all, profile);
            OpenClDevice.Print(output, devices);
        }
        if (settings.Json is { } target) WriteJson(target, output, threads, one, all, profile, devices);
        return ExitCode.Done;
    }

    private static void Print(TextWriter output, int threads, double one, double all, LoadedProfile profile)
    {
        output.WriteLine($"cpu     {Processor.Name}, {RuntimeInformation.ProcessArchitecture}");
        output.WriteLine($"cores   {Processor.PhysicalCores} physical, {Environment.ProcessorCount} logical");
        output.WriteLine($"isa     {string.Join(' ', InstructionSets())} (vectors of {32 * (int)Vec.Widest} bits)");
        output.WriteLine($"peak    {Numbers.Fixed(one)} GFLOP/s float32 on one core, {Numbers.Fixed(all)} on {threads} (measured)");
        output.WriteLine($"profile {profile.Path ?? profile.Note}");
        output.WriteLine();
        Tables.Print(output, ["kernel", "here"],
        [
            .. GemmCatalog.Entries.Select(e => (string[])[e.Name, !e.IsSupported ? "no" : e == GemmCatalog.Best ? "yes, in use" : "yes"]),
            .. ConvCatalog.Entries.Select(e => (string[])[e.Name, "yes"]),
        ]);
    }

    private static void WriteJson(JsonTarget target, TextWriter output, int threads, double one, double all, LoadedProfile profile, OpenClDevice[] devices) => JsonOutput.Write(target, output, json =>
    {
        json.WriteStartObject();
        json.WriteStartObject("cpu");
        json.WriteString("name", Processor.Name);
        json.WriteString("architecture", RuntimeInformation.ProcessArchitecture.ToString());
        json.WriteNumber("physicalCores", Processor.PhysicalCores);
        json.WriteNumber("logicalCores", Environment.ProcessorCount);
        json.WriteStartArray("isa");
        foreach (string set in InstructionSets()) json.WriteStringValue(set);
        json.WriteEndArray();
        json.WriteNumber("vectorBits", 32 * (int)Vec.Widest);
        json.Finite("peakGflopsOneCore", one, 2);
        json.WriteNumber("threads", threads);
        json.Finite("peakGflops", all, 2);
        json.WriteStartArray("kernels");
        IEnumerable<(string, bool, bool)> products = GemmCatalog.Entries.Select(e => (e.Name, e.IsSupported, e == GemmCatalog.Best));
        foreach ((string name, bool supported, bool inUse) in products.Concat(ConvCatalog.Entries.Select(e => (e.Name, true, true))))
        {
            json.WriteStartObject();
            json.WriteString("name", name);
            json.WriteBoolean("supported", supported);
            json.WriteBoolean("inUse", inUse);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteStartArray("opencl");
        foreach (OpenClDevice device in devices) device.Write(json);
        json.WriteEndArray();
        json.WriteString("profile", profile.Path);
        json.WriteString("profileNote", profile.Note);
        json.WriteEndObject();
    });

    private static IEnumerable<string> InstructionSets()
    {
        (string Name, bool IsThere)[] sets =
        [
            ("SSE4.2", Sse42.IsSupported), ("AVX", Avx.IsSupported), ("AVX2", Avx2.IsSupported), ("FMA", Fma.IsSupported), ("AVX-512F", Avx512F.IsSupported),
            ("AVX-512BW", Avx512BW.IsSupported), ("AVX-512VBMI", Avx512Vbmi.IsSupported), ("AVX-VNNI", AvxVnni.IsSupported),
            ("NEON", AdvSimd.IsSupported), ("DotProd", Dp.IsSupported),
        ];
        string[] there = [.. sets.Where(s => s.IsThere).Select(s => s.Name)];
        return there.Length == 0 ? ["none"] : there;
    }
}
