using System.Runtime.Intrinsics;

namespace Parallax.Kernels;

/// <summary>
/// Convolution of 8-bit integers as a product of the weights with patches. Windows of one tap read the data as they are; for others phase 0 pads channels
/// into scratch, and patches exist only as panels in a worker's scratch.
/// </summary>
internal sealed unsafe class QuantizedConv : Kernel
{
    private const int PadBlockElements = 1 << 15, MaxPaddedAxes = 3;

    private readonly ConvProblem problem;
    private readonly QuantizedTypes types;
    private readonly PackedIntegers? weights;
    private readonly IntegerMicroKernel entry;
    private readonly IntegerEngine engine;
    private readonly PaddedInput? padded;
    private readonly int channelElements, channelsPerBlock, depth, inputPlane, outputPlane;
    private readonly int[] offsets = [];
    private readonly WindowAxis[] axes = [];

    internal QuantizedConv(ConvProblem problem, QuantizedTypes types, PackedIntegers? weights, IntegerMicroKernel entry)
    {
        if (problem.Axes.Length > MaxPaddedAxes) throw new UnsupportedModelException($"a quantized convolution over {problem.Axes.Length} axes", ["quantized convolutions over more than 3 axes"]);
        this.problem = problem;
        this.types = types;
        this.entry = entry;
        (depth, inputPlane, outputPlane) = (problem.Depth, problem.InputPlane, problem.OutputPlane);
        this.weights = weights?.AddReference(entry, isLeft: true, problem.GroupOutputs, depth, problem.Groups);
        engine = new IntegerEngine(entry, types, problem.GroupOutputs, outputPlane, depth, (long)problem.Batch * problem.Groups, weights is not null, rightIsPacked: false, biasPerColumn: false);
        if (problem.IsPointwise) return;
        axes = problem.ThreeAxes;
        padded = PaddedInput.For(axes);
        channelElements = padded.ChannelElements(padded.Rows);
        channelsPerBlock = Math.Max(1, PadBlockElements / Math.Max(1, channelElements));
        int[] taps = padded.TapOffsets(axes, padded.Rows);
        offsets = new int[depth];
        for (int i = 0; i < depth; i++) offsets[i] = checked(i / taps.Length * channelElements + taps[i % taps.Length]);
    }

    public override string Name => entry.Name.Replace("gemm_i8", padded is null ? "conv_i8_pointwise" : "conv_i8_implicit", StringComparison.Ordinal);

    public override int PhaseCount => padded is null ? 1 : 2;

    public override long ScratchBytes => padded is null ? 0 : (long)Channels * channelElements;

    public override long WorkerScratchBytes => engine.WorkerScratchBytes + RunBytes;

    private int Channels => problem.Batch * problem.InputChannels;

    private int BlocksPerProduct => engine.MBlocks * engine.NBlocks;

    /// <summary>A count, and three numbers for each of at most as many runs as a tile has columns.</summary>
    private int RunBytes => (int)Vec.WholeLines(sizeof(int) * (1 + 3 * entry.NR));

