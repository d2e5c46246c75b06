using System.Collections.Immutable;
using System.Text.Json;

namespace Parallax.Cli.Report;

/// <summary>A profile in the Chrome trace format with ONNX Runtime's keys, for Perfetto and for tools that read ONNX Runtime's profiles. A worker is a thread of the trace.</summary>
internal static class ChromeTrace
{
    private static readonly JsonWriterOptions Options = new() { Indented = false };

    internal static void Write(Stream stream, RunProfile profile)
    {
        using var json = new Utf8JsonWriter(stream, Options);
        json.WriteStartArray();
        foreach (int worker in profile.Steps.Select(s => s.Worker).Distinct().Order()) WriteThreadName(json, worker);
        for (int i = 0; i < profile.RunUs.Length; i++)
            WriteEvent(json, "Session", "model_run", profile.RunUs[i].StartUs, profile.RunUs[i].EndUs, FirstWorker(profile, i), args => args.WriteString("run", $"{i}"));
        foreach (ProfiledStep step in profile.Steps)
            WriteEvent(json, "Node", $"{step.Path}_kernel_time", step.StartUs, step.EndUs, step.Worker, args => WriteArgs(args, step));
        json.WriteEndArray();
    }

    private static int FirstWorker(RunProfile profile, int run) => profile.Steps.FirstOrDefault(s => s.Run == run)?.Worker ?? 0;

    private static void WriteThreadName(Utf8JsonWriter json, int worker)
    {
        json.WriteStartObject();
        json.WriteString("cat", "__metadata");
        json.WriteString("name", "thread_name");
        json.WriteString("ph", "M");
        json.WriteNumber("pid", Environment.ProcessId);
        json.WriteNumber("tid", worker);
        json.WriteNumber("ts", 0);
        json.WriteStartObject("args");
        json.WriteString("name", $"worker {worker}");
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteEvent(Utf8JsonWriter json, string category, string name, double startUs, double endUs, int worker, Action<Utf8JsonWriter> args)
    {
        json.WriteStartObject();
        json.WriteString("cat", category);
        json.WriteNumber("pid", Environment.ProcessId);
        json.WriteNumber("tid", worker);
        json.WriteNumber("dur", Math.Round(endUs - startUs, 3));
        json.WriteNumber("ts", Math.Round(startUs, 3));
        json.WriteString("ph", "X");
        json.WriteString("name", name);
        json.WriteStartObject("args");
        args(json);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteArgs(Utf8JsonWriter json, ProfiledStep step)
    {
        json.WriteString("op_name", step.Operator);
        json.WriteString("provider", "CPUExecutionProvider");
        json.WriteString("node_index", $"{step.Index}");
        json.WriteString("kernel", step.Kernel);
        json.WriteString("branch", step.Branch < 0 ? "outputs" : $"B{step.Branch}");
        json.WriteString("thread", $"{step.Worker}");
        json.WriteString("run", $"{step.Run}");
        WriteShapes(json, "input_type_shape", step.Inputs);
        WriteShapes(json, "output_type_shape", step.Outputs);
    }

    private static void WriteShapes(Utf8JsonWriter json, string name, ImmutableArray<ProfiledTensor?> tensors)
    {
        json.WriteStartArray(name);
        foreach (ProfiledTensor? tensor in tensors)
        {
            if (tensor?.Dims is not { } dims) continue;
            json.WriteStartObject();
            json.WriteStartArray(TypeName(tensor.Type));
            foreach (long dim in dims) json.WriteNumberValue(dim);
            json.WriteEndArray();
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    /// <summary>As ONNX Runtime calls it.</summary>
    private static string TypeName(DType type) => type switch
    {
        DType.Float32 => "float",
        DType.Float64 => "double",
        _ => type.ToString().ToLowerInvariant(),
    };
}
