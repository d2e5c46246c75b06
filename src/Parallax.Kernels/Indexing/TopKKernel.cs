using System.Numerics;
using Parallax.Kernels.Copy;

namespace Parallax.Kernels.Indexing;

/// <summary>
/// The k best of each line of [outer, length, inner], best first; of equal ones the lower index, and NaN is larger than any number.
/// A heap of k holds the best so far, the worst on top.
/// </summary>
public sealed unsafe class TopKKernel<T>(long outer, long length, long inner, long k, bool largest)
    : UnitKernel(largest ? "topk_largest" : "topk_smallest", k == 0 ? 0 : outer * inner, length * sizeof(T) * 4) where T : unmanaged, INumber<T>
{
    private readonly long length = length, inner = inner, k = k;

    private struct Entry
    {
        internal T Value;
        internal long Index;
    }

    public override long WorkerScratchBytes => k * sizeof(Entry);

    protected override void RunUnits(long start, long end, in KernelArgs args)
    {
        var heap = (Entry*)args.WorkerScratch;
        T* values = args.Output<T>(0);
        long* indices = args.Output<long>(1);
        for (long line = start; line < end; line++)
        {
            (long row, long column) = Math.DivRem(line, inner);
            Select(args.Input<T>(0) + row * length * inner + column, heap);
            for (long i = k - 1; i >= 0; i--)
            {
                Entry worst = heap[0];
                heap[0] = heap[i];
                SiftDown(heap, 0, i);
                long at = (row * k + i) * inner + column;
                if (values is not null) values[at] = worst.Value;
                if (indices is not null) indices[at] = worst.Index;
            }
        }
    }

    private void Select(T* line, Entry* heap)
    {
        for (long i = 0; i < k; i++) heap[i] = new Entry { Value = line[i * inner], Index = i };
        for (long i = k / 2 - 1; i >= 0; i--) SiftDown(heap, i, k);
        for (long i = k; i < length; i++)
        {
            // Later elements lose ties, so only a better value gets in.
            if (!IsBetter(line[i * inner], heap[0].Value)) continue;
            heap[0] = new Entry { Value = line[i * inner], Index = i };
            SiftDown(heap, 0, k);
        }
    }

    private void SiftDown(Entry* heap, long at, long count)
    {
        Entry moved = heap[at];
        for (long child = 2 * at + 1; child < count; at = child, child = 2 * at + 1)
        {
            if (child + 1 < count && IsWorse(heap[child + 1], heap[child])) child++;
            if (!IsWorse(heap[child], moved)) break;
            heap[at] = heap[child];
        }
        heap[at] = moved;
    }

    private bool IsWorse(in Entry a, in Entry b) => IsBetter(b.Value, a.Value) || !IsBetter(a.Value, b.Value) && a.Index > b.Index;

    private bool IsBetter(T a, T b) => largest ? a > b || T.IsNaN(a) && !T.IsNaN(b) : a < b || T.IsNaN(b) && !T.IsNaN(a);
}

/// <summary>Makes <see cref="TopKKernel{T}"/>.</summary>
public readonly record struct TopKFactory(long Outer, long Length, long Inner, long K, bool Largest) : INumberKernelFactory
{
    public Kernel Create<T>() where T : unmanaged, INumber<T> => new TopKKernel<T>(Outer, Length, Inner, K, Largest);
}
