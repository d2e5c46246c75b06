using System.CommandLine;
using Parallax.Cli.Models;
using Parallax.Cli.Output;
using Parallax.Cli.Report;
using Parallax.Planning;

namespace Parallax.Cli.Commands;

/// <summary><c>inspect MODEL</c>: what the planner decided, and why. Nothing is run.</summary>
internal static class InspectCommand
{
    private static readonly Argument<string> Model = new("MODEL") { Description = "A model file, or zoo:NAME." };
    private static readonly Option<string> Cores = CommonOptions.Text("--cores", "N", "Plans for a machine of so many cores (default: --threads).");
    private static readonly Option<string[]> Accelerator = CommonOptions.Many("--accelerator", "NAME",
        $"Plans with an accelerator, which is only imagined: {string.Join(" or ", NullAccelerator.Presets.Select(p => p.Name))}; may be repeated.");
    private static readonly Option<string> Html = CommonOptions.Text("--html", "FILE", "Writes the plan as one self-contained page.");

    internal static Command Create()
    {
        var command = new Command("inspect", "Shows what the planner decided about a model, and why.") { Model, Cores, Accelerator, Html };
        CommonOptions.AddTo(command);
        command.SetAction((parsed, cancellation) => Task.FromResult(Run(parsed, cancellation)));
        return command;
    }

    private static int Run(ParseResult parsed, CancellationToken cancellation)
    {
        using CommonSettings settings = CommonOptions.Read(parsed);
        var machine = new PlanOptions
        {
            Workers = CommonOptions.Value(parsed, Cores) is { } cores ? (int)CommonOptions.Whole("--cores", cores, 1, 4096) : null,
            Accelerators = [.. CommonOptions.Values(parsed, Accelerator).Distinct().Select(NullAccelerator.OfPreset)],
        };
        using PlannedModel model = PlannedModel.Load(parsed.GetValue(Model)!, settings, machine);
        cancellation.ThrowIfCancellationRequested();
        TextWriter output = parsed.InvocationConfiguration.Output;
        string? html = CommonOptions.Value(parsed, Html);
        if (html is not null) AtomicFile.Write(html, stream => HtmlReport.Write(stream, [model.Plan]));
        if (settings.Json is { Path: null }) output.WriteLine(model.Plan.ToJson());
        else PlanText.Print(output, model.Plan);
        if (settings.Json is { Path: { } path }) AtomicFile.Write(path, stream => stream.Write(System.Text.Encoding.UTF8.GetBytes(model.Plan.ToJson())));
        if (html is not null && settings.Json is not { Path: null }) output.WriteLine($"the report is in {html}");
        return ExitCode.Done;
    }
}
