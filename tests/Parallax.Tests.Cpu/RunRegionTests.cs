using Parallax.Runtime.Memory;
using Xunit;

namespace Parallax.Tests.Cpu;

/// <summary>The memory of dynamic values: blocks are aligned, apart from each other, used again, and dead when their run is over.</summary>
public sealed class RunRegionTests
{
    [Fact]
    public void Blocks_are_used_again_when_the_last_holder_lets_go()
    {
        var region = new RunRegion();
        RunBlock first = region.Allocate(1000), second = region.Allocate(1000);
        nint address = first.Address;
        first.Hold();
        first.LetGo();
        Assert.NotEqual(address, region.Allocate(1000).Address);
        first.LetGo();
        Assert.Throws<ObjectDisposedException>(() => first.Address);
        Assert.Throws<ObjectDisposedException>(first.Hold);
        Assert.Equal(address, region.Allocate(990).Address);
        Assert.NotEqual(address, second.Address);
        region.Reset();
    }

    [Fact]
    public void The_last_block_moves_the_end_back()
    {
        var region = new RunRegion();
        region.Allocate(64);
        RunBlock large = region.Allocate(1 << 20);
        long peak = region.PeakBytes;
        large.LetGo();
        region.Allocate(1 << 19);
        Assert.Equal(peak, region.PeakBytes);
        region.Reset();
    }

    [Fact]
    public void A_run_that_is_over_leaves_dead_blocks_and_little_memory()
    {
        var region = new RunRegion();
        RunBlock[] blocks = [.. Enumerable.Range(0, 100).Select(_ => region.Allocate(1 << 20))];
        foreach (RunBlock block in blocks) block.Slice(0, 1 << 20).Fill(7);
        Assert.InRange(region.LiveBytes, 100 << 20, 130 << 20);
        region.Reset();
        Assert.InRange(region.CommittedBytes, 0, 32 << 20);
        Assert.Equal(0, region.LiveBytes);
        Assert.Throws<ObjectDisposedException>(() => blocks[0].Address);
        blocks[1].LetGo(); // too late, and harmless
        Assert.Equal(0, region.LiveBytes);
    }

    [Fact]
    public void What_does_not_fit_the_reserved_space_lies_elsewhere()
    {
        var region = new RunRegion(1 << 28);
        RunBlock small = region.Allocate(100), large = region.Allocate(1L << 29), other = region.Allocate(1L << 29);
        Assert.Equal(0, large.Address % Storage.Alignment);
        large.Slice(0, 100).Fill(1);
        small.Slice(0, 100).Fill(2);
        Assert.Equal(1, large.Slice(0, 1)[0]);
        large.LetGo();
        Assert.Throws<ObjectDisposedException>(() => large.Address);
        region.Reset();
        Assert.Throws<ObjectDisposedException>(() => other.Address);
    }

    /// <summary>Four threads allocate, fill, check and free blocks of all sizes in one region.</summary>
    [Fact]
    public void Blocks_of_many_threads_do_not_overlap()
    {
        var region = new RunRegion();
        Parallel.For(0, 4, worker =>
        {
            var random = new Random(worker);
            var mine = new List<(RunBlock Block, byte Mark)>();
            for (int step = 0; step < 4000; step++)
            {
                int bytes = random.Next(2) == 0 ? random.Next(300) : random.Next(1, 40000);
                RunBlock block = region.Allocate(bytes);
                Assert.Equal(0, block.Address % Storage.Alignment);
                var mark = (byte)random.Next(256);
                block.Slice(0, bytes).Fill(mark);
                mine.Add((block, mark));
                if (mine.Count < 40 && random.Next(3) != 0) continue;
                int at = random.Next(mine.Count);
                (RunBlock old, byte expected) = mine[at];
                mine.RemoveAt(at);
                Assert.Equal(-1, old.Slice(0, (int)old.ByteCount).IndexOfAnyExcept(expected));
                old.LetGo();
            }
            foreach ((RunBlock block, _) in mine) block.LetGo();
        });
        Assert.Equal(0, region.LiveBytes);
        region.Reset();
    }
}
