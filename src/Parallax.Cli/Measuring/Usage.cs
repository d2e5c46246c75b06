using System.Diagnostics;

namespace Parallax.Cli.Measuring;

/// <summary>What a number of runs, made in one go or in several, took.</summary>
/// <param name="capacity">Runs at most: nothing is allocated while they are counted.</param>
internal sealed class Usage(int capacity)
{
    private readonly double[] times = new double[capacity];
    private readonly EnergyMeter energy = new();
    private double? joules = 0;
    private TimeSpan cpu;
    private long allocated;
    private int count;

    internal IEnumerable<double> TimesMs => times.Take(count);

    internal double CpuMsPerRun => cpu.TotalMilliseconds / count;

    internal double AllocatedBytesPerRun => (double)allocated / count;

    /// <summary>Of the whole machine; null where it does not tell.</summary>
    internal double? JoulesPerRun => joules / count;

    /// <summary>Makes and measures so many runs more.</summary>
    internal void Add(Action run, int runs)
    {
        bool countsEnergy = energy.Start();
        TimeSpan cpuBefore = Environment.CpuUsage.TotalTime;
        long allocatedBefore = GC.GetTotalAllocatedBytes(precise: true);
        for (int i = 0; i < runs; i++)
        {
            long start = Stopwatch.GetTimestamp();
            run();
            times[count++] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        }
        allocated += GC.GetTotalAllocatedBytes(precise: true) - allocatedBefore;
        cpu += Environment.CpuUsage.TotalTime - cpuBefore;
        joules = countsEnergy ? joules + energy.Joules() : null;
    }
}
