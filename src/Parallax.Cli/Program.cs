using System.CommandLine;
using Parallax.Cli.Commands;
using Parallax.Cli.Output;

namespace Parallax.Cli;

/// <summary>The command line. Exit codes: 0 done, 1 the work failed, 2 the call or a file is wrong.</summary>
internal static class Program
{
    private static async Task<int> Main(string[] args)
    {
        using var interruption = new Interruption();
        return await RunAsync(args, Console.Out, Console.Error, interruption.Token);
    }

    /// <summary>Runs a command line; whatever goes wrong becomes one line of <paramref name="error"/> and an exit code.</summary>
    internal static async Task<int> RunAsync(string[] args, TextWriter output, TextWriter error, CancellationToken cancellation)
    {
        ParseResult parsed = CreateRoot().Parse(CommonOptions.Normalize(args));
        if (parsed.Errors.Count > 0)
        {
            string what = string.Join("; ", parsed.Errors.Select(e => e.Message.TrimEnd('.').ReplaceLineEndings(" ")).Distinct());
            return Fail(ExitCode.WrongCall, $"{what} (see 'parallax {Subcommand(parsed)}--help')");
        }
        try
        {
            var configuration = new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null, Output = output, Error = error };
            return await parsed.InvokeAsync(configuration, cancellation);
        }
        catch (Exception e)
        {
            return e switch
            {
                OperationCanceledException => Fail(ExitCode.WorkFailed, "stopped"),
                MemoryBudgetException or DeviceException => Fail(ExitCode.WorkFailed, e.Message),
                ParallaxException => Fail(ExitCode.WrongCall, e.Message),
                OutOfMemoryException => Fail(ExitCode.WorkFailed, "the machine has not enough memory for this"),
                IOException or UnauthorizedAccessException => Fail(ExitCode.WrongCall, e.Message),
                _ => Fail(ExitCode.WorkFailed, $"internal error: {e.GetType().Name}: {e.Message}{Where(e)}"),
            };
        }

        static string Where(Exception e) =>
            Environment.GetEnvironmentVariable("PARALLAX_STACK") is null ? " (PARALLAX_STACK=1 shows where)" : $"{Environment.NewLine}{e}";

        int Fail(int code, string message)
        {
            error.WriteLine($"parallax: {message}");
            return code;
        }
    }

    private static RootCommand CreateRoot() => new("Parallax: runs ONNX models on all processors of this machine.")
    {
        DemoCommand.Create(),
        RunCommand.Create(),
        BenchCommand.Create(),
        InspectCommand.Create(),
        ProfileCommand.Create(),
        ConformanceCommand.Create(),
        DevicesCommand.Create(),
        CalibrateCommand.Create(),
        ZooCommand.Create(),
        PeerCommand.Create(),
    };

    private static string Subcommand(ParseResult parsed) => parsed.CommandResult.Command is RootCommand ? "" : $"{parsed.CommandResult.Command.Name} ";
}

internal static class ExitCode
{
    internal const int Done = 0, WorkFailed = 1, WrongCall = 2;
}
