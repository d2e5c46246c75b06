using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Parallax.Kernels;

/// <summary>
/// Convolution of one group of 8-bit data with channels last, requantized, of which all but the data are constant: a product of patches, a row each, with the weights. Where a patch
/// is one place of the data and those have the form of left factors they are multiplied where they lie; others are gathered, some rows at a time, in a worker's scratch.
/// </summary>
internal sealed unsafe class QuantizedConvLast : Kernel
{
    private const long MinBlockWork = 1 << 21;
    private const int WantedBlocks = 16, MinBlockRows = 24;

    /// <summary>Bytes of the rows, of the panels and of the sums that are worked on at once: together they stay in the first-level cache.</summary>
    private const int StripRowBytes = 16 << 10, StripPanelBytes = 16 << 10, StripSumBytes = 16 << 10;

    /// <summary>Tiles above one another that are worked on at once.</summary>
    private const int MaxStripTiles = 8;

    /// <summary>Bytes that a copy may read and write behind its last.</summary>
    private const int CopySlack = 2 * Vec.LineBytes;

    private readonly ConvProblem problem;
    private readonly QuantizedTypes types;
    private readonly IntegerMicroKernel entry;
    private readonly PackedIntegers weights;
    private readonly LaneScales scales;
    private readonly Requantizer requantizer;
    private readonly WindowAxis depth, height, width;
    private readonly int channels, outputs, rows, groups, rowBytes, flip, zero;
    private readonly int rowsPerBlock, columnsPerBlock, stripRows, stripColumns;
    private readonly bool isInPlace;

    /// <param name="constants">All inputs but the data, as a run would see them.</param>
    internal QuantizedConvLast(ConvProblem problem, QuantizedTypes types, in KernelArgs constants, PackedIntegers weights, IntegerMicroKernel entry)
    {
        (this.problem, this.types, this.entry) = (problem, types, entry);
        (channels, outputs, rows) = (problem.InputChannels, problem.OutputChannels, checked(problem.Batch * problem.OutputPlane));
        WindowAxis[] axes = problem.ThreeAxes;
        (depth, height, width) = (axes[0], axes[1], axes[2]);
        this.weights = weights.AddReference(entry, isLeft: false, outputs, problem.Depth);
        groups = entry.Groups(problem.Depth);
        rowBytes = 4 * groups;
        flip = entry.Flip(isLeft: true, types.BSigned);
        zero = entry.Factor(isLeft: true, (byte)((types.Inputs.BZero < 0 ? 0 : *constants.Input<byte>(types.Inputs.BZero)) ^ flip));
        isInPlace = problem.IsPointwise && entry.Group == 4 && flip == 0 && channels % 4 == 0;

        int[] adds = new int[outputs];
        for (int i = 0; i < outputs; i++) adds[i] = -zero * *weights.Sums(0, i);
        scales = LaneScales.Of(problem, types, constants, adds);
        requantizer = types.Requantizer(constants);

        (rowsPerBlock, columnsPerBlock) = Cut();
        stripRows = Math.Clamp(StripRowBytes / Math.Max(1, rowBytes * entry.MR), 1, MaxStripTiles) * entry.MR;
        int panels = Math.Clamp(StripPanelBytes / Math.Max(1, rowBytes * entry.NR), 1, Math.Max(1, StripSumBytes / (stripRows * entry.NR * sizeof(int))));
        stripColumns = Math.Min(panels * entry.NR, RoundUp(columnsPerBlock, entry.NR));
    }

    public override string Name => entry.Name.Replace("gemm_i8", problem.IsPointwise ? "conv_i8_last_pointwise" : "conv_i8_last_implicit", StringComparison.Ordinal);

    public override long WorkerScratchBytes => SumBytes + (isInPlace ? 0 : (long)stripRows * rowBytes + CopySlack);

    private long SumBytes => Vec.WholeLines(sizeof(int) * ((long)stripRows * stripColumns + Vec.LineElements));

    private int ColumnBlocks => (outputs + columnsPerBlock - 1) / columnsPerBlock;

