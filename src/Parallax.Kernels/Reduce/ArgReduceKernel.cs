using System.Numerics;

namespace Parallax.Kernels.Reduce;

/// <summary>Position of the largest or smallest element along the middle of [outer, count, inner]. The first NaN counts as the extreme.</summary>
internal sealed unsafe class ArgReduceKernel<T> : Kernel where T : unmanaged, INumber<T>
{
    private const int ColumnCount = 256;

    private readonly bool largest, last;
    private readonly long outer, count, inner, chunks, unitsPerBlock;

    internal ArgReduceKernel(bool largest, bool last, long outer, long count, long inner)
    {
        (this.largest, this.last, this.outer, this.count, this.inner) = (largest, last, outer, count, inner);
        chunks = (inner + ColumnCount - 1) / ColumnCount;
        unitsPerBlock = Math.Max(1, 16384 / Math.Max(1, count * Math.Min(inner, ColumnCount)));
    }

    public override string Name => $"{(largest ? "argmax" : "argmin")}_{typeof(T).Name.ToLowerInvariant()}";

    public override int BlockCount(int phase) => (int)((outer * chunks + unitsPerBlock - 1) / unitsPerBlock);

    public override long WorkerScratchBytes => ColumnCount * sizeof(T);

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        T* best = (T*)args.WorkerScratch;
        long end = Math.Min(outer * chunks, (block + 1) * unitsPerBlock);
        for (long unit = block * unitsPerBlock; unit < end; unit++)
        {
            (long o, long chunk) = Math.DivRem(unit, chunks);
            long column = chunk * ColumnCount;
            int width = (int)Math.Min(ColumnCount, inner - column);
            T* data = args.Input<T>(0) + o * count * inner + column;
            long* result = args.Output<long>(0) + o * inner + column;
            new Span<long>(result, width).Clear();
            new ReadOnlySpan<T>(data, width).CopyTo(new Span<T>(best, width));
            if (width == 1 && inner == 1) *result = Along(data);
            else
                for (long i = 1; i < count; i++) Across(data + i * inner, best, result, width, i);
        }
    }

    private long Along(T* data)
    {
        T best = data[0];
        long position = 0;
        for (long i = 1; i < count; i++)
            if (Beats(data[i], best)) (best, position) = (data[i], i);
        return position;
    }

    private void Across(T* data, T* best, long* positions, int width, long index)
    {
        for (int i = 0; i < width; i++)
            if (Beats(data[i], best[i])) (best[i], positions[i]) = (data[i], index);
    }

    private bool Beats(T candidate, T best) => (largest ? candidate > best : candidate < best) || last && candidate == best || T.IsNaN(candidate) && !T.IsNaN(best);
}
