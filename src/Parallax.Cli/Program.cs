using System.CommandLine;
using Parallax.Cli.Commands;

namespace Parallax.Cli;

/// <summary>The command line. Exit codes: 0 done, 1 the work failed, 2 the call or a file is wrong.</summary>
internal static class Program
{
    private static async Task<int> Main(string[] args)
    {
        using var cancellation = new CancellationTokenSource();
        Console.CancelKeyPress += (_, e) =>
        {
            e.Cancel = true;
            cancellation.Cancel();
        };
        var root = new RootCommand("Parallax: runs ONNX models on all processors of this machine.")
        {
            ConformanceCommand.Create(),
        };
        ParseResult parsed = root.Parse(args);
        if (parsed.Errors.Count > 0)
        {
            Console.Error.WriteLine($"parallax: {string.Join("; ", parsed.Errors.Select(e => e.Message.TrimEnd('.')))}");
            return ExitCode.WrongCall;
        }
        try
        {
            return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null }, cancellation.Token);
        }
        catch (MemoryBudgetException e)
        {
            Console.Error.WriteLine($"parallax: {e.Message}");
            return ExitCode.WorkFailed;
        }
        catch (DeviceException e)
        {
            Console.Error.WriteLine($"parallax: {e.Message}");
            return ExitCode.WorkFailed;
        }
        catch (ParallaxException e)
        {
            Console.Error.WriteLine($"parallax: {e.Message}");
            return ExitCode.WrongCall;
        }
        catch (OperationCanceledException)
        {
            Console.Error.WriteLine("parallax: stopped");
            return ExitCode.WorkFailed;
        }
    }
}

internal static class ExitCode
{
    internal const int Done = 0, WorkFailed = 1, WrongCall = 2;
}
