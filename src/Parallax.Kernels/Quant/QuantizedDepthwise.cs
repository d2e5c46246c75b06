using System.Runtime.CompilerServices;

namespace Parallax.Kernels;

/// <summary>
/// Convolution of groups with one input channel each, requantized. Sums of so few products are integers below 2^24, which float32 holds exactly: factors are
/// floats whose zero point is subtracted, and the sums are exact in any order. A block pads some rows of one channel into its worker's scratch and slides the
/// taps over them, some rows at once. Sums become results where they are; rows with a sum next to a tie, and short rows, are requantized apart.
/// </summary>
internal sealed unsafe class QuantizedDepthwise : Kernel
{
    private const int TileElements = 1 << 13, MaxTaps = (1 << 24) / (255 * 255);

    private readonly ConvProblem problem;
    private readonly QuantizedTypes types;
    private readonly DepthwiseTiling tiling;
    private readonly delegate*<float*, int*, float*, int, int*, int, void> slide;
    private readonly delegate*<float*, nint, int, int*, float*, int, in Requantizer, in RowScale, byte*, int, ulong> finishRows;

    internal QuantizedDepthwise(ConvProblem problem, QuantizedTypes types, VecWidth width)
    {
        this.problem = problem;
        this.types = types;
        tiling = new DepthwiseTiling(problem, TileElements);
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

    public override long WorkerScratchBytes => FilterBytes + PaddedBytes + sizeof(int) * (tiling.RowLength + 64L);

    private long FilterBytes => Vec.WholeLines(sizeof(float) * tiling.TapOffsets.Length);

    /// <summary>With space for whole vectors behind the last result's place.</summary>
    private long PaddedBytes => Vec.WholeLines(sizeof(float) * ((long)tiling.Padded.ChannelElements(tiling.PaddedRowsPerTile) + 4 * PaddedInput.Slack));

    public override int BlockCount(int phase) => tiling.BlockCount;

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        (int first, int end, int firstRow) = tiling.Block(block);
        for (int channel = first; channel < end; channel++) RunTile(channel, firstRow, args);
    }

    private void RunTile(int channel, int firstRow, in KernelArgs args)
    {
        QuantizedInputs inputs = types.Inputs;
        (int image, int output) = Math.DivRem(channel, problem.OutputChannels);
        nint input = (nint)image * problem.InputChannels + output / problem.GroupOutputs;
        float* filter = (float*)args.WorkerScratch, copy = (float*)(args.WorkerScratch + FilterBytes);
        int* sums = (int*)(args.WorkerScratch + FilterBytes + PaddedBytes);
        ReadFilter(output, filter, args);
        tiling.Padded.Copy(args.Input<byte>(inputs.B) + input * problem.InputPlane, copy, firstRow, tiling.PaddedRowsPerTile, new FactorRows(Zero(args, inputs.BZero, 0), types.BSigned));
        int rows = Math.Min(tiling.RowsPerTile, tiling.Rows - firstRow);
        byte* y = args.Output<byte>(0) + (nint)channel * problem.OutputPlane + firstRow * tiling.RowLength;
        double scale = types.ProductScale(args, output, 0), yScale = types.YScale(args);
        var rowScale = new RowScale(0, scale / yScale, types.Bias(args, output, scale) / yScale);
        Requantizer requantizer = types.Requantizer(args);
        for (int plane = 0; plane < tiling.Planes; plane++)
            FinishPlane(copy + plane * tiling.Padded.PlaneStride(tiling.PaddedRowsPerTile), rows, filter, requantizer, rowScale, sums, y + (nint)plane * tiling.Rows * tiling.RowLength);
    }

