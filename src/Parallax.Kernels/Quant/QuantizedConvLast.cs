using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Parallax.Kernels;

/// <summary>
/// Convolution of one group of 8-bit data with channels last, requantized, of which all but the data are constant: a product of patches, a row each, with the weights. Where a patch
/// is one place of the data and those have the form of left factors they are multiplied where they lie; others are gathered, some rows at a time, in a worker's scratch.
/// </summary>
internal sealed unsafe class QuantizedConvLast : IntegerRows
{
    private readonly ConvProblem problem;
    private readonly QuantizedTypes types;
    private readonly byte* parameters;
    private readonly LaneScales scales;
    private readonly Requantizer requantizer;
    private readonly WindowAxis depth, height, width;
    private readonly int channels, zero;
    private readonly bool isInPlace;

    /// <param name="constants">All inputs but the data, as a run would see them.</param>
    internal QuantizedConvLast(ConvProblem problem, QuantizedTypes types, in KernelArgs constants, PackedIntegers weights, IntegerMicroKernel entry)
        : base(entry, weights, types.BSigned, checked(problem.Batch * problem.OutputPlane), problem.OutputChannels, problem.Depth)
    {
        (this.problem, this.types, channels) = (problem, types, problem.InputChannels);
        WindowAxis[] axes = problem.ThreeAxes;
        (depth, height, width) = (axes[0], axes[1], axes[2]);
        zero = entry.Factor(isLeft: true, (byte)((types.Inputs.BZero < 0 ? 0 : *constants.Input<byte>(types.Inputs.BZero)) ^ Flip));
        isInPlace = problem.IsPointwise && AreFactors;

        requantizer = types.Requantizer(constants);
        parameters = (byte*)NativeMemory.AlignedAlloc((nuint)Math.Max(Vec.LineBytes, LaneScales.BytesOf(Outputs)), Vec.LineBytes);
        scales = new LaneScales(parameters, Outputs);
        for (int i = 0; i < Outputs; i++) scales.Adds[i] = -zero * ColumnSums[i];
        scales.Find(types, requantizer, 0, constants);
    }

    public override string Name => Entry.Name.Replace("gemm_i8", problem.IsPointwise ? "gemm_i8_rows" : "conv_i8_last_implicit", StringComparison.Ordinal);

    public override int BlockCount(int phase) => ProductBlocks;

    protected override long RowScratchBytes => isInPlace ? 0 : (long)StripRows * RowBytes + CopySlack;

    public override void RunBlock(int phase, int block, in KernelArgs args) => Multiply(block, args);

    public override void Dispose()
    {
        NativeMemory.AlignedFree(parameters);
        base.Dispose();
    }

    protected override byte* Left(int row, int count, byte* scratch, in KernelArgs args)
    {
        byte* data = args.Input<byte>(types.Inputs.B);
        if (isInPlace) return data + (nint)row * RowBytes;
        Gather(data, row, count, scratch);
        return scratch;
    }

    protected override void Finish(int* sums, int stride, int row, int rows, int column, int columns, in KernelArgs args) =>
        requantizer.Columns(sums, stride, rows, scales, column, args.Output<byte>(0) + (nint)row * Outputs + column, Outputs, columns);

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
                if (inside > 0) GatherInside(from + Offset(depth.Start(z), height.Start(y), width.Start(x + done)), inside, to + (nint)done * RowBytes);
                else GatherPlace(from, end, depth.Start(z), height.Start(y), width.Start(x + done), to + (nint)done * RowBytes);
                done += Math.Max(1, inside);
            }
            to += (nint)places * RowBytes;
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
        bool isPacked = Entry.Group == 4;
        nint runBytes = isPacked ? run : sizeof(short) * run;
        Vector128<byte> flips = Vector128.Create((byte)Flip);
        for (int place = 0; place < places; place++, from += placeStep, to += RowBytes)
        {
            byte* target = to;
            for (int z = 0; z < planes; z++)
                for (int y = 0; y < rows; y++, target += runBytes)
                {
                    byte* source = from + z * planeStep + y * rowStep;
                    for (int i = 0; i < run; i += Vector128<byte>.Count) CopyVector(source, target, i, flips, isPacked);
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
                    if (isThere) CopyFactors(image + Offset(plane, row, column), channels, end, ref to);
                    else Fill(ref to);
                }
    }

    /// <summary>Padding for the channels of a place.</summary>
    private void Fill(ref byte* to)
    {
        if (Entry.Group == 4)
            for (int i = 0; i < channels; i++) *to++ = (byte)zero;
        else
            for (int i = 0; i < channels; i++, to += sizeof(short)) *(short*)to = (short)zero;
    }
}
