using System.CommandLine;
using Parallax.Cli.Models;
using Parallax.Cli.Output;
using Parallax.Cli.Vision;

namespace Parallax.Cli.Commands;

/// <summary><c>run MODEL</c>: one inference.</summary>
internal static class RunCommand
{
    private static readonly Argument<string> Model = new("MODEL") { Description = "A model file, or zoo:NAME." };
    private static readonly Option<string[]> Input = CommonOptions.Many("--input", "NAME=FILE", "An input's contents, .npy or .pb; may be repeated. Others are filled from the seed.");
    private static readonly Option<string> Image = CommonOptions.Text("--image", "FILE", "A picture for the model's image input: letterboxed, RGB, 0..1.");
    private static readonly Option<string> Labels = CommonOptions.Text("--labels", "coco", "Prints the objects that a YOLO head found.");
    private static readonly Option<string> OutputFolder = CommonOptions.Text("--output", "DIR", "Writes each output there as NAME.npy.");
    private static readonly Option<string> Expect = CommonOptions.Text("--expect", "DIR", "Compares each output with NAME.npy there; fails where they differ.");
    private static readonly Option<string> Atol = CommonOptions.Text("--atol", "1e-4", "Absolute difference that --expect lets pass.");
    private static readonly Option<string> Rtol = CommonOptions.Text("--rtol", "1e-3", "Relative difference that --expect lets pass.");

    internal static Command Create()
    {
        var command = new Command("run", "Runs a model once and shows its outputs.") { Model, Input, Image, Labels, OutputFolder, Expect, Atol, Rtol };
        CommonOptions.AddTo(command);
        command.SetAction((parsed, cancellation) => Task.FromResult(Run(parsed, cancellation)));
        return command;
    }

    private static int Run(ParseResult parsed, CancellationToken cancellation)
    {
        using CommonSettings settings = CommonOptions.Read(parsed);
        string? labels = CommonOptions.Value(parsed, Labels), folder = CommonOptions.Value(parsed, OutputFolder);
        if (labels is not (null or "coco")) throw new InvalidInputException($"--labels must be coco, got '{labels}'");
        Expectation? expectation = ReadExpectation(parsed);
        using ReadyModel model = ReadyModel.Load(parsed.GetValue(Model)!, settings, CommonOptions.Values(parsed, Input), CommonOptions.Value(parsed, Image));
        cancellation.ThrowIfCancellationRequested();
        using RunResult result = model.Session.Run(model.Inputs, cancellation);
        SessionWarnings.Print(parsed.InvocationConfiguration.Error, model.Name, model.Session.Warnings);
        if (folder is not null) WriteOutputs(result, folder, cancellation);
        OutputSummary[] summaries = [.. result.SelectMany(o => OutputSummary.Of(o.Key, o.Value))];
        IReadOnlyList<Detection>? detections = labels is null ? null : Detect(model, result);
        IReadOnlyList<Verdict>? verdicts = expectation?.Compare(result);
        if (settings.Json is { } json) WriteJson(json, parsed.InvocationConfiguration.Output, model, summaries, detections, verdicts);
        if (settings.Json is not { Path: null }) Print(parsed.InvocationConfiguration.Output, summaries, detections, expectation, verdicts);
        Verdict[] wrong = [.. verdicts?.Where(v => v.Difference is not null) ?? []];
        foreach (Verdict verdict in wrong) parsed.InvocationConfiguration.Error.WriteLine($"parallax: output '{verdict.Output}' is not as expected ({expectation!.Limits}): {verdict.Difference}");
        return wrong.Length == 0 ? ExitCode.Done : ExitCode.WorkFailed;
    }

    private static Expectation? ReadExpectation(ParseResult parsed)
    {
        double Limit(Option<string> option, string name, double fallback) => CommonOptions.Value(parsed, option) is { } text ? CommonOptions.Real(name, text, 0, double.PositiveInfinity) : fallback;
        double atol = Limit(Atol, "--atol", 1e-4), rtol = Limit(Rtol, "--rtol", 1e-3);
        if (CommonOptions.Value(parsed, Expect) is not { } folder) return null;
        return Directory.Exists(folder) ? new Expectation(folder, atol, rtol) : throw new InvalidInputException($"--expect {folder}: no such folder");
    }

