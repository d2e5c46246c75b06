using System.Runtime.CompilerServices;
using Parallax.Runtime.Memory;
using Xunit;

namespace Parallax.Tests.Cpu;

/// <summary>The memory of results: used again only when it was given back, by one at a time, and kept up to a limit.</summary>
public sealed class OutputPoolTests
{
    private static Tensor Floats(OutputPool pool, long count) => pool.Allocate(DType.Float32, [count]);

    [Fact]
    public void Memory_that_was_given_back_serves_outputs_of_about_its_size()
    {
        using var pool = new OutputPool();
        Tensor first = Floats(pool, 50_000);
        nint address = first.Address;
        Assert.Equal(0, address % Storage.Alignment);
        using Tensor held = Floats(pool, 50_000);
        Assert.NotEqual(address, held.Address);
        first.Dispose();
        using Tensor larger = Floats(pool, 100_000);
        Assert.NotEqual(address, larger.Address);
        using Tensor next = Floats(pool, 50_500);
        Assert.Equal(address, next.Address);
        Assert.Equal(50_500 * sizeof(float), next.Bytes.Length);
        Assert.Equal(0, pool.IdleBytes);
    }

    [Fact]
    public void Memory_given_back_twice_serves_one_output()
    {
        using var pool = new OutputPool();
        Tensor tensor = Floats(pool, 50_000);
        Parallel.For(0, 8, _ => tensor.Dispose());
        Assert.Throws<ObjectDisposedException>(() => tensor.Address);
        using Tensor a = Floats(pool, 50_000), b = Floats(pool, 50_000);
        Assert.NotEqual(a.Address, b.Address);
        tensor.Dispose();
        Assert.Equal(0, pool.IdleBytes);
    }

    [Fact]
    public void Views_of_memory_that_was_given_back_say_so()
    {
        using var pool = new OutputPool();
        Tensor tensor = Floats(pool, 50_000), view = tensor.Reshape([100, 500]);
        view.Dispose();
        Assert.Equal(tensor.Address, view.Address);
        tensor.Dispose();
        Assert.Throws<ObjectDisposedException>(() => view.Bytes.Length);
    }

    [Fact]
    public void What_came_back_last_is_kept_up_to_a_limit()
    {
        using var pool = new OutputPool();
        Tensor[] tensors = [.. Enumerable.Range(0, 48).Select(_ => Floats(pool, 1 << 18))];
        nint[] addresses = [.. tensors.Select(t => t.Address)];
        Assert.Equal(48, addresses.Distinct().Count());
        foreach (Tensor tensor in tensors) tensor.Dispose();
        Assert.Equal(OutputPool.KeptBytes, pool.IdleBytes);
        Tensor[] next = [.. Enumerable.Range(0, 32).Select(_ => Floats(pool, 1 << 18))];
        Assert.Equal(addresses[16..].Order(), next.Select(t => t.Address).Order());
        Assert.Equal(0, pool.IdleBytes);
        foreach (Tensor tensor in next) tensor.Dispose();
        Floats(pool, OutputPool.KeptBytes).Dispose(); // larger than all that may be kept
        Assert.Equal(OutputPool.KeptBytes, pool.IdleBytes);
    }

    [Fact]
    public void A_closed_pool_keeps_nothing_and_results_stay_valid()
    {
        var pool = new OutputPool();
        Tensor kept = Floats(pool, 50_000);
        kept.Span<float>().Fill(3);
        Floats(pool, 50_000).Dispose();
        Assert.True(pool.IdleBytes > 0);
        pool.Dispose();
        Assert.Equal(0, pool.IdleBytes);
        Assert.Equal(-1, kept.Span<float>().IndexOfAnyExcept(3));
        kept.Dispose();
        Assert.Equal(0, pool.IdleBytes);
        Assert.Throws<ObjectDisposedException>(() => kept.Address);
    }

    [Fact]
    public void Forgotten_results_do_not_serve_later_ones()
    {
        using var pool = new OutputPool();
        WeakReference forgotten = Forget(pool);
        GC.Collect();
        GC.WaitForPendingFinalizers();
        Assert.False(forgotten.IsAlive);
        Assert.Equal(0, pool.IdleBytes);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static WeakReference Forget(OutputPool pool) => new(Floats(pool, 50_000));

    [Fact]
    public void Callers_on_many_threads_never_share_memory()
    {
        using var pool = new OutputPool();
        Parallel.For(0, 16, caller =>
        {
            for (int i = 0; i < 200; i++)
            {
                using Tensor a = Floats(pool, 2_000 + 100 * (i % 7)), b = Floats(pool, 2_000);
                a.Span<float>().Fill(caller);
                b.Span<float>().Fill(-caller - 1);
                Thread.Yield();
                Assert.Equal(-1, a.Span<float>().IndexOfAnyExcept(caller));
                Assert.Equal(-1, b.Span<float>().IndexOfAnyExcept(-caller - 1));
            }
        });
    }
}
