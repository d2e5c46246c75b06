using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Parallax.Bench;
using Parallax.Bench.CoExecution;

if (args is ["chain"])
{
    ChainOverhead.Print(Console.Out);
    return 0;
}

if (args is ["layers", .. var networks])
{
    ParallelLayers.Run(networks, Console.Out);
    return 0;
}

if (args is ["devices", ..])
{
    DeviceComparison.Run(args.ElementAtOrDefault(1));
    return 0;
}

if (args is ["coexecution", .. var coExecution]) return CoExecutionEvaluation.Run(coExecution);

// In process: nothing is generated and built, and the kernels are those that were built with this program.
IConfig config = DefaultConfig.Instance
    .AddJob(Job.ShortRun.WithToolchain(InProcessEmitToolchain.Instance))
    .AddColumn(new RateColumn())
    .WithSummaryStyle(SummaryStyle.Default.WithMaxParameterColumnWidth(60))
    .HideColumns("Error", "StdDev", "RatioSD");
BenchmarkSwitcher.FromAssembly(typeof(KernelBenchmark).Assembly).Run(args, config);
return 0;
