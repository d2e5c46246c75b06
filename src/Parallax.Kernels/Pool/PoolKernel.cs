using System.Numerics;
using System.Runtime.CompilerServices;

namespace Parallax.Kernels.Pool;

/// <summary>
/// Pooling of [planes, spatial...] row by row of the output: the input rows under the window are combined into one padded row, then
/// neighbours in that row at stride 1, vectorized both, and every stride-th result is the output's.
/// </summary>
internal sealed unsafe class PoolKernel<T, TPooling> : Kernel
    where T : unmanaged, INumber<T>
    where TPooling : struct, IPooling<T>
{
    private const int WidestPick = 4;

    private readonly WindowAxis[] outer;
    private readonly WindowAxis last;
    private readonly long[] inputStrides;
    private readonly int[][] counts;
    private readonly double p;
    private readonly long planes, planeElements, rowsPerPlane, rowsPerBlock;
    private readonly int padded, stretch;

    /// <param name="axes">At least one.</param>
    /// <param name="counts">Per axis and result, how many taps an average counts.</param>
    internal PoolKernel(long planes, ReadOnlySpan<WindowAxis> axes, int[][] counts, double p)
    {
        outer = axes[..^1].ToArray();
        last = axes[^1];
        (this.planes, this.counts, this.p) = (planes, counts, p);
        var dims = new long[axes.Length];
        for (int i = 0; i < dims.Length; i++) dims[i] = axes[i].Input;
        inputStrides = Shape.Strides(dims);
        planeElements = Shape.Count(dims);
        rowsPerPlane = 1;
        long taps = last.Kernel;
        foreach (WindowAxis axis in outer)
        {
            rowsPerPlane *= axis.Output;
            taps += axis.Kernel;
        }
        // Whole vectors: what is computed behind the last result is never picked.
        int lanes = Vector<T>.IsSupported ? Vector<T>.Count : 1;
        stretch = checked((int)(((last.Output - 1) * last.Stride + lanes) / lanes * lanes));
        padded = checked((int)Math.Max(stretch + (last.Kernel - 1) * last.Dilation, last.PadBegin + last.Input));
        rowsPerBlock = Math.Max(1, 32768 / Math.Max(1, taps * Math.Max(1, last.Output)));
    }

    public override string Name => $"{TPooling.Name}_{typeof(T).Name.ToLowerInvariant()}_{outer.Length + 1}d";

    public override int BlockCount(int phase) => last.Output == 0 ? 0 : (int)((planes * rowsPerPlane + rowsPerBlock - 1) / rowsPerBlock);

    public override long WorkerScratchBytes => (padded + (long)stretch) * sizeof(T);

    public override bool CanRehearse => true;

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        T* row = (T*)args.WorkerScratch, combined = row + padded;
        new Span<T>(row, padded).Fill(TPooling.Identity);
        long end = Math.Min(planes * rowsPerPlane, (block + 1) * rowsPerBlock);
        for (long r = block * rowsPerBlock; r < end; r++)
        {
            (long plane, long position) = Math.DivRem(r, rowsPerPlane);
            T* input = args.Input<T>(0) + plane * planeElements, output = args.Output<T>(0) + r * last.Output;
            int count = 1;
            bool empty = true;
            Gather(input, position, 0, row + last.PadBegin, ref empty, ref count);
            if (empty) new Span<T>(row + last.PadBegin, (int)last.Input).Fill(TPooling.Identity);
            Slide(row, combined, output, count);
        }
    }

    // Combines the input rows that the window touches outside of the last axis.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Gather(T* input, long position, int axis, T* row, ref bool empty, ref int count)
    {
        if (axis == outer.Length)
        {
            Take(input, row, empty);
            empty = false;
            return;
        }
        long below = 1;
        for (int i = axis + 1; i < outer.Length; i++) below *= outer[i].Output;
        (long index, long rest) = Math.DivRem(position, below);
        ref readonly WindowAxis window = ref outer[axis];
        (long first, long end) = window.Inside(index);
        int counted = count * counts[axis][index];
        for (long tap = first; tap < end; tap++)
        {
            count = counted;
            Gather(input + (window.Start(index) + tap * window.Dilation) * inputStrides[axis], rest, axis + 1, row, ref empty, ref count);
        }
        if (first >= end) count = 0;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Take(T* source, T* row, bool first)
    {
        int n = (int)last.Input, i = 0;
        if (Vector<T>.IsSupported && TPooling.MapsVectors(p) && n >= Vector<T>.Count)
        {
            // The last vector overlaps the one before it, and is combined with what was there before that.
            T* end = row + n - Vector<T>.Count;
            Vector<T> mapped = TPooling.Map(Load(source + n - Vector<T>.Count)), rest = first ? mapped : TPooling.Combine(Load(end), mapped);
            for (; i + Vector<T>.Count <= n; i += Vector<T>.Count)
            {
                mapped = TPooling.Map(Load(source + i));
                Store(row + i, first ? mapped : TPooling.Combine(Load(row + i), mapped));
            }
            Store(end, rest);
            return;
        }
        for (; i < n; i++)
        {
            T mapped = TPooling.Map(source[i], p);
            row[i] = first ? mapped : TPooling.Combine(row[i], mapped);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Slide(T* row, T* combined, T* output, int outerCount)
    {
        long kernel = last.Kernel, dilation = last.Dilation, stride = last.Stride;
        int[] lastCounts = counts[^1];
        if (stride > WidestPick)
        {
            for (long o = 0; o < last.Output; o++)
            {
                T folded = row[o * stride];
                for (long k = 1; k < kernel; k++) folded = TPooling.Combine(folded, row[o * stride + k * dilation]);
                output[o] = TPooling.Finish(folded, outerCount * lastCounts[o], p);
            }
            return;
        }
        int lanes = Vector<T>.IsSupported ? Vector<T>.Count : 1;
        for (int i = 0; i < stretch; i += lanes)
            if (Vector<T>.IsSupported)
            {
                Vector<T> folded = Load(row + i);
                for (long k = 1; k < kernel; k++) folded = TPooling.Combine(folded, Load(row + i + k * dilation));
                Store(combined + i, folded);
            }
            else
            {
                T folded = row[i];
                for (long k = 1; k < kernel; k++) folded = TPooling.Combine(folded, row[i + k * dilation]);
                combined[i] = folded;
            }
        if (stride == 1 && !TPooling.Finishes) new ReadOnlySpan<T>(combined, (int)last.Output).CopyTo(new Span<T>(output, (int)last.Output));
        else
            for (long o = 0; o < last.Output; o++) output[o] = TPooling.Finish(combined[o * stride], outerCount * lastCounts[o], p);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<T> Load(T* source) => Unsafe.ReadUnaligned<Vector<T>>(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(T* destination, Vector<T> value) => Unsafe.WriteUnaligned(destination, value);
}
