using Parallax.Planning;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Cpu;

/// <summary>Alone, for all sessions of a process share their workers.</summary>
[Collection(nameof(IdleTests))]
[CollectionDefinition(nameof(IdleTests), DisableParallelization = true)]
public sealed class IdleTests
{
    [Fact]
    public void An_idle_session_uses_no_processor_time()
    {
        using var session = new InferenceSession(BranchyNetwork.Build(1), new SessionOptions { Threads = 4, Mode = ScheduleMode.Parallel });
        session.Run(new() { ["x"] = BranchyNetwork.Image(8, 24, 31) }).Dispose();
        Thread.Sleep(200); // workers may still spin for a moment
        // Only the pool's own threads count, not those of the test runner.
        double least = double.MaxValue;
        for (int sample = 0; sample < 5 && least > 0; sample++)
        {
            double before = WorkerThreadMs();
            Thread.Sleep(200);
            least = Math.Min(least, WorkerThreadMs() - before);
        }
        Assert.True(least <= 10, $"workers used {least} ms of 200");
    }

    /// <summary>Processor time of the threads named by the pool, from the kernel's own accounting; 0 where it has none to show.</summary>
    private static double WorkerThreadMs()
    {
        if (!OperatingSystem.IsLinux()) return 0;
        double ms = 0;
        foreach (string task in Directory.GetDirectories("/proc/self/task"))
        {
            string stat;
            try
            {
                if (!File.ReadAllText(Path.Combine(task, "comm")).StartsWith("Parallax", StringComparison.Ordinal)) continue;
                stat = File.ReadAllText(Path.Combine(task, "stat"));
            }
            catch (IOException)
            {
                continue; // the thread ended
            }
            string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            ms += (double.Parse(fields[11]) + double.Parse(fields[12])) * 10;
        }
        return ms;
    }
}
