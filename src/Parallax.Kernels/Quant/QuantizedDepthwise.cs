using System.Runtime.CompilerServices;

namespace Parallax.Kernels;

/// <summary>
/// Convolution of groups with one input channel each, requantized. Sums of so few products are integers below 2^24, which float32 holds exactly: factors are
/// floats whose zero point is subtracted, and the sums are exact in any order. A block pads some rows of one channel into its worker's scratch and slides the
/// taps over them as over one long row: places between the rows are computed too and not stored.
/// </summary>
internal sealed unsafe class QuantizedDepthwise : Kernel
{
    private const int TileElements = 1 << 13, MaxTaps = (1 << 24) / (255 * 255);

    private readonly ConvProblem problem;
    private readonly QuantizedTypes types;
    private readonly DepthwiseTiling tiling;
    private readonly delegate*<float*, int*, float*, int, int*, int, void> slide;

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
    }

    internal static bool Supports(ConvProblem problem, QuantizedTypes types) =>
        types.Requantizes && problem.GroupInputs == 1 && problem.Axes.Length <= 3 && problem.Taps <= MaxTaps;

    public override string Name { get; }

    public override long WorkerScratchBytes => FilterBytes + PaddedBytes + SumBytes + RowStrideOfAll;

    private int FilterBytes => (sizeof(float) * tiling.TapOffsets.Length + 63) / 64 * 64;

    /// <summary>With space for whole vectors behind the last result's place.</summary>
    private long PaddedBytes => (sizeof(float) * ((long)tiling.Padded.ChannelElements(tiling.PaddedRowsPerTile) + 4 * PaddedInput.Slack) + 63) / 64 * 64;

    /// <summary>With space for whole vectors behind the last sum.</summary>
    private long SumBytes => sizeof(int) * (RowStrideOfAll + 64);

    private long RowStrideOfAll => (long)tiling.RowsPerTile * tiling.Padded.RowStride;

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
        byte* results = (byte*)sums + SumBytes;
        ReadFilter(output, filter, args);
        tiling.Padded.Copy(args.Input<byte>(inputs.B) + input * problem.InputPlane, copy, firstRow, tiling.PaddedRowsPerTile, new FactorRows(Zero(args, inputs.BZero, 0), types.BSigned));
        int count = Math.Min(tiling.RowsPerTile, tiling.Rows - firstRow), length = (count - 1) * tiling.Padded.RowStride + tiling.RowLength;
        byte* y = args.Output<byte>(0) + (nint)channel * problem.OutputPlane + firstRow * tiling.RowLength;
        double scale = types.ProductScale(args, output, 0), yScale = types.YScale(args), bias = types.Bias(args, output, scale);
        Requantizer requantizer = types.Requantizer(args);
        fixed (int* offsets = tiling.TapOffsets)
        {
            for (int plane = 0; plane < tiling.Planes; plane++)
            {
                slide(copy + plane * tiling.Padded.PlaneStride(tiling.PaddedRowsPerTile), offsets, filter, tiling.TapOffsets.Length, sums, length);
                requantizer.Row(sums, 0, scale / yScale, bias / yScale, results, length);
                for (int row = 0; row < count; row++)
                    new ReadOnlySpan<byte>(results + row * tiling.Padded.RowStride, tiling.RowLength).CopyTo(new Span<byte>(y + (plane * tiling.Rows + row) * tiling.RowLength, tiling.RowLength));
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