    /// <summary>Results of rows that lie one behind another; <paramref name="sums"/> is space for those of one row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void FinishPlane(float* data, int rows, float* filter, in Requantizer requantizer, in RowScale scale, int* sums, byte* y)
    {
        int rowStride = tiling.Padded.RowStride, rowLength = tiling.RowLength, taps = tiling.TapOffsets.Length;
        ulong again = 0;
        fixed (int* offsets = tiling.TapOffsets)
        {
            for (int row = 0; row < rows; row++, again >>= 1, data += rowStride, y += rowLength)
            {
                if (row % Requantizer.MostRows == 0)
                    again = finishRows == null ? ulong.MaxValue : finishRows(data, rowStride, Math.Min(Requantizer.MostRows, rows - row), offsets, filter, taps, requantizer, scale, y, rowLength);
                if ((again & 1) == 0) continue;
                slide(data, offsets, filter, taps, sums, rowLength);
                requantizer.ExactRow(sums, scale, y, rowLength);
            }
        }
    }

    private void ReadFilter(int output, float* filter, in KernelArgs args)
    {
        byte* weights = args.Input<byte>(types.Inputs.A) + (nint)output * tiling.TapOffsets.Length;
        int flip = types.ASigned ? 0x80 : 0, zero = types.Inputs.AZero < 0 ? flip : args.Input<byte>(types.Inputs.AZero)[types.AZeroPerRow ? output : 0] ^ flip;
        for (int tap = 0; tap < tiling.TapOffsets.Length; tap++) filter[tap] = (weights[tap] ^ flip) - zero;
    }

    private static int Zero(in KernelArgs args, int input, int lane) => input < 0 ? 0 : args.Input<byte>(input)[lane];

    /// <summary>
    /// Results of rows of a vector or more, four rows at once; the last vector of a row overlaps the one before it, the last rows are computed again where they are fewer. Returns a bit for each row
    /// that <see cref="Requantizer.ExactRow"/> is needed for.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static ulong FinishRows<V>(
        float* data, nint rowStride, int rows, int* offsets, float* filter, int taps, in Requantizer requantizer, in RowScale scale, byte* y, int rowLength) where V : struct, IVec<V>
    {
        ulong again = 0;
        requantizer.Limits(out V low, out V high, out V rounding, out V shift);
        V factor = V.Create(scale.RoughFactor), addend = V.Create(scale.RoughAddend), safe = V.Create(scale.Safe);
        for (int row = 0; row < rows; row += 4)
        {
            int row1 = Math.Min(row + 1, rows - 1), row2 = Math.Min(row + 2, rows - 1), row3 = Math.Min(row + 3, rows - 1);
            V farthest0 = default, farthest1 = default, farthest2 = default, farthest3 = default;
            for (int i = 0; i < rowLength; i += V.Count)
            {
                int at = Math.Min(i, rowLength - V.Count);
                float* from = data + at;
                V s0 = default, s1 = default, s2 = default, s3 = default;
                for (int tap = 0; tap < taps; tap++)
                {
                    float* first = from + offsets[tap];
                    V weight = V.Create(filter[tap]);
                    s0 = V.MultiplyAdd(weight, V.Load(first + row * rowStride), s0);
                    s1 = V.MultiplyAdd(weight, V.Load(first + row1 * rowStride), s1);
                    s2 = V.MultiplyAdd(weight, V.Load(first + row2 * rowStride), s2);
                    s3 = V.MultiplyAdd(weight, V.Load(first + row3 * rowStride), s3);
                }
                byte* to = y + at;
                Requantizer.Rough(s0, factor, addend, low, high, rounding, shift, to + row * (nint)rowLength, ref farthest0);
                Requantizer.Rough(s1, factor, addend, low, high, rounding, shift, to + row1 * (nint)rowLength, ref farthest1);
                Requantizer.Rough(s2, factor, addend, low, high, rounding, shift, to + row2 * (nint)rowLength, ref farthest2);
                Requantizer.Rough(s3, factor, addend, low, high, rounding, shift, to + row3 * (nint)rowLength, ref farthest3);
            }
            if (!V.AllLess(farthest0, safe)) again |= 1ul << row;
            if (!V.AllLess(farthest1, safe)) again |= 1ul << row1;
            if (!V.AllLess(farthest2, safe)) again |= 1ul << row2;
            if (!V.AllLess(farthest3, safe)) again |= 1ul << row3;
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
