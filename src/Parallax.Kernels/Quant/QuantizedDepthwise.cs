using System.Runtime.CompilerServices;
using Parallax.Kernels.Copy;

namespace Parallax.Kernels;

/// <summary>
/// Convolution of groups with one input channel each, requantized. Sums of so few products are integers below 2^24, which float32 holds exactly: factors are
/// floats whose zero point is subtracted, and the sums are exact in any order. Channels are lanes: a tile of <see cref="Lanes"/> channels is transposed into places of so many
/// floats, padded, so that planes of any size fill vectors and strides are distances. Sums become results where they are; those next to a tie are computed and requantized again.
/// </summary>
internal sealed unsafe class QuantizedDepthwise : Kernel
{
    private const int Lanes = 16, MaxTaps = (1 << 24) / (255 * 255), PlacesAtOnce = 8;

    /// <summary>About as many places has the padded copy of a tile: 64 KB.</summary>
    private const int TilePlaces = 1 << 10;

    /// <summary>Multiply-accumulates of all lanes, and about as much for the rest, that are worth a block; what the rest is for a result; and for the parameters of a channel.</summary>
    private const long BlockWork = 1 << 17, ResultWork = 8, ChannelWork = 1 << 8;

    private readonly ConvProblem problem;
    private readonly QuantizedTypes types;
    private readonly WindowAxis depth, height, width;
    private readonly int inputPlane, outputPlane, taps, groupsPerImage, tileRows, tileColumns, tilesDown, tilesAcross, tilesPerBlock, paddedRows, paddedColumns;
    private readonly int[] offsets;
    private readonly VecWidth vectors;

    internal QuantizedDepthwise(ConvProblem problem, QuantizedTypes types, VecWidth vectors)
    {
        this.problem = problem;
        this.vectors = vectors;
        this.types = types;
        WindowAxis[] axes = problem.ThreeAxes;
        (depth, height, width) = (axes[0], axes[1], axes[2]);
        (inputPlane, outputPlane, taps) = (problem.InputPlane, problem.OutputPlane, problem.Taps);
        groupsPerImage = (problem.OutputChannels + Lanes - 1) / Lanes;

        int columns = (int)Math.Max(1, width.Output), rows = (int)Math.Max(1, height.Output);
        while (columns > Lanes && Places(1, columns) > TilePlaces) columns = (columns + 1) / 2;
        int most = 1;
        while (most < rows && Places(most + 1, columns) <= TilePlaces) most++;
        tileColumns = columns;
        tilesAcross = (int)((width.Output + columns - 1) / columns);
        tilesDown = (rows + most - 1) / most;
        tileRows = (rows + tilesDown - 1) / tilesDown;
        (paddedRows, paddedColumns) = checked(((int)height.Reach(tileRows), (int)width.Reach(tileColumns)));
        tilesPerBlock = (int)Math.Clamp(BlockWork / (Lanes * (ChannelWork + (long)tileRows * tileColumns * (taps + ResultWork))), 1, Math.Max(1, Tiles));

        offsets = new int[taps];
        int tap = 0;
        for (int z = 0; z < depth.Kernel; z++)
            for (int y = 0; y < height.Kernel; y++)
                for (int x = 0; x < width.Kernel; x++)
                    offsets[tap++] = checked((int)(((z * paddedRows) + y * height.Dilation) * paddedColumns + x * width.Dilation) * Lanes);

        WorkerScratchBytes = new Scratch(this, null).ByteCount;
        Name = vectors == VecWidth.Scalar ? "conv_i8_depthwise_scalar" : $"conv_i8_depthwise_v{32 * (int)vectors}";
    }

    internal static bool Supports(ConvProblem problem, QuantizedTypes types) =>
        types.Requantizes && problem.GroupInputs == 1 && problem.Axes.Length <= 3 && problem.Taps <= MaxTaps;

    public override string Name { get; }

    public override long WorkerScratchBytes { get; }

    public override int BlockCount(int phase) => outputPlane == 0 ? 0 : (Tiles + tilesPerBlock - 1) / tilesPerBlock;

    private int TilesPerGroup => (int)depth.Output * tilesDown * tilesAcross;

