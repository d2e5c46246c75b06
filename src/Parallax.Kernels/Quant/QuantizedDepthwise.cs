using System.Runtime.CompilerServices;

namespace Parallax.Kernels;

/// <summary>
/// Convolution of groups with one input channel each, requantized. Sums of so few products are integers below 2^24, which float32 holds exactly: factors are
/// floats whose zero point is subtracted, and the sums are exact in any order. A block pads some rows of one channel into its worker's scratch and slides the
/// taps over them, some rows at once. Sums become results where they are; rows with a sum next to a tie, and short rows, are requantized apart.
/// </summary>
internal sealed unsafe class QuantizedDepthwise : Kernel
{
    private const int TileElements = 1 << 13, MaxTaps = (1 << 24) / (255 * 255), RowsAtOnce = 4;

    private readonly ConvProblem problem;
    private readonly QuantizedTypes types;
    private readonly DepthwiseTiling tiling;
    private readonly int inputPlane, outputPlane;
    private readonly long filterBytes, paddedBytes;
    private readonly int[] order, offsets;
    private readonly TapChain[] chains;
    private readonly delegate*<float*, int*, float*, int, int*, int, void> slide;
    private readonly delegate*<float*, nint, int, TapChain*, int, float*, in Requantizer, in RowScale, byte*, int, byte*, ulong> finishRows;

    internal QuantizedDepthwise(ConvProblem problem, QuantizedTypes types, VecWidth width)
    {
        this.problem = problem;
        this.types = types;
        tiling = new DepthwiseTiling(problem, TileElements);
        (inputPlane, outputPlane) = (problem.InputPlane, problem.OutputPlane);
        filterBytes = Vec.WholeLines(sizeof(float) * tiling.TapOffsets.Length);
        // With space for whole vectors behind the last result's place, and for the rows that fill up the last group.
        paddedBytes = Vec.WholeLines(sizeof(float) * ((long)tiling.Padded.ChannelElements(tiling.PaddedRowsPerTile) + (RowsAtOnce - 1) * (long)tiling.Padded.RowStride + 4 * PaddedInput.Slack));
        (order, chains) = ChainsOf(tiling.TapOffsets, tiling.Padded.RowStride);
        offsets = [.. order.Select(tap => tiling.TapOffsets[tap])];
        Name = width == VecWidth.Scalar ? "conv_i8_depthwise_scalar" : $"conv_i8_depthwise_v{32 * (int)width}";
        slide = width switch
        {
            VecWidth.V512 => &Slide<Vec512>,
            VecWidth.V256 => &Slide<Vec256>,
            VecWidth.V128 => &Slide<Vec128>,
            _ => &Slide<Vec1>,
        };
        finishRows = Math.Min((int)width, tiling.RowLength) switch
        {
            >= (int)VecWidth.V512 => &FinishRows<Vec512>,
            >= (int)VecWidth.V256 => &FinishRows<Vec256>,
            >= (int)VecWidth.V128 => &FinishRows<Vec128>,
            _ => null,
        };
    }

    internal static bool Supports(ConvProblem problem, QuantizedTypes types) =>
        types.Requantizes && problem.GroupInputs == 1 && problem.Axes.Length <= 3 && problem.Taps <= MaxTaps;

    public override string Name { get; }

    public override long WorkerScratchBytes => filterBytes + paddedBytes + sizeof(int) * (tiling.RowLength + 64L);

