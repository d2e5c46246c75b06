using System.Runtime.InteropServices;

namespace Parallax.Kernels;

/// <summary>
/// Transposed convolution in gather form. Results that agree modulo the strides (a comb) see the same taps at constant distances: each comb is
/// a convolution of stride 1 over the padded input, computed as a matrix product into a worker's scratch and spread from there.
/// Phase 0 pads the input, and sorts the weights by comb where they are not constant; phase 1 multiplies.
/// </summary>
internal sealed unsafe class ConvTranspose : Kernel
{
    private readonly ConvTransposeProblem problem;
    private readonly TransposeAxis[] axes;
    private readonly GemmMicroKernel entry;
    private readonly PaddedInput padded;
    private readonly Comb[] combs;
    private readonly int channelElements;
    private readonly long sortedStart;
    private readonly bool isConstant;

    /// <summary>Results q * stride + first, for q in the counts, along z, y and x.</summary>
    private sealed record Comb((int First, int Count)[] Axes, int[] Taps, long SortedStart, GemmEngine Engine, PackedMatrix? Weights)
    {
        internal int Results => Axes[0].Count * Axes[1].Count * Axes[2].Count;
    }

    internal ConvTranspose(ConvTransposeProblem problem, float* weights, GemmMicroKernel entry)
    {
        this.problem = problem;
        this.entry = entry;
        isConstant = weights != null;
        axes = problem.ThreeAxes;
        (int Low, int Length)[] reach = [.. axes.Select(Reach)];
        padded = new PaddedInput(Padded(axes[0], reach[0]), Padded(axes[1], reach[1]), Padded(axes[2], reach[2]));
        channelElements = padded.ChannelElements(padded.Rows);
        sortedStart = Vec.WholeLineElements((long)problem.Batch * problem.InputChannels * channelElements + PaddedInput.Slack);
        combs = MakeCombs([.. reach.Select(r => r.Low)], weights);
        Name = entry.NameOf("convtranspose_f32_gather");
    }

    public override string Name { get; }

    public override int PhaseCount => 2;

    public override long ScratchBytes => sizeof(float) * (sortedStart + (isConstant ? 0 : combs.Sum(comb => SortedElements(comb.Taps))));

    public override long WorkerScratchBytes =>
        combs.Length == 0 ? 0 : combs.Max(comb => ResultBytes(comb.Engine) + comb.Engine.WorkerScratchBytes);

    private int Channels => problem.Batch * problem.InputChannels;

    private int Products => problem.Batch * problem.Groups;