    private int Tiles => checked(problem.Batch * groupsPerImage * TilesPerGroup);

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        switch (vectors)
        {
            case VecWidth.V512: Run<Vec512>(block, args); break;
            case VecWidth.V256: Run<Vec256>(block, args); break;
            case VecWidth.V128: Run<Vec128>(block, args); break;
            default: Run<Vec1>(block, args); break;
        }
    }

    private void Run<V>(int block, in KernelArgs args) where V : struct, IVec<V>
    {
        Requantizer requantizer = types.Requantizer(args);
        var scales = new ResultScales(types, args);
        var scratch = new Scratch(this, args.WorkerScratch);
        int prepared = -1;
        for (int index = block * tilesPerBlock, end = Math.Min(Tiles, index + tilesPerBlock); index < end; index++)
        {
            (int group, int tile) = Math.DivRem(index, TilesPerGroup);
            (int image, int channel) = (group / groupsPerImage, group % groupsPerImage * Lanes);
            int lanes = Math.Min(Lanes, problem.OutputChannels - channel);
            if (group != prepared) PrepareLanes<V>(channel, lanes, scales, scratch, args);
            prepared = group;
            RunTile<V>(image, channel, lanes, tile, requantizer, scratch, args);
        }
    }

    private long Places(int rows, int columns) => depth.Kernel * height.Reach(rows) * width.Reach(columns);

    /// <summary>Filters and scales of the channels from one on; those that lanes are left without are filters of zeros.</summary>
    private void PrepareLanes<V>(int channel, int lanes, in ResultScales scales, in Scratch to, in KernelArgs args) where V : struct, IVec<V>
    {
        new Span<byte>(to.Bytes, taps * Lanes).Clear();
        TileTranspose.Run(1, args.Input<byte>(types.Inputs.A) + (nint)channel * taps, taps, to.Bytes, Lanes, taps, lanes);
        int flip = types.ASigned ? 0x80 : 0;
        Widen<V>(to.Bytes, to.Filter, 1, taps * Lanes, 0, flip, 0);
        byte* zeros = types.Inputs.AZero < 0 ? null : args.Input<byte>(types.Inputs.AZero);
        for (int lane = 0; lane < Lanes; lane++)
        {
            bool isThere = lane < lanes;
            int zero = !isThere || zeros == null ? flip : zeros[types.AZeroPerRow ? channel + lane : 0] ^ flip;
            (double factor, double addend) = isThere ? scales.At(channel + lane, 0, channel + lane) : default;
            var scale = new RowScale(0, factor, addend);
            (to.Factors[lane], to.Addends[lane]) = (factor, addend);
            (to.RoughFactors[lane], to.RoughAddends[lane], to.Safe[lane]) = (scale.RoughFactor, scale.RoughAddend, isThere ? scale.Safe : float.PositiveInfinity);
            if (zero != 0)
                for (int tap = 0; tap < taps; tap++) to.Filter[tap * Lanes + lane] -= zero;
        }
    }

    private void RunTile<V>(int image, int channel, int lanes, int index, in Requantizer requantizer, in Scratch scratch, in KernelArgs args) where V : struct, IVec<V>
    {
        (int z, int of) = Math.DivRem(index, tilesDown * tilesAcross);
        int row = of / tilesAcross * tileRows, column = of % tilesAcross * tileColumns;
        int rows = Math.Min(tileRows, (int)height.Output - row), columns = Math.Min(tileColumns, (int)width.Output - column);
        for (int tap = 0; tap < depth.Kernel; tap++)
            Bring<V>(image, channel, lanes, depth.Start(z) + tap * depth.Dilation, height.Part(row, rows), width.Part(column, columns), scratch.Copy + (nint)tap * paddedRows * paddedColumns * Lanes, scratch.Bytes, args);
        fixed (int* places = offsets)
        {
            var tile = new Tile
            {
                Scratch = scratch, Offsets = places, Taps = taps,
                Step = (int)width.Stride * Lanes, RowStep = (nint)height.Stride * paddedColumns * Lanes, Rows = rows, Columns = columns,
            };
            int again = Finish<V>(tile, requantizer);
            if (again > 0) FinishAgain<V>(tile, requantizer, again);
        }
        byte* y = args.Output<byte>(0) + ((nint)image * problem.OutputChannels + channel) * outputPlane + ((nint)z * height.Output + row) * (nint)width.Output + column;
        if (columns == width.Output) TileTranspose.Run(1, scratch.Results, Lanes, y, outputPlane, lanes, (long)rows * columns);
        else
            for (int i = 0; i < rows; i++) TileTranspose.Run(1, scratch.Results + (nint)i * columns * Lanes, Lanes, y + (nint)i * (nint)width.Output, outputPlane, lanes, columns);
    }

    /// <summary>What the results of a tile see of one plane of the input, as places of <see cref="Lanes"/> floats; padding is 0.</summary>
    private void Bring<V>(int image, int channel, int lanes, long plane, (WindowAxis Axis, long FirstInput) down, (WindowAxis Axis, long FirstInput) across, float* to, byte* bytes, in KernelArgs args)
        where V : struct, IVec<V>
    {
        int seenRows = (int)down.Axis.Reach(down.Axis.Output), rows = (int)down.Axis.Input, columns = (int)across.Axis.Input;
        if (plane < 0 || plane >= depth.Input || rows == 0 || columns == 0)
        {
            Clear(to, seenRows * paddedColumns);
            return;
        }
        (int above, int before) = ((int)down.Axis.PadBegin, (int)across.Axis.PadBegin);
        nint rowStep = (nint)paddedColumns * Lanes;
        Clear(to, above * paddedColumns);
        to += above * rowStep;
        for (int i = 0; i < rows; i++)
        {
            Clear(to + i * rowStep, before);
            Clear(to + i * rowStep + (before + columns) * Lanes, (int)across.Axis.PadEnd);
        }
        Clear(to + rows * rowStep, (int)down.Axis.PadEnd * paddedColumns);

        byte* from = args.Input<byte>(types.Inputs.B) + (nint)image * problem.InputChannels * inputPlane + (nint)((plane * height.Input + down.FirstInput) * width.Input + across.FirstInput);
        // Channels of one input lie one behind another; several filters for one input read it each for itself.
        int runs = problem.GroupOutputs == 1 ? 1 : lanes, ofRun = lanes / runs;
        for (int run = 0; run < runs; run++)
        {
            byte* source = from + (nint)((channel + run) / problem.GroupOutputs) * inputPlane;
            if (columns == width.Input) TileTranspose.Run(1, source, inputPlane, bytes + run, Lanes, (long)rows * columns, ofRun);
            else
                for (int i = 0; i < rows; i++) TileTranspose.Run(1, source + i * (nint)width.Input, inputPlane, bytes + run + (nint)i * columns * Lanes, Lanes, columns, ofRun);
        }
        int flip = types.BSigned ? 0x80 : 0, zero = types.Inputs.BZero < 0 ? 0 : *args.Input<byte>(types.Inputs.BZero);
        Widen<V>(bytes, to + before * Lanes, rows, columns * Lanes, rowStep, flip, zero ^ flip);
    }

    private static void Clear(float* places, int count)
    {
        if (count > 0) new Span<float>(places, count * Lanes).Clear();
    }

    /// <summary>Rows of bytes one behind another as floats, <c>(byte xor flip) - shift</c>; so many elements, a multiple of <see cref="Lanes"/>, to a row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Widen<V>(byte* from, float* to, int rows, int elements, nint toStep, int flip, int shift) where V : struct, IVec<V>
    {
        V flips = V.CreateBits(flip), shifts = V.CreateBits(shift);
        for (int row = 0; row < rows; row++, from += elements, to += toStep)
            for (int i = 0; i < elements; i += V.Count)
                V.Store(to + i, ByteLanes.FromInts(V.SubtractBits(V.Xor(ByteLanes.Load<V>(from + i), flips), shifts)));
    }

    /// <summary>
    /// Results of a tile, <see cref="PlacesAtOnce"/> neighbours at a time, the last of which overlap those before them; where a row has fewer, some behind it are written, of the next row or behind the last.
    /// Places of which a sum is too near to a tie are listed; returns how many.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int Finish<V>(in Tile given, in Requantizer requantizer) where V : struct, IVec<V>
    {
        Tile tile = given;
        requantizer.Limits(out V low, out V high, out V rounding, out V shift);
        nint step = tile.Step;
        int again = 0;
        for (int lane = 0; lane < Lanes; lane += V.Count)
        {
            V factor = V.Load(tile.Scratch.RoughFactors + lane), addend = V.Load(tile.Scratch.RoughAddends + lane), safe = V.Load(tile.Scratch.Safe + lane);
            for (int row = 0; row < tile.Rows; row++)
            {
                float* data = tile.Scratch.Copy + row * tile.RowStep + lane;
                for (int i = 0; i < tile.Columns; i += PlacesAtOnce)
                {
                    int at = Math.Max(0, Math.Min(i, tile.Columns - PlacesAtOnce));
                    float* from = data + at * step, weight = tile.Scratch.Filter + lane;
                    V s0 = default, s1 = default, s2 = default, s3 = default, s4 = default, s5 = default, s6 = default, s7 = default, farthest = default;
                    for (int* offset = tile.Offsets, end = offset + tile.Taps; offset < end; offset++, weight += Lanes)
                    {
                        float* x = from + *offset;
                        V w = V.Load(weight);
                        s0 = V.MultiplyAdd(w, V.Load(x), s0);
                        s1 = V.MultiplyAdd(w, V.Load(x + step), s1);
                        s2 = V.MultiplyAdd(w, V.Load(x + 2 * step), s2);
                        s3 = V.MultiplyAdd(w, V.Load(x + 3 * step), s3);
                        x += 4 * step;
                        s4 = V.MultiplyAdd(w, V.Load(x), s4);
                        s5 = V.MultiplyAdd(w, V.Load(x + step), s5);
                        s6 = V.MultiplyAdd(w, V.Load(x + 2 * step), s6);
                        s7 = V.MultiplyAdd(w, V.Load(x + 3 * step), s7);
                    }
                    int place = row * tile.Columns + at;
                    byte* y = tile.Scratch.Results + (nint)place * Lanes + lane;
                    Requantizer.Rough(s0, factor, addend, low, high, rounding, shift, y, ref farthest);
                    Requantizer.Rough(s1, factor, addend, low, high, rounding, shift, y + Lanes, ref farthest);
                    Requantizer.Rough(s2, factor, addend, low, high, rounding, shift, y + 2 * Lanes, ref farthest);
                    Requantizer.Rough(s3, factor, addend, low, high, rounding, shift, y + 3 * Lanes, ref farthest);
                    Requantizer.Rough(s4, factor, addend, low, high, rounding, shift, y + 4 * Lanes, ref farthest);
                    Requantizer.Rough(s5, factor, addend, low, high, rounding, shift, y + 5 * Lanes, ref farthest);
                    Requantizer.Rough(s6, factor, addend, low, high, rounding, shift, y + 6 * Lanes, ref farthest);
                    Requantizer.Rough(s7, factor, addend, low, high, rounding, shift, y + 7 * Lanes, ref farthest);
                    if (!V.AllLess(farthest, safe)) tile.Scratch.Again[again++] = place;
                }
            }
        }
        return again;
    }

    /// <summary>Results of the places that are listed, in float64.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FinishAgain<V>(in Tile tile, in Requantizer requantizer, int count) where V : struct, IVec<V>
    {
        int* sums = stackalloc int[Lanes];
        for (int i = 0; i < count; i++)
        {
            (int row, int column) = Math.DivRem(tile.Scratch.Again[i], tile.Columns);
            for (int end = Math.Min(column + PlacesAtOnce, tile.Columns); column < end; column++)
            {
                float* from = tile.Scratch.Copy + row * tile.RowStep + column * (nint)tile.Step;
                for (int lane = 0; lane < Lanes; lane += V.Count)
                {
                    V sum = default;
                    for (int tap = 0; tap < tile.Taps; tap++) sum = V.MultiplyAdd(V.Load(tile.Scratch.Filter + tap * Lanes + lane), V.Load(from + tile.Offsets[tap] + lane), sum);
                    V.Store((float*)sums + lane, ByteLanes.ToInts(sum));
                }
                requantizer.Row(sums, 0, tile.Scratch.Factors, tile.Scratch.Addends, tile.Scratch.Results + (row * (nint)tile.Columns + column) * Lanes, Lanes);
            }
        }
    }

    /// <summary>Where a tile lies, and how far apart.</summary>
    private struct Tile
    {
        internal Scratch Scratch;
        internal int* Offsets;

        /// <summary>Elements of the copy between what neighbouring results see.</summary>
        internal int Step;

        internal nint RowStep;
        internal int Taps, Rows, Columns;
    }

    /// <summary>A worker's scratch: the padded copy, filters, scales, a list of places, and bytes of places on their way there and back.</summary>
    private readonly struct Scratch
    {
        internal readonly float* Copy, Filter, RoughFactors, RoughAddends, Safe;
        internal readonly double* Factors, Addends;
        internal readonly int* Again;
        internal readonly byte* Bytes, Results;
        internal readonly long ByteCount;

        internal Scratch(QuantizedDepthwise kernel, byte* at)
        {
            byte* begin = at;
            long places = kernel.depth.Kernel * kernel.paddedRows * kernel.paddedColumns, results = (long)kernel.tileRows * kernel.tileColumns;
            // What fills up the last places at once reads and writes behind the last.
            long behind = PlacesAtOnce * Math.Max(1, kernel.width.Stride);
            Copy = (float*)Take(ref at, (places + behind) * Lanes * sizeof(float));
            Filter = (float*)Take(ref at, (long)kernel.taps * Lanes * sizeof(float));
            RoughFactors = (float*)Take(ref at, Lanes * sizeof(float));
            RoughAddends = (float*)Take(ref at, Lanes * sizeof(float));
            Safe = (float*)Take(ref at, Lanes * sizeof(float));
            Factors = (double*)Take(ref at, Lanes * sizeof(double));
            Addends = (double*)Take(ref at, Lanes * sizeof(double));
            Again = (int*)Take(ref at, Lanes * (long)kernel.tileRows * ((kernel.tileColumns + PlacesAtOnce - 1) / PlacesAtOnce) * sizeof(int));
            Bytes = Take(ref at, Math.Max(places, kernel.taps) * Lanes);
            Results = Take(ref at, (results + PlacesAtOnce) * Lanes);
            ByteCount = at - begin;
        }

        private static byte* Take(ref byte* at, long bytes)
        {
            byte* taken = at;
            at += Vec.WholeLines(bytes);
            return taken;
        }
    }
}