    public override int BlockCount(int phase) => tiling.BlockCount;

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        (int first, int end, int firstRow) = tiling.Block(block);
        Requantizer requantizer = types.Requantizer(args);
        var scales = new ResultScales(types, args);
        for (int channel = first; channel < end; channel++) RunTile(channel, firstRow, requantizer, scales, args);
    }

    private void RunTile(int channel, int firstRow, in Requantizer requantizer, in ResultScales scales, in KernelArgs args)
    {
        QuantizedInputs inputs = types.Inputs;
        (int image, int output) = Math.DivRem(channel, problem.OutputChannels);
        nint input = (nint)image * problem.InputChannels + output / problem.GroupOutputs;
        float* filter = (float*)args.WorkerScratch, copy = (float*)(args.WorkerScratch + filterBytes);
        int* sums = (int*)(args.WorkerScratch + filterBytes + paddedBytes);
        ReadFilter(output, filter, args);
        tiling.Padded.Copy(args.Input<byte>(inputs.B) + input * inputPlane, copy, firstRow, tiling.PaddedRowsPerTile, new FactorRows(Zero(args, inputs.BZero, 0), types.BSigned));
        int rows = Math.Min(tiling.RowsPerTile, tiling.Rows - firstRow);
        byte* y = args.Output<byte>(0) + (nint)channel * outputPlane + firstRow * tiling.RowLength;
        (double factor, double addend) = scales.At(output, 0, output);
        var rowScale = new RowScale(0, factor, addend);
        for (int plane = 0; plane < tiling.Planes; plane++)
            FinishPlane(copy + plane * tiling.Padded.PlaneStride(tiling.PaddedRowsPerTile), rows, filter, requantizer, rowScale, sums, y + (nint)plane * tiling.Rows * tiling.RowLength);
    }

    /// <summary>Results of rows that lie one behind another; <paramref name="sums"/> is space for those of one row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void FinishPlane(float* data, int rows, float* filter, in Requantizer requantizer, in RowScale scale, int* sums, byte* y)
    {
        int rowStride = tiling.Padded.RowStride, rowLength = tiling.RowLength;
        ulong again = 0;
        fixed (int* places = offsets)
        fixed (TapChain* all = chains)
        {
            for (int row = 0; row < rows; row++, again >>= 1, data += rowStride, y += rowLength)
            {
                if (row % Requantizer.MostRows == 0)
                    again = finishRows == null ? ulong.MaxValue : finishRows(data, rowStride, Math.Min(Requantizer.MostRows, rows - row), all, chains.Length, filter, requantizer, scale, y, rowLength, (byte*)sums);
                if ((again & 1) == 0) continue;
                slide(data, places, filter, offsets.Length, sums, rowLength);
                requantizer.ExactRow(sums, scale, y, rowLength);
            }
        }
    }

    private void ReadFilter(int output, float* filter, in KernelArgs args)
    {
        byte* weights = args.Input<byte>(types.Inputs.A) + (nint)output * order.Length;
        int flip = types.ASigned ? 0x80 : 0, zero = types.Inputs.AZero < 0 ? flip : args.Input<byte>(types.Inputs.AZero)[types.AZeroPerRow ? output : 0] ^ flip;
        for (int i = 0; i < order.Length; i++) filter[i] = (weights[order[i]] ^ flip) - zero;
    }

    private static int Zero(in KernelArgs args, int input, int lane) => input < 0 ? 0 : args.Input<byte>(input)[lane];

    /// <summary>
    /// Taps below one another, as far as a row of results from each other: what one tap reads for a row the one above it reads for the next row. The order that puts the taps of a chain one behind
    /// the other, chain by chain, and the chains.
    /// </summary>
    private static (int[] Order, TapChain[] Chains) ChainsOf(int[] tapOffsets, int rowStride)
    {
        var order = new List<int>(tapOffsets.Length);
        var chains = new List<TapChain>();
        foreach (int first in Enumerable.Range(0, tapOffsets.Length).OrderBy(tap => tapOffsets[tap]))
        {
            if (order.Contains(first)) continue;
            int begin = order.Count;
            // Rows without an element are no distance apart.
            for (int tap = first; tap >= 0; tap = rowStride == 0 ? -1 : Array.IndexOf(tapOffsets, tapOffsets[tap] + rowStride)) order.Add(tap);
            chains.Add(new TapChain(tapOffsets[first], order.Count - begin));
        }
        return ([.. order], [.. chains]);
    }

    /// <summary>
    /// Results of rows of a vector or more, four rows at once; the last vector of a row overlaps the one before it. Rows that fill up the last four are computed as well, and written to
    /// <paramref name="spare"/>. Returns a bit for each row that <see cref="Requantizer.ExactRow"/> is needed for; bits behind the last row mean nothing.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static ulong FinishRows<V>(
        float* data, nint rowStride, int rows, TapChain* chains, int chainCount, float* filter, in Requantizer requantizer, in RowScale scale, byte* y, int rowLength, byte* spare) where V : struct, IVec<V>
    {
        ulong again = 0;
        requantizer.Limits(out V low, out V high, out V rounding, out V shift);
        V factor = V.Create(scale.RoughFactor), addend = V.Create(scale.RoughAddend), safe = V.Create(scale.Safe);
        for (int row = 0; row < rows; row += RowsAtOnce, data += RowsAtOnce * rowStride, y += RowsAtOnce * (nint)rowLength)
        {
            byte* y1 = row + 1 < rows ? y + rowLength : spare, y2 = row + 2 < rows ? y + 2 * (nint)rowLength : spare, y3 = row + 3 < rows ? y + 3 * (nint)rowLength : spare;
            V farthest0 = default, farthest1 = default, farthest2 = default, farthest3 = default;
            for (int i = 0; i < rowLength; i += V.Count)
            {
                int at = Math.Min(i, rowLength - V.Count);
                float* weight = filter;
                V s0 = default, s1 = default, s2 = default, s3 = default;
                for (TapChain* chain = chains; chain < chains + chainCount; chain++)
                {
                    float* from = data + at + chain->Offset;
                    V x0 = V.Load(from), x1 = V.Load(from + rowStride), x2 = V.Load(from + 2 * rowStride);
                    from += 3 * rowStride;
                    for (float* end = weight + chain->Taps; weight < end; weight++, from += rowStride)
                    {
                        V w = V.Create(*weight), x3 = V.Load(from);
                        s0 = V.MultiplyAdd(w, x0, s0);
                        s1 = V.MultiplyAdd(w, x1, s1);
                        s2 = V.MultiplyAdd(w, x2, s2);
                        s3 = V.MultiplyAdd(w, x3, s3);
                        (x0, x1, x2) = (x1, x2, x3);
                    }
                }
                Requantizer.Rough(s0, factor, addend, low, high, rounding, shift, y + at, ref farthest0);
                Requantizer.Rough(s1, factor, addend, low, high, rounding, shift, y1 + at, ref farthest1);
                Requantizer.Rough(s2, factor, addend, low, high, rounding, shift, y2 + at, ref farthest2);
                Requantizer.Rough(s3, factor, addend, low, high, rounding, shift, y3 + at, ref farthest3);
            }
            ulong apart = (V.AllLess(farthest0, safe) ? 0u : 1u) | (V.AllLess(farthest1, safe) ? 0u : 2u) | (V.AllLess(farthest2, safe) ? 0u : 4u) | (V.AllLess(farthest3, safe) ? 0u : 8u);
            again |= apart << row;
        }
        return again;
    }

    /// <summary>Sums at <paramref name="count"/> places one behind the other, whole vectors: some may be written behind the last.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Slide<V>(float* data, int* offsets, float* filter, int taps, int* sums, int count) where V : struct, IVec<V>
    {
        for (int i = 0; i < count; i += 4 * V.Count, data += 4 * V.Count, sums += 4 * V.Count)
        {
            V s0 = default, s1 = default, s2 = default, s3 = default;
            for (int tap = 0; tap < taps; tap++)
            {
                float* from = data + offsets[tap];
                V weight = V.Create(filter[tap]);
                s0 = V.MultiplyAdd(weight, V.Load(from), s0);
                s1 = V.MultiplyAdd(weight, V.Load(from + V.Count), s1);
                s2 = V.MultiplyAdd(weight, V.Load(from + 2 * V.Count), s2);
                s3 = V.MultiplyAdd(weight, V.Load(from + 3 * V.Count), s3);
            }
            V.Store((float*)sums, ByteLanes.ToInts(s0));
            V.Store((float*)sums + V.Count, ByteLanes.ToInts(s1));
            V.Store((float*)sums + 2 * V.Count, ByteLanes.ToInts(s2));
            V.Store((float*)sums + 3 * V.Count, ByteLanes.ToInts(s3));
        }
    }

    /// <param name="Offset">Of the first tap, in the copy of a tile.</param>
    /// <param name="Taps">How many.</param>
    private readonly record struct TapChain(int Offset, int Taps);

    /// <summary>Rows of bytes as floats whose zero point is subtracted; padding is 0.</summary>
    private readonly struct FactorRows(int zero, bool isSigned) : IRowCopy<byte, float>
    {
        private readonly int flip = isSigned ? 0x80 : 0;

        public void Pad(float* target, int count) => default(FloatRows).Pad(target, count);

        public void CopyRows(byte* source, nint sourceRow, int stride, float* target, int rows, int before, int count, int after)
        {
            // Two apart, a vector reads the byte behind its last: that of the last element may not exist.
            int whole = stride switch { 1 => count, 2 => count - 1, _ => 0 };
            if (Vec512.IsSupported && whole >= Vec512.Count) CopyRows<Vec512>(source, sourceRow, stride, target, rows, before, count, after, whole);
            else if (Vec256.IsSupported && whole >= Vec256.Count) CopyRows<Vec256>(source, sourceRow, stride, target, rows, before, count, after, whole);
            else if (Vec128.IsSupported && whole >= Vec128.Count) CopyRows<Vec128>(source, sourceRow, stride, target, rows, before, count, after, whole);
            else CopyRows<Vec1>(source, sourceRow, stride, target, rows, before, count, after, 0);
        }

        /// <param name="whole">Elements of a row that are converted in vectors, one at least, the last of which overlaps those before it; or none.</param>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void CopyRows<V>(byte* source, nint sourceRow, int stride, float* target, int rows, int before, int count, int after, int whole) where V : struct, IVec<V>
        {
            int flip = this.flip, shift = zero ^ flip, length = before + count + after;
            V flips = V.CreateBits(flip), shifts = V.CreateBits(shift), low = V.CreateBits(0xFF);
            for (int row = 0; row < rows; row++, source += sourceRow, target += length)
            {
                float* to = target + before;
                for (int i = 0; i < before; i++) target[i] = 0;
                for (int i = 0; i < whole; i += V.Count)
                {
                    int at = Math.Min(i, whole - V.Count);
                    V bytes = stride == 1 ? ByteLanes.Load<V>(source + at) : V.And(ByteLanes.LoadWords<V>(source + 2 * at), low);
                    V.Store(to + at, ByteLanes.FromInts(V.SubtractBits(V.Xor(bytes, flips), shifts)));
                }
                for (int i = whole; i < count; i++) to[i] = (source[i * stride] ^ flip) - shift;
                for (int i = count; i < count + after; i++) to[i] = 0;
            }
        }
    }
}