    public override int BlockCount(int phase) => padded is not null && phase == 0
        ? (Channels + channelsPerBlock - 1) / channelsPerBlock
        : problem.Batch * problem.Groups * BlocksPerProduct;

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        if (padded is not null && phase == 0) Pad(padded, block, args);
        else Multiply(block, args);
    }

    public override void Dispose()
    {
        weights?.Dispose();
        base.Dispose();
    }

    private void Pad(PaddedInput form, int block, in KernelArgs args)
    {
        byte* input = args.Input<byte>(types.Inputs.B);
        var rows = new ByteRows(types.Inputs.BZero < 0 ? (byte)0 : *args.Input<byte>(types.Inputs.BZero));
        int end = Math.Min(Channels, (block + 1) * channelsPerBlock);
        for (int channel = block * channelsPerBlock; channel < end; channel++)
            form.Copy(input + (nint)channel * inputPlane, args.Scratch + (nint)channel * channelElements, 0, form.Rows, rows);
    }

    private void Multiply(int block, in KernelArgs args)
    {
        (int product, int part) = Math.DivRem(block, BlocksPerProduct);
        (int image, int group) = Math.DivRem(product, problem.Groups);
        nint channel = (nint)image * problem.InputChannels + group * problem.GroupInputs;
        var operands = new IntegerOperands
        {
            A = weights is null ? args.Input<byte>(types.Inputs.A) + (nint)group * problem.GroupOutputs * depth : null,
            ARowStride = depth,
            AColumnStride = 1,
            PackedA = weights,
            PackedAIndex = group,
            Y = args.Output<byte>(0) + ((nint)image * problem.OutputChannels + group * problem.GroupOutputs) * outputPlane * (types.Requantizes ? 1 : sizeof(int)),
            YRowStride = outputPlane,
            ParameterRow = group * problem.GroupOutputs,
        };
        var engineArgs = new KernelArgs(args, args.WorkerScratch + RunBytes);
        if (padded is null)
        {
            engine.RunBlock(part, operands, new StridedRows(args.Input<byte>(types.Inputs.B) + channel * inputPlane, inputPlane, 1, entry.NR), engineArgs);
            return;
        }
        fixed (int* taps = offsets)
            engine.RunBlock(part, operands, new PatchRows(args.Scratch + channel * channelElements, taps, (int*)args.WorkerScratch, this), engineArgs);
    }

    /// <summary>Row k is one tap of one channel, read from padded channels at the tap's offset from each result's place.</summary>
    private readonly struct PatchRows(byte* channels, int* offsets, int* runs, QuantizedConv conv) : IByteRows
    {
        private readonly int rows = (int)conv.axes[1].Output, rowLength = (int)conv.axes[2].Output;
        private readonly int rowStride = conv.padded!.RowStride, planeStride = conv.padded!.PlaneStride(conv.padded!.Rows), width = conv.entry.NR;

        /// <summary>Cuts columns into runs within one row of results: lane, distance from the first result's place, length.</summary>
        public void Begin(int column, int columns)
        {
            int* run = runs + 1;
            for (int lane = 0; lane < columns; run += 3)
            {
                (int row, int x) = Math.DivRem(column + lane, rowLength);
                (int plane, int y) = Math.DivRem(row, rows);
                (run[0], run[1], run[2]) = (lane, plane * planeStride + y * rowStride + x, Math.Min(rowLength - x, columns - lane));
                lane += run[2];
            }
            runs[0] = (int)(run - runs - 1) / 3;
        }

        public byte* Row(int k, int column, int columns, byte* buffer)
        {
            byte* from = channels + offsets[k];
            if (runs[0] == 1 && columns == width) return from + runs[2];
            for (int* run = runs + 1, end = run + 3 * runs[0]; run < end; run += 3)
                new ReadOnlySpan<byte>(from + run[1], run[2]).CopyTo(new Span<byte>(buffer + run[0], run[2]));
            return buffer;
        }

        public nint StrideFor(int columns) => 0;
    }
}

/// <summary>Rows of bytes with a byte for the padding.</summary>
internal readonly unsafe struct ByteRows(byte padding) : IRowCopy<byte, byte>
{
    public void Pad(byte* target, int count)
    {
        if (count > 8) new Span<byte>(target, count).Fill(padding);
        else
            for (int i = 0; i < count; i++) target[i] = padding;
    }

    public void CopyRows(byte* source, nint sourceRow, int stride, byte* target, int rows, int before, int count, int after)
    {
        for (int row = 0; row < rows; row++, source += sourceRow, target += before + count + after)
        {
            Pad(target, before);
            Copy(source, target + before, count, stride);
            Pad(target + before + count, after);
        }
    }

    private static void Copy(byte* source, byte* target, int count, int stride)
    {
        int i = 0;
        if (stride == 1) new ReadOnlySpan<byte>(source, i = count).CopyTo(new Span<byte>(target, count));
        else if (stride == 2)
            // One more byte is read behind each vector: it must exist.
            for (; i < count - Vector128<byte>.Count; i += Vector128<byte>.Count)
                Vector128.Store(Vector128.Narrow(Low(source + 2 * i), Low(source + 2 * i + Vector128<byte>.Count)), target + i);
        for (; i < count; i++) target[i] = source[i * stride];
    }

    private static Vector128<ushort> Low(byte* pairs) => Vector128.Load((ushort*)pairs) & Vector128.Create((ushort)0xFF);
}
