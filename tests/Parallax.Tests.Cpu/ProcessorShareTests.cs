using Parallax.Runtime.Execution;
using Xunit;

namespace Parallax.Tests.Cpu;

public sealed class ProcessorShareTests
{
    private TimeSpan now, got;

    [Fact]
    public void A_worker_with_a_processor_of_its_own_stays()
    {
        var share = new ProcessorShare(() => got, now);
        for (int i = 0; i < 1000; i++) Assert.Equal(0, Work(share, 1, 0.9));
    }

    [Fact]
    public void A_worker_without_stays_away_longer_each_time_until_it_gets_one_again()
    {
        var share = new ProcessorShare(() => got, now);
        Assert.Equal([20, 40, 80, 80], Enumerable.Range(0, 4).Select(_ => FirstPause(share, 0.3)));
        for (int i = 0; i < 100; i++) Assert.Equal(0, Work(share, 1, 0.7)); // enough to stay, not to be trusted
        Assert.Equal(80, FirstPause(share, 0.3));
        for (int i = 0; i < 100; i++) Assert.Equal(0, Work(share, 1, 1));
        Assert.Equal(20, FirstPause(share, 0.3));
    }

    [Fact]
    public void Sleep_is_no_time_without_a_processor()
    {
        var share = new ProcessorShare(() => got, now);
        for (int i = 0; i < 1000; i++)
        {
            Assert.Equal(0, Work(share, 0.2, 1));
            Sleep(share, 5);
        }
    }

    [Fact]
    public void Short_spells_of_work_count_together()
    {
        var share = new ProcessorShare(() => got, now);
        double pause = 0;
        int spells = 0;
        for (; pause == 0 && spells < 1000; spells++)
        {
            pause = Work(share, 0.2, 0.25);
            Sleep(share, 1);
        }
        Assert.Equal(20, pause);
        Assert.InRange(spells, 50, 150);
    }

    [Fact]
    public void Where_the_system_does_not_tell_nobody_stays_away()
    {
        var share = new ProcessorShare(() => null, now);
        for (int i = 0; i < 100; i++) Assert.Equal(0, Work(share, 5, 0));
    }

    [Fact]
    public void Time_of_a_thread_goes_on_while_it_works_and_stands_while_it_sleeps()
    {
        if (ProcessorShare.OfThisThread() is not { } start)
        {
            Assert.False(OperatingSystem.IsLinux() || OperatingSystem.IsMacOS());
            return;
        }
        while (ProcessorShare.OfThisThread() - start < TimeSpan.FromMilliseconds(2)) Thread.SpinWait(100);
        TimeSpan worked = ProcessorShare.OfThisThread()!.Value;
        Thread.Sleep(50);
        Assert.InRange(ProcessorShare.OfThisThread()!.Value - worked, TimeSpan.Zero, TimeSpan.FromMilliseconds(40));
    }

    private double FirstPause(ProcessorShare share, double part)
    {
        for (int i = 0; i < 1000; i++)
            if (Work(share, 1, part) is > 0 and var pause) return pause;
        return 0;
    }

    /// <returns>The pause that follows, in milliseconds; it is taken.</returns>
    private double Work(ProcessorShare share, double milliseconds, double part)
    {
        now += TimeSpan.FromMilliseconds(milliseconds);
        got += TimeSpan.FromMilliseconds(milliseconds * part);
        TimeSpan pause = share.PauseAt(now);
        if (pause == TimeSpan.Zero) return 0;
        now += pause;
        share.Wakes(now);
        return pause.TotalMilliseconds;
    }

    private void Sleep(ProcessorShare share, double milliseconds)
    {
        share.Sleeps(now);
        now += TimeSpan.FromMilliseconds(milliseconds);
        share.Wakes(now);
    }
}
