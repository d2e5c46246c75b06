using Parallax.Kernels;

namespace Parallax.Suite;

/// <summary>
/// Runs a kernel on this thread, on hostile ground: blocks of a phase in a shuffled order, scratch of exactly the promised size between
/// unreadable pages, filled with NaN (worker scratch before every block).
/// </summary>
public static unsafe class KernelRunner
{
    /// <summary>Addresses of inputs and outputs by position; 0 where one is absent.</summary>
    public static void Run(Kernel kernel, ReadOnlySpan<nint> inputs, ReadOnlySpan<nint> outputs, int seed = 1)
    {
        using var scratch = new GuardedBuffer<byte>(Align(kernel.ScratchBytes));
        using var workerScratch = new GuardedBuffer<byte>(Align(kernel.WorkerScratchBytes));
        scratch.Span.Fill(0xFF);
        var random = new Random(seed);
        fixed (nint* ins = inputs, outs = outputs)
        {
            var args = new KernelArgs((void**)ins, inputs.Length, (void**)outs, outputs.Length, scratch.Pointer, workerScratch.Pointer);
            for (int phase = 0; phase < kernel.PhaseCount; phase++)
            {
                int[] order = [.. Enumerable.Range(0, kernel.BlockCount(phase))];
                random.Shuffle(order);
                foreach (int block in order)
                {
                    workerScratch.Span.Fill(0xFF);
                    kernel.RunBlock(phase, block, args);
                }
            }
        }
    }

    private static int Align(long bytes) => checked((int)((bytes + 63) / 64 * 64));
}
