using System.CommandLine;
using System.IO.Enumeration;
using Parallax.Cli.Conformance;

namespace Parallax.Cli.Commands;

/// <summary><c>conformance DIR</c>: runs ONNX backend test folders.</summary>
internal static class ConformanceCommand
{
    internal static Command Create()
    {
        var directory = new Argument<string>("DIR") { Description = "Folder with ONNX backend tests, at any depth." };
        var filter = new Option<string>("--filter") { Description = "Only cases whose name matches this pattern (* and ?).", HelpName = "GLOB" };
        var threads = new Option<int>("--threads") { Description = "Threads; 0 takes all physical cores." };
        var command = new Command("conformance", "Runs ONNX backend tests and reports what fails.") { directory, filter, threads };
        command.SetAction((parsed, cancellation) => Task.FromResult(Run(parsed.GetValue(directory)!, parsed.GetValue(filter), new SessionOptions { Threads = parsed.GetValue(threads) }, cancellation)));
        return command;
    }

    private static int Run(string directory, string? filter, SessionOptions options, CancellationToken cancellation)
    {
        if (!Directory.Exists(directory)) throw new InvalidInputException($"{directory}: no such folder");
        var runner = new ConformanceRunner(options);
        int passed = 0, failed = 0, skipped = 0;
        foreach (string folder in ConformanceRunner.FindCases(directory))
        {
            cancellation.ThrowIfCancellationRequested();
            if (filter is not null && !FileSystemName.MatchesSimpleExpression(filter, Path.GetFileName(folder))) continue;
            CaseResult result = runner.Run(folder, cancellation);
            passed += result.Outcome == Outcome.Passed ? 1 : 0;
            failed += result.Outcome == Outcome.Failed ? 1 : 0;
            skipped += result.Outcome == Outcome.Skipped ? 1 : 0;
            if (result.Outcome != Outcome.Passed) Console.WriteLine($"{result.Outcome.ToString().ToUpperInvariant()} {result.Name}: {result.Reason}");
        }
        Console.WriteLine($"{passed} passed, {failed} failed, {skipped} skipped");
        return failed == 0 ? ExitCode.Done : ExitCode.WorkFailed;
    }
}