    private static void WriteOutputs(RunResult result, string folder, CancellationToken cancellation)
    {
        AtomicFile.MakeFolder(folder);
        string[] names = FileSafeName.Distinct([.. result.Select(r => r.Key)]);
        for (int i = 0; i < result.Count; i++)
            foreach ((string suffix, Tensor tensor) in Tensors(result[i].Value))
            {
                cancellation.ThrowIfCancellationRequested();
                AtomicFile.Write(Path.Combine(folder, $"{names[i]}{suffix}.npy"), stream => Npy.Write(stream, tensor));
            }
    }

    /// <summary>The tensors in a datum; those of a sequence are numbered.</summary>
    private static IEnumerable<(string Suffix, Tensor Tensor)> Tensors(Datum? datum) => datum switch
    {
        Tensor tensor => [("", tensor)],
        TensorSequence sequence => sequence.Items.SelectMany((item, i) => Tensors(item).Select(t => ($"_{i}{t.Suffix}", t.Tensor))),
        OptionalDatum optional => Tensors(optional.Value),
        _ => [],
    };

    private static IReadOnlyList<Detection> Detect(ReadyModel model, RunResult result)
    {
        Tensor head = result.Select(o => o.Value).OfType<Tensor>().FirstOrDefault(t => YoloHead.Fits(t, CocoLabels.Names.Count))
            ?? throw new InvalidInputException($"--labels coco: no output is a YOLO head, Float32[1x{4 + CocoLabels.Names.Count}xN]; the outputs are {string.Join(", ", result.Select(o => $"{o.Key}: {o.Value}"))}");
        return YoloHead.Decode(head, model.Letterbox ?? Unfitted(model), CocoLabels.Names.Count);
    }

    /// <summary>Without a picture, boxes are in pixels of the input.</summary>
    private static Letterbox Unfitted(ReadyModel model)
    {
        Tensor input = model.Inputs.Values.OfType<Tensor>().FirstOrDefault(t => t.Rank == 4) ?? throw new InvalidInputException("--labels coco: the model has no image input");
        return new Letterbox(input, 1, 0, 0, (int)input.Dims[3], (int)input.Dims[2]);
    }

    private static void Print(TextWriter output, OutputSummary[] summaries, IReadOnlyList<Detection>? detections, Expectation? expectation, IReadOnlyList<Verdict>? verdicts)
    {
        Tables.Print(output, ["output", "type", "shape", ">min", ">max", ">mean"], summaries.Select(s => s.Row()));
        if (detections is { Count: 0 }) output.WriteLine("nothing found");
        else if (detections is not null)
            Tables.Print(output, ["object", ">score", ">left", ">top", ">right", ">bottom"], detections.Select(d => (string[])
                [CocoLabels.Names[d.ClassId], Numbers.Fixed(d.Score, 3), Numbers.Fixed(d.Left), Numbers.Fixed(d.Top), Numbers.Fixed(d.Right), Numbers.Fixed(d.Bottom)]));
        foreach (Verdict verdict in verdicts?.Where(v => v.Difference is null) ?? []) output.WriteLine($"{verdict.Output} is as expected ({expectation!.Limits})");
    }

    private static void WriteJson(JsonTarget target, TextWriter output, ReadyModel model, OutputSummary[] summaries, IReadOnlyList<Detection>? detections, IReadOnlyList<Verdict>? verdicts) =>
        JsonOutput.Write(target, output, json =>
        {
            json.WriteStartObject();
            json.WriteString("model", model.Name);
            json.Strings("devices", ["cpu", .. model.Session.Options.Backends.Select(b => b.Name)]);
            json.Strings("warnings", model.Session.Warnings);
            json.WriteStartArray("outputs");
            foreach (OutputSummary summary in summaries) summary.Write(json);
            json.WriteEndArray();
            if (detections is not null)
            {
                json.WriteStartArray("detections");
                foreach (Detection detection in detections) WriteDetection(json, detection);
                json.WriteEndArray();
            }
            if (verdicts is not null)
            {
                json.WriteStartArray("expected");
                foreach (Verdict verdict in verdicts) verdict.Write(json);
                json.WriteEndArray();
            }
            json.WriteEndObject();
        });

    private static void WriteDetection(System.Text.Json.Utf8JsonWriter json, Detection detection)
    {
        json.WriteStartObject();
        json.WriteString("label", CocoLabels.Names[detection.ClassId]);
        json.WriteNumber("classId", detection.ClassId);
        json.WriteNumber("score", detection.Score);
        json.WriteNumber("left", detection.Left);
        json.WriteNumber("top", detection.Top);
        json.WriteNumber("right", detection.Right);
        json.WriteNumber("bottom", detection.Bottom);
        json.WriteEndObject();
    }
}
