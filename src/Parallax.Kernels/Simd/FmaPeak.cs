using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Parallax.Kernels;

/// <summary>Measures how many float32 multiply-adds this machine does per second, from registers: the roof of every product and convolution.</summary>
public static class FmaPeak
{
    private const int Chains = 12, RoundsPerCall = 1 << 16;

    /// <summary>GFLOP/s (two per multiply-add) of <paramref name="threads"/> threads at once, the best of several attempts.</summary>
    public static double MeasureGflops(int threads, TimeSpan duration, CancellationToken cancellation = default)
    {
        const int Attempts = 5;
        double best = 0;
        for (int i = 0; i <= Attempts; i++) // the first attempt wakes the cores up
        {
            cancellation.ThrowIfCancellationRequested();
            double gflops = Measure(threads, duration / (Attempts + 1));
            if (i > 0) best = Math.Max(best, gflops);
        }
        return best;
    }

    private static double Measure(int threads, TimeSpan duration)
    {
        long calls = 0;
        long end = Stopwatch.GetTimestamp() + (long)(duration.TotalSeconds * Stopwatch.Frequency);
        var started = Stopwatch.StartNew();
        Thread[] helpers = [.. Enumerable.Range(1, threads - 1).Select(_ => new Thread(Work) { IsBackground = true })];
        foreach (Thread helper in helpers) helper.Start();
        Work();
        foreach (Thread helper in helpers) helper.Join();
        return 2.0 * calls * RoundsPerCall * Chains * (int)Vec.Widest / started.Elapsed.TotalSeconds / 1e9;

        void Work()
        {
            long mine = 0;
            float sum = 0;
            do
            {
                sum += Call();
                mine++;
            }
            while (Stopwatch.GetTimestamp() < end);
            GC.KeepAlive(sum);
            Interlocked.Add(ref calls, mine);
        }
    }

    private static float Call() => Vec.Widest switch
    {
        VecWidth.V512 => Multiply<Vec512>(),
        VecWidth.V256 => Multiply<Vec256>(),
        VecWidth.V128 => Multiply<Vec128>(),
        _ => Multiply<Vec1>(),
    };

    /// <summary>Twelve chains are independent: enough to hide the latency of two units, few enough for sixteen registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Multiply<V>() where V : struct, IVec<V>
    {
        V x = V.Create(0.999f), y = V.Create(0.001f);
        V a = x, b = x, c = x, d = x, e = x, f = x, g = x, h = x, i = x, j = x, k = x, l = x;
        for (int round = 0; round < RoundsPerCall; round++)
        {
            a = V.MultiplyAdd(a, x, y);
            b = V.MultiplyAdd(b, x, y);
            c = V.MultiplyAdd(c, x, y);
            d = V.MultiplyAdd(d, x, y);
            e = V.MultiplyAdd(e, x, y);
            f = V.MultiplyAdd(f, x, y);
            g = V.MultiplyAdd(g, x, y);
            h = V.MultiplyAdd(h, x, y);
            i = V.MultiplyAdd(i, x, y);
            j = V.MultiplyAdd(j, x, y);
            k = V.MultiplyAdd(k, x, y);
            l = V.MultiplyAdd(l, x, y);
        }
        return V.Sum(a + b + c + d + e + f + g + h + i + j + k + l);
    }
}
