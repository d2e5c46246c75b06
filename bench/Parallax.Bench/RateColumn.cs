using System.Globalization;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using Parallax.Kernels;

namespace Parallax.Bench;

/// <summary>What a run achieves: its work over the median of its times; for operations, also the share of what one core can do with its widest vectors.</summary>
internal sealed class RateColumn : IColumn
{
    private readonly Lazy<double> peak = new(() => FmaPeak.MeasureGflops(1, TimeSpan.FromSeconds(1)));

    public string Id => nameof(RateColumn);

    public string ColumnName => "Rate";

    public string Legend => "Operations or bytes of the operands, over the median time; the share of one core's measured peak";

    public bool AlwaysShow => true;

    public ColumnCategory Category => ColumnCategory.Custom;

    public int PriorityInCategory => 0;

    public bool IsNumeric => true;

    public UnitType UnitType => UnitType.Dimensionless;

    public bool IsAvailable(Summary summary) => true;

    public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase) => GetValue(summary, benchmarkCase, SummaryStyle.Default);

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style)
    {
        if (benchmarkCase.Parameters[nameof(KernelBenchmark.Case)] is not KernelCase @case || summary[benchmarkCase]?.ResultStatistics is not { Median: > 0 } times) return "-";
        double rate = @case.Work / times.Median;
        string share = @case.Unit == KernelCase.Operations ? $" {100 * rate / peak.Value:0} %" : "";
        return string.Create(CultureInfo.InvariantCulture, $"{rate:0.0} {@case.Unit}{share}");
    }
}