    public override int BlockCount(int phase) => rows == 0 ? 0 : (rows + rowsPerBlock - 1) / rowsPerBlock * ColumnBlocks;

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        (int rowBlock, int columnBlock) = Math.DivRem(block, ColumnBlocks);
        int end = Math.Min(rows, (rowBlock + 1) * rowsPerBlock), column = columnBlock * columnsPerBlock, columns = Math.Min(columnsPerBlock, outputs - column);
        byte* data = args.Input<byte>(types.Inputs.B), y = args.Output<byte>(0);
        int* sums = (int*)args.WorkerScratch;
        for (int row = rowBlock * rowsPerBlock; row < end; row += stripRows)
        {
            int count = Math.Min(stripRows, end - row);
            byte* left = isInPlace ? data + (nint)row * rowBytes : args.WorkerScratch + SumBytes;
            if (!isInPlace) Gather(data, row, count, left);
            for (int j = 0; j < columns; j += stripColumns)
            {
                int valid = Math.Min(stripColumns, columns - j);
                byte* right = weights.Panel(0, column + j);
                // The next strip of panels is fetched a piece with each tile.
                byte* ahead = right + (nint)stripColumns * rowBytes;
                int aheadPerRow = stripColumns * rowBytes / count;
                for (int i = 0; i < count;)
                {
                    int tile = entry.HeightWithin(count - i);
                    entry.TileFor(tile)(groups, left + (nint)i * rowBytes, rowBytes, 4, right, (valid + entry.NR - 1) / entry.NR, sums + i * stripColumns, stripColumns);
                    for (int piece = aheadPerRow * tile; piece > 0; piece -= Vec.LineBytes, ahead += Vec.LineBytes) Vec.Prefetch(ahead);
                    i += tile;
                }
                requantizer.Columns(sums, stripColumns, count, scales, column + j, y + (nint)row * outputs + column + j, outputs, valid);
            }
        }
    }

    public override void Dispose()
    {
        weights.Dispose();
        scales.Dispose();
        base.Dispose();
    }

    /// <summary>Blocks have all columns, so that rows are gathered and read once, unless the weights are larger than the rows of a block.</summary>
    private (int Rows, int Columns) Cut()
    {
        int ofRows = Math.Max(1, rows), ofColumns = outputs;
        while ((long)(rows + ofRows - 1) / ofRows * ((outputs + ofColumns - 1) / ofColumns) < WantedBlocks && (long)ofRows * ofColumns * problem.Depth >= 2 * MinBlockWork)
        {
            bool canHalveColumns = ofColumns >= 2 * entry.NR;
            if (ofRows >= 2 * MinBlockRows && (ofRows >= ofColumns || !canHalveColumns)) ofRows = RoundUp((ofRows + 1) / 2, entry.MR);
            else if (canHalveColumns) ofColumns = RoundUp((ofColumns + 1) / 2, entry.NR);
            else break;
        }
        return (ofRows, ofColumns);
    }

    private static int RoundUp(int value, int multiple) => (value + multiple - 1) / multiple * multiple;

    /// <summary>Rows of left factors, the taps of a place one behind another, each with its channels.</summary>
    private void Gather(byte* data, int first, int count, byte* to)
    {
        byte* end = data + (nint)problem.Batch * problem.InputPlane * channels;
        (int rest, int x) = Math.DivRem(first, (int)width.Output);
        (rest, int y) = Math.DivRem(rest, (int)height.Output);
        (int image, int z) = Math.DivRem(rest, (int)depth.Output);
        for (; count > 0; x = 0)
        {
            byte* from = data + (nint)image * problem.InputPlane * channels;
            int places = Math.Min(count, (int)width.Output - x);
            count -= places;
            for (int done = 0; done < places;)
            {
                int inside = PlacesInside(from, end, z, y, x + done, places - done);
                if (inside > 0) GatherInside(from + Offset(depth.Start(z), height.Start(y), width.Start(x + done)), inside, to + (nint)done * rowBytes);
                else GatherPlace(from, end, depth.Start(z), height.Start(y), width.Start(x + done), to + (nint)done * rowBytes);
                done += Math.Max(1, inside);
            }
            to += (nint)places * rowBytes;
            if (++y < height.Output) continue;
            y = 0;
            if (++z < depth.Output) continue;
            z = 0;
            image++;
        }
    }

    private nint Offset(long plane, long row, long column) => (nint)(((plane * height.Input + row) * width.Input + column) * channels);

    /// <summary>How many of some neighbouring places see nothing but data, each row of taps as one run that whole vectors can read; 0 where the first does not.</summary>
    private int PlacesInside(byte* image, byte* end, int z, int y, int x, int places)
    {
        if (width.Dilation != 1 || x * width.Stride < width.PadBegin || !IsInside(depth, z) || !IsInside(height, y)) return 0;
        long lastPlane = depth.Start(z) + (depth.Kernel - 1) * depth.Dilation, lastRow = height.Start(y) + (height.Kernel - 1) * height.Dilation;
        long room = (long)(end - (image + Offset(lastPlane, lastRow, 0))) - RoundUp((int)width.Kernel * channels, Vector128<byte>.Count);
        long columns = Math.Min(width.Input - width.Kernel, room < 0 ? -1 : room / channels) - width.Start(x);
        return columns < 0 ? 0 : (int)Math.Min(places, columns / width.Stride + 1);
    }

    private static bool IsInside(WindowAxis axis, int output) => axis.Start(output) >= 0 && axis.Start(output) + (axis.Kernel - 1) * axis.Dilation < axis.Input;

    /// <summary>Places that see nothing but data; <paramref name="from"/> is the first tap of the first.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void GatherInside(byte* from, int places, byte* to)
    {
        nint placeStep = (nint)width.Stride * channels, rowStep = Offset(0, height.Dilation, 0), planeStep = Offset(depth.Dilation, 0, 0);
        int run = (int)width.Kernel * channels, planes = (int)depth.Kernel, rows = (int)height.Kernel;
        bool isPacked = entry.Group == 4;
        nint runBytes = isPacked ? run : sizeof(short) * run;
        Vector128<byte> flips = Vector128.Create((byte)flip);
        for (int place = 0; place < places; place++, from += placeStep, to += rowBytes)
        {
            byte* target = to;
            for (int z = 0; z < planes; z++)
                for (int y = 0; y < rows; y++, target += runBytes)
                {
                    byte* source = from + z * planeStep + y * rowStep;
                    for (int i = 0; i < run; i += Vector128<byte>.Count)
                    {
                        Vector128<byte> bytes = Vector128.Load(source + i) ^ flips;
                        if (isPacked) Vector128.Store(bytes, target + i);
                        else Widen(bytes, (short*)target + i);
                    }
                }
        }
    }

    /// <summary>A place at the edge of the data.</summary>
    private void GatherPlace(byte* image, byte* end, long z, long y, long x, byte* to)
    {
        for (int i = 0; i < depth.Kernel; i++)
            for (int j = 0; j < height.Kernel; j++)
                for (int k = 0; k < width.Kernel; k++)
                {
                    long plane = z + i * depth.Dilation, row = y + j * height.Dilation, column = x + k * width.Dilation;
                    bool isThere = plane >= 0 && plane < depth.Input && row >= 0 && row < height.Input && column >= 0 && column < width.Input;
                    if (isThere) Copy(image + Offset(plane, row, column), end, ref to);
                    else Fill(ref to);
                }
    }

    /// <summary>Padding for the channels of a place.</summary>
    private void Fill(ref byte* to)
    {
        if (entry.Group == 4)
            for (int i = 0; i < channels; i++) *to++ = (byte)zero;
        else
            for (int i = 0; i < channels; i++, to += sizeof(short)) *(short*)to = (short)zero;
    }

    /// <summary>The channels of a place in the form of the entry's left factors. Whole vectors are written, and read where they end before <paramref name="end"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Copy(byte* from, byte* end, ref byte* to)
    {
        int i = 0, count = channels;
        Vector128<byte> flips = Vector128.Create((byte)flip);
        bool isPacked = entry.Group == 4;
        byte* target = to;
        for (; i < count && from + i + Vector128<byte>.Count <= end; i += Vector128<byte>.Count)
        {
            Vector128<byte> bytes = Vector128.Load(from + i) ^ flips;
            if (isPacked) Vector128.Store(bytes, target + i);
            else Widen(bytes, (short*)target + i);
        }
        for (; i < count; i++)
            if (isPacked) target[i] = (byte)(from[i] ^ flip);
            else ((short*)target)[i] = (short)(from[i] ^ flip);
        to = target + (isPacked ? count : sizeof(short) * count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Widen(Vector128<byte> bytes, short* target)
    {
        if (Avx2.IsSupported)
        {
            Vector256.Store(Avx2.ConvertToVector256Int16(bytes), target);
            return;
        }
        (Vector128<ushort> low, Vector128<ushort> high) = Vector128.Widen(bytes);
        Vector128.Store(low.AsInt16(), target);
        Vector128.Store(high.AsInt16(), target + Vector128<short>.Count);
    }
}
