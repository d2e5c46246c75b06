using System.Numerics;
using System.Runtime.CompilerServices;

namespace Parallax.Kernels.Reduce;

/// <summary>
/// A fold over axes. Runs along reduced axes are folded one by one; runs along kept axes are accumulated side by side. Long sums are
/// taken in stretches whose results are added up after, which bounds the rounding error. Where there are few outputs with much behind
/// each, the reduced positions are cut into slices: phase 0 folds slices into scratch, phase 1 combines them.
/// </summary>
internal sealed unsafe class ReduceKernel<T, TReduction> : Kernel
    where T : unmanaged, INumber<T>
    where TReduction : struct, IReduction<T>
{
    private const int RunLength = 4096, ColumnCount = 512, RowsPerStretch = 64;
    private const long BlockWork = 1 << 15;

    private readonly ReduceLayout layout;
    private readonly T identity;
    private readonly long units, unitsPerBlock, slices;
    private readonly int columnChunks;

    /// <param name="identity">What an empty fold gives, where it is not the reduction's own.</param>
    internal ReduceKernel(ReduceLayout layout, T? identity = null)
    {
        this.layout = layout;
        this.identity = identity ?? TReduction.Identity;
        columnChunks = layout.InnerReduced ? 1 : (int)((layout.Inner + ColumnCount - 1) / ColumnCount);
        units = layout.Outputs == 0 ? 0 : layout.Kept * columnChunks;
        long unitWork = Math.Max(1, layout.InnerReduced ? layout.PerOutput : layout.Reduced * Math.Min(layout.Inner, ColumnCount));
        unitsPerBlock = Math.Max(1, BlockWork / unitWork);
        slices = units is > 0 and < 8 && unitWork >= 4 * BlockWork ? Math.Min(Math.Min(unitWork / BlockWork, 64), SliceableCount) : 1;
    }

    public override string Name => $"reduce_{TReduction.Name}_{typeof(T).Name.ToLowerInvariant()}";

    public override int PhaseCount => slices > 1 ? 2 : 1;

    public override int BlockCount(int phase) => phase == 1 ? 1 : (int)(slices > 1 ? units * slices : (units + unitsPerBlock - 1) / unitsPerBlock);

    public override long ScratchBytes => slices > 1 ? slices * layout.Outputs * sizeof(T) : 0;

    public override long WorkerScratchBytes => layout.InnerReduced ? 0 : 2 * ColumnCount * sizeof(T);

    // What slices cut: outer reduced positions, or the one run where there are none.
    private long SliceableCount => layout.InnerReduced && layout.Reduced == 1 ? layout.Inner : layout.Reduced;

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        T* input = args.Input<T>(0), output = args.Output<T>(0);
        if (phase == 1) CombineSlices((T*)args.Scratch, output);
        else if (slices > 1)
        {
            (long unit, long slice) = Math.DivRem(block, slices);
            T* partial = (T*)args.Scratch + slice * layout.Outputs;
            RunUnit(unit, SliceableCount * slice / slices, SliceableCount * (slice + 1) / slices, input, partial, args, finish: false);
        }
        else
        {
            long end = Math.Min(units, (block + 1) * unitsPerBlock);
            for (long unit = block * unitsPerBlock; unit < end; unit++) RunUnit(unit, 0, SliceableCount, input, output, args, finish: true);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void RunUnit(long unit, long begin, long end, T* input, T* output, in KernelArgs args, bool finish)
    {
        if (layout.InnerReduced)
        {
            T folded = FoldRuns(input + layout.KeptOffset(unit), begin, end);
            output[unit] = finish ? TReduction.Finish(folded, layout.PerOutput) : folded;
            return;
        }
        (long kept, long chunk) = Math.DivRem(unit, columnChunks);
        long column = chunk * ColumnCount;
        int count = (int)Math.Min(ColumnCount, layout.Inner - column);
        T* results = output + kept * layout.Inner + column;
        FoldColumns(input + layout.KeptOffset(kept) + column, begin, end, new Span<T>(results, count), (T*)args.WorkerScratch);
        if (!finish) return;
        for (int i = 0; i < count; i++) results[i] = TReduction.Finish(results[i], layout.PerOutput);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private T FoldRuns(T* start, long begin, long end)
    {
        T folded = identity;
        bool one = layout.Reduced == 1;
        long first = one ? 0 : begin, last = one ? 1 : end;
        long runBegin = one ? begin : 0, runEnd = one ? end : layout.Inner;
        for (long r = first; r < last; r++)
        {
            T* run = start + layout.ReducedOffset(r);
            for (long i = runBegin; i < runEnd; i += RunLength)
                folded = TReduction.Combine(folded, TReduction.Fold(new ReadOnlySpan<T>(run + i, (int)Math.Min(RunLength, runEnd - i))));
        }
        return folded;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void FoldColumns(T* start, long begin, long end, Span<T> results, T* scratch)
    {
        int count = results.Length;
        Span<T> stretch = new(scratch, count), temp = new(scratch + ColumnCount, count);
        results.Fill(identity);
        for (long row = begin; row < end; row += RowsPerStretch)
        {
            stretch.Fill(TReduction.Identity);
            long stretchEnd = Math.Min(end, row + RowsPerStretch);
            for (long r = row; r < stretchEnd; r++)
                TReduction.Accumulate(new ReadOnlySpan<T>(start + layout.ReducedOffset(r), count), stretch, temp);
            for (int i = 0; i < count; i++) results[i] = TReduction.Combine(results[i], stretch[i]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void CombineSlices(T* partials, T* output)
    {
        for (long i = 0; i < layout.Outputs; i++)
        {
            T folded = partials[i];
            for (long slice = 1; slice < slices; slice++) folded = TReduction.Combine(folded, partials[slice * layout.Outputs + i]);
            output[i] = TReduction.Finish(folded, layout.PerOutput);
        }
    }
}

/// <summary>log(sum(exp(x))) with the largest element taken out first, so that nothing overflows.</summary>
internal sealed unsafe class LogSumExpKernel<T> : Kernel where T : unmanaged, INumber<T>
{
    private readonly ReduceLayout layout;
    private readonly long outputsPerBlock;

    internal LogSumExpKernel(ReduceLayout layout)
    {
        this.layout = layout;
        outputsPerBlock = Math.Max(1, 2048 / Math.Max(1, layout.PerOutput));
    }

    public override string Name => $"reduce_logsumexp_{typeof(T).Name.ToLowerInvariant()}";

    public override int BlockCount(int phase) => (int)((layout.Outputs + outputsPerBlock - 1) / outputsPerBlock);

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        T* input = args.Input<T>(0), output = args.Output<T>(0);
        long end = Math.Min(layout.Outputs, (block + 1) * outputsPerBlock);
        for (long i = block * outputsPerBlock; i < end; i++)
        {
            (long kept, long column) = layout.InnerReduced ? (i, 0) : Math.DivRem(i, layout.Inner);
            output[i] = T.CreateSaturating(Compute(input + layout.KeptOffset(kept) + column));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private double Compute(T* start)
    {
        long run = layout.InnerReduced ? layout.Inner : 1;
        double largest = double.NegativeInfinity;
        for (long r = 0; r < layout.Reduced; r++)
        {
            T* p = start + layout.ReducedOffset(r);
            for (long i = 0; i < run; i++) largest = Math.Max(largest, double.CreateSaturating(p[i]));
        }
        if (double.IsInfinity(largest)) return largest;
        double sum = 0;
        for (long r = 0; r < layout.Reduced; r++)
        {
            T* p = start + layout.ReducedOffset(r);
            for (long i = 0; i < run; i++) sum += Math.Exp(double.CreateSaturating(p[i]) - largest);
        }
        return largest + Math.Log(sum);
    }
}
