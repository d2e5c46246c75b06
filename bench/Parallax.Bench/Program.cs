using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Parallax;
using Parallax.Bench;
using Parallax.Bench.CoExecution;

if (args is ["chain"]) return Measure(() => ChainOverhead.Print(Console.Out));
if (args is ["layers", .. var networks]) return Measure(() => ParallelLayers.Run(networks, Console.Out));
if (args is ["devices", ..]) return Measure(() => DeviceComparison.Run(args.ElementAtOrDefault(1)));
if (args is ["coexecution", .. var coExecution]) return Measure(() => CoExecutionEvaluation.Run(coExecution));

// In process: nothing is generated and built, and the kernels are those that were built with this program.
IConfig config = DefaultConfig.Instance
    .AddJob(Job.ShortRun.WithToolchain(InProcessEmitToolchain.Instance))
    .AddColumn(new RateColumn())
    .WithSummaryStyle(SummaryStyle.Default.WithMaxParameterColumnWidth(60))
    .HideColumns("Error", "StdDev", "RatioSD");
BenchmarkSwitcher.FromAssembly(typeof(KernelBenchmark).Assembly).Run(args, config);
return 0;

// The exit code: 2 where the call or a file is wrong, 1 where the work failed.
static int Measure(Action measurement)
{
    try
    {
        measurement();
        return 0;
    }
    catch (ParallaxException e)
    {
        Console.Error.WriteLine($"Parallax.Bench: {e.Message}");
        return e is InvalidInputException or InvalidModelException ? 2 : 1;
    }
}