    public override int BlockCount(int phase) => phase == 0
        ? Channels + (isConstant ? 0 : combs.Length)
        : combs.Sum(comb => Products * comb.Engine.MBlocks * comb.Engine.NBlocks);

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        if (phase == 1)
            Multiply(block, args);
        else if (block < Channels)
            Pad(block, args);
        else
            Sort(combs[block - Channels].Taps, args.Input<float>(1), (float*)args.Scratch + combs[block - Channels].SortedStart);
    }

    public override void Dispose()
    {
        foreach (Comb comb in combs)
            comb.Weights?.Dispose();
        base.Dispose();
    }

    /// <summary>Padding below the input, and padded length, such that every tap of every result reads inside.</summary>
    private static (int Low, int Length) Reach(TransposeAxis axis)
    {
        long low = 0, end = axis.Input;
        for (long first = 0; first < Math.Min(axis.Stride, axis.Output); first++)
            for (long tap = 0; tap < axis.Kernel; tap++)
                if (Shift(axis, first, tap) is { } shift)
                {
                    low = Math.Max(low, -shift);
                    end = Math.Max(end, shift + (axis.Output - first + axis.Stride - 1) / axis.Stride);
                }
        return ((int)low, (int)(low + end));
    }

    private static PaddedAxis Padded(TransposeAxis axis, (int Low, int Length) reach) => new((int)axis.Input, reach.Low, 1, reach.Length, [0]);

    /// <summary>The input that result q * Stride + first reads at a tap, less q; null where the tap does not meet this comb.</summary>
    private static long? Shift(TransposeAxis axis, long first, long tap)
    {
        long distance = first + axis.PadBegin - tap * axis.Dilation;
        return distance % axis.Stride == 0 ? distance / axis.Stride : null;
    }

    private Comb[] MakeCombs(int[] low, float* weights)
    {
        var made = new List<Comb>();
        long start = sortedStart;
        if (problem.OutputPlane == 0)
            return [];
        for (int z = 0; z < Math.Min(axes[0].Stride, axes[0].Output); z++)
            for (int y = 0; y < Math.Min(axes[1].Stride, axes[1].Output); y++)
                for (int x = 0; x < Math.Min(axes[2].Stride, axes[2].Output); x++)
                {
                    Comb comb = MakeComb(low, [z, y, x], start, weights);
                    start += SortedElements(comb.Taps);
                    made.Add(comb);
                }
        return [.. made];
    }

    private Comb MakeComb(int[] low, int[] first, long start, float* weights)
    {
        List<int> taps = [], distances = [];
        for (int tap = 0; tap < problem.Taps; tap++)
        {
            long kx = tap % axes[2].Kernel, ky = tap / axes[2].Kernel % axes[1].Kernel, kz = tap / axes[2].Kernel / axes[1].Kernel;
            if (Shift(axes[0], first[0], kz) is not { } sz || Shift(axes[1], first[1], ky) is not { } sy || Shift(axes[2], first[2], kx) is not { } sx)
                continue;
            taps.Add(tap);
            distances.Add(padded.Offset((int)sz + low[0], (int)sy + low[1], (int)sx + low[2], padded.Rows));
        }
        int depth = problem.GroupInputs * taps.Count;
        var offsets = new int[depth];
        for (int i = 0; i < depth; i++)
            offsets[i] = checked(i / taps.Count * channelElements + distances[i % taps.Count]);
        (int First, int Count)[] extent =
            [.. axes.Select((axis, i) => (first[i], (int)((axis.Output - first[i] + axis.Stride - 1) / axis.Stride)))];
        var source = new PatchSource(entry, offsets, extent[1].Count, extent[2].Count, padded.RowStride, padded.PlaneStride(padded.Rows));
        var epilogue = new Epilogue(entry.Width, problem.Activation, 1f, 1f, residualAfterActivation: false);
        var engine = new GemmEngine(entry, problem.GroupOutputs, extent[0].Count * extent[1].Count * extent[2].Count, depth,
            Products * axes[0].Stride * axes[1].Stride * axes[2].Stride, epilogue, isConstant ? null : MatrixLayout.RowMajor(depth), rightIsPacked: false, rightIsRowMajor: false, source);
        int[] tapList = [.. taps];
        return new Comb(extent, tapList, start, engine, isConstant ? Pack(tapList, weights) : null);
    }

    private long SortedElements(int[] taps) => Vec.WholeLineElements((long)problem.InputChannels * problem.GroupOutputs * taps.Length);

    private PackedMatrix Pack(int[] taps, float* weights)
    {
        int depth = problem.GroupInputs * taps.Length;
        float* sorted = (float*)NativeMemory.Alloc((nuint)Math.Max(1, SortedElements(taps)), sizeof(float));
        Sort(taps, weights, sorted);
        var packed = PackedMatrix.Pack(
            entry, isLeft: true, sorted, problem.GroupOutputs, depth, depth, 1, problem.Groups, (long)problem.GroupOutputs * depth);
        NativeMemory.Free(sorted);
        return packed;
    }

    /// <summary>[group][output][input][tap of the comb], from [input][output][tap].</summary>
    private void Sort(int[] taps, float* weights, float* target)
    {
        for (int group = 0; group < problem.Groups; group++)
            for (int output = 0; output < problem.GroupOutputs; output++)
                for (int input = 0; input < problem.GroupInputs; input++)
                {
                    float* from = weights + ((nint)(group * problem.GroupInputs + input) * problem.GroupOutputs + output) * problem.Taps;
                    foreach (int tap in taps)
                        *target++ = from[tap];
                }
    }

    private void Pad(int channel, in KernelArgs args)
    {
        float* target = (float*)args.Scratch + (nint)channel * channelElements;
        padded.Copy(args.Input<float>(0) + (nint)channel * problem.InputPlane, target, 0, padded.Rows);
        if (channel == Channels - 1)
            new Span<float>(target + channelElements, PaddedInput.Slack).Clear();
    }

    private void Multiply(int block, in KernelArgs args)
    {
        int c = 0;
        for (int blocks; block >= (blocks = Products * combs[c].Engine.MBlocks * combs[c].Engine.NBlocks); c++)
            block -= blocks;
        Comb comb = combs[c];
        GemmEngine engine = comb.Engine;
        (int product, int part) = Math.DivRem(block, engine.MBlocks * engine.NBlocks);
        (int mIndex, int nIndex) = Math.DivRem(part, engine.NBlocks);
        (int image, int group) = Math.DivRem(product, problem.Groups);
        int row = mIndex * engine.RowsPerBlock, column = nIndex * engine.ColumnsPerBlock, stride = engine.ColumnsPerBlock;
        nint depth = (nint)problem.GroupInputs * comb.Taps.Length;
        float* results = (float*)args.WorkerScratch;
        engine.RunBlock(mIndex, nIndex, new GemmOperands
        {
            A = isConstant ? null : (float*)args.Scratch + comb.SortedStart + group * problem.GroupOutputs * depth,
            ARowStride = depth,
            AColumnStride = 1,
            PackedA = comb.Weights,
            PackedAIndex = group,
            B = (float*)args.Scratch + ((nint)image * problem.InputChannels + group * problem.GroupInputs) * channelElements,
            // The engine addresses C from element (0, 0) of the whole product; only this block of it exists.
            C = results - ((nint)row * stride + column),
            CStride = stride,
            Bias = problem.HasBias ? args.Input<float>(2) + group * problem.GroupOutputs : null,
            BiasRowStride = 1,
        }, args.WorkerScratch + ResultBytes(engine));
        int rows = Math.Min(engine.RowsPerBlock, problem.GroupOutputs - row), columns = Math.Min(stride, comb.Results - column);
        float* output = args.Output<float>(0) + ((nint)image * problem.OutputChannels + group * problem.GroupOutputs + row) * problem.OutputPlane;
        for (int i = 0; i < rows; i++)
            Spread(results + i * stride, columns, output + (nint)i * problem.OutputPlane, comb, column);
    }

    /// <summary>Writes results of a comb, from the column-th on, to their places in an output channel.</summary>
    private void Spread(float* results, int count, float* output, Comb comb, int column)
    {
        int step = (int)axes[2].Stride;
        for (int done = 0; done < count;)
        {
            (int line, int x) = Math.DivRem(column + done, comb.Axes[2].Count);
            (int z, int y) = Math.DivRem(line, comb.Axes[1].Count);
            long lineStart = ((z * axes[0].Stride + comb.Axes[0].First) * axes[1].Output + y * axes[1].Stride + comb.Axes[1].First) * axes[2].Output;
            float* to = output + lineStart + x * step + comb.Axes[2].First;
            int length = Math.Min(comb.Axes[2].Count - x, count - done);
            for (int i = 0; i < length; i++, to += step)
                *to = results[done + i];
            done += length;
        }
    }

    private static long ResultBytes(GemmEngine engine) => sizeof(float) * Vec.WholeLineElements((long)engine.RowsPerBlock * engine.ColumnsPerBlock);
}
