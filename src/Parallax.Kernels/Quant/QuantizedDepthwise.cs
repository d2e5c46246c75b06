using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Parallax.Kernels;

/// <summary>
/// Convolution of groups with one input channel each, requantized. Sums of so few products are integers below 2^24, which float32 holds exactly: factors are
/// floats, and the sums are exact in any order. Channels are lanes: a tile of <see cref="Lanes"/> channels is brought into places of so many
/// floats, padded, so that planes of any size fill vectors and strides are distances. Sums become results where they are; those next to a tie are computed and requantized again.
/// </summary>
internal abstract unsafe class QuantizedDepthwise : Kernel
{
    internal const int Lanes = 16;

    /// <summary>Neighbouring results that are computed together.</summary>
    protected const int PlacesAtOnce = 8;

    private const int MaxTaps = (1 << 24) / (255 * 255);

    /// <summary>Multiply-accumulates of all lanes, and about as much for the rest, that are worth a block; what the rest is for a result; and for the parameters of a channel.</summary>
    private const long BlockWork = 1 << 17, ResultWork = 8, ChannelWork = 1 << 8;

    private readonly WindowAxis depth, height, width;
    private readonly int taps, tileRows, tileColumns, tilesDown, tilesAcross, tilesPerBlock, paddedRows, paddedColumns;
    private readonly int[] offsets;
    private readonly VecWidth vectors;

    /// <param name="tilePlaces">About as many places has the padded copy of a tile; they take 64 bytes each.</param>
    /// <param name="maxColumns">Columns of a tile.</param>
    protected QuantizedDepthwise(ConvProblem problem, QuantizedTypes types, VecWidth vectors, string layout, int tilePlaces, int maxColumns)
    {
        (Problem, Types, this.vectors) = (problem, types, vectors);
        WindowAxis[] axes = problem.ThreeAxes;
        (depth, height, width) = (axes[0], axes[1], axes[2]);
        taps = problem.Taps;
        GroupsPerImage = (problem.OutputChannels + Lanes - 1) / Lanes;

        int columns = (int)Math.Max(1, width.Output), rows = (int)Math.Max(1, height.Output);
        while (columns > maxColumns || (columns > Lanes && Places(1, columns) > tilePlaces)) columns = (columns + 1) / 2;
        int most = 1;
        while (most < rows && Places(most + 1, columns) <= tilePlaces) most++;
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

        Name = vectors == VecWidth.Scalar ? $"conv_i8_{layout}_scalar" : $"conv_i8_{layout}_v{32 * (int)vectors}";
    }

    internal static bool Supports(ConvProblem problem, QuantizedTypes types) =>
        types.Requantizes && problem.GroupInputs == 1 && problem.Axes.Length <= 3 && problem.Taps <= MaxTaps;

    public sealed override string Name { get; }

    public sealed override long WorkerScratchBytes => new Scratch(this, null).ByteCount + ParameterBytes;

    public sealed override int BlockCount(int phase) => Problem.OutputPlane == 0 ? 0 : (Tiles + tilesPerBlock - 1) / tilesPerBlock;

    protected ConvProblem Problem { get; }

    protected QuantizedTypes Types { get; }

    /// <summary>Tiles of channels in an image.</summary>
    protected int GroupsPerImage { get; }

    /// <summary>Tiles of places in a channel.</summary>
    protected int TilesPerGroup => (int)depth.Output * tilesDown * tilesAcross;

    /// <summary>Bytes that <see cref="Prepare"/> fills for the channels of a tile.</summary>
    protected long ParameterBytes => DepthwiseParameters.BytesOf(taps);

    private int Tiles => checked(Problem.Batch * GroupsPerImage * TilesPerGroup);

    public sealed override void RunBlock(int phase, int block, in KernelArgs args)
    {
        switch (vectors)
        {
            case VecWidth.V512: Run<Vec512>(block, args); break;
            case VecWidth.V256: Run<Vec256>(block, args); break;
            case VecWidth.V128: Run<Vec128>(block, args); break;
            default: Run<Vec1>(block, args); break;
        }
    }

    /// <summary>The image and the first channel of a tile, and its number among those of its channels.</summary>
    protected abstract (int Image, int Channel, int Tile) Locate(int tile);

    /// <summary>How data become results; called once for the tiles of a block.</summary>
    protected abstract DepthwiseRun Begin(in KernelArgs args);

    /// <summary>The parameters of the channels from one on; <paramref name="scratch"/> has <see cref="ParameterBytes"/>, undefined at first.</summary>
    protected abstract DepthwiseParameters ParametersOf(int channel, byte* scratch, in KernelArgs args);

    /// <summary>Brings rows of data into places, <paramref name="toStep"/> floats from row to row; the lanes that are left without a channel may be anything finite.</summary>
    /// <param name="from">Where the first of them lies among the places of a channel.</param>
    /// <param name="bytes">Room for as many bytes.</param>
    protected abstract void Bring<V>(int image, int channel, int lanes, nint from, int rows, int columns, nint imageColumns, byte* bytes, float* to, nint toStep, in DepthwiseRun run, in KernelArgs args)
        where V : struct, IVec<V>;

    /// <summary>Where the results of a tile can be written at once, if they can: the first one, and bytes to the next place and the next row. All lanes of a place are written, of at least <see cref="PlacesAtOnce"/> places of a row.</summary>
    /// <param name="at">Where the first of them lies among the places of a channel.</param>
    protected virtual (nint First, nint Step, nint RowStep)? ResultsAt(int image, int channel, int lanes, nint at, int columns, nint imageColumns, in KernelArgs args) => null;

    /// <summary>Stores results that could not be, <see cref="Lanes"/> bytes for each place of a tile.</summary>
    /// <param name="at">Where the first of them lies among the places of a channel.</param>
    protected abstract void Store(byte* results, int image, int channel, int lanes, nint at, int rows, int columns, nint imageColumns, in KernelArgs args);

    private void Run<V>(int block, in KernelArgs args) where V : struct, IVec<V>
    {
        DepthwiseRun run = Begin(args);
        var scratch = new Scratch(this, args.WorkerScratch);
        DepthwiseParameters parameters = default;
        int found = -1;
        for (int index = block * tilesPerBlock, end = Math.Min(Tiles, index + tilesPerBlock); index < end; index++)
        {
            (int image, int channel, int tile) = Locate(index);
            int lanes = Math.Min(Lanes, Problem.OutputChannels - channel);
            if (channel != found) parameters = ParametersOf(channel, args.WorkerScratch + scratch.ByteCount, args);
            found = channel;
            RunTile<V>(image, channel, lanes, tile, parameters, run, scratch, args);
        }
    }

    private long Places(int rows, int columns) => depth.Kernel * height.Reach(rows) * width.Reach(columns);

    private void RunTile<V>(int image, int channel, int lanes, int index, in DepthwiseParameters parameters, in DepthwiseRun run, in Scratch scratch, in KernelArgs args) where V : struct, IVec<V>
    {
        (int z, int of) = Math.DivRem(index, tilesDown * tilesAcross);
        int row = of / tilesAcross * tileRows, column = of % tilesAcross * tileColumns;
        int rows = Math.Min(tileRows, (int)height.Output - row), columns = Math.Min(tileColumns, (int)width.Output - column);
        for (int tap = 0; tap < depth.Kernel; tap++)
            BringPlane<V>(image, channel, lanes, depth.Start(z) + tap * depth.Dilation, height.Part(row, rows), width.Part(column, columns), scratch.Copy + (nint)tap * paddedRows * paddedColumns * Lanes, scratch.Bytes, run, args);
        nint at = (nint)((z * height.Output + row) * width.Output + column);
        (nint First, nint Step, nint RowStep)? direct = ResultsAt(image, channel, lanes, at, columns, (nint)width.Output, args);
        fixed (int* places = offsets)
        {
            var tile = new Tile
            {
                Copy = scratch.Copy, Again = scratch.Again, Parameters = parameters, Offsets = places, Taps = taps,
                Step = (int)width.Stride * Lanes, RowStep = (nint)height.Stride * paddedColumns * Lanes, Rows = rows, Columns = columns,
                Results = scratch.Results, ResultStep = Lanes, ResultRowStep = columns * Lanes,
            };
            if (direct is var (first, step, rowStep))
            {
                tile.Results = (byte*)first;
                (tile.ResultStep, tile.ResultRowStep) = (step, rowStep);
            }
            int again = Finish<V>(tile, run.Requantizer);
            if (again > 0) FinishAgain<V>(tile, run.Requantizer, again);
        }
        if (direct is null) Store(scratch.Results, image, channel, lanes, at, rows, columns, (nint)width.Output, args);
    }

    /// <summary>What the results of a tile see of one plane of the input, as places of <see cref="Lanes"/> floats; padding is the zero point.</summary>
    private void BringPlane<V>(
        int image, int channel, int lanes, long plane, (WindowAxis Axis, long FirstInput) down, (WindowAxis Axis, long FirstInput) across, float* to, byte* bytes, in DepthwiseRun run, in KernelArgs args)
        where V : struct, IVec<V>
    {
        int seenRows = (int)down.Axis.Reach(down.Axis.Output), rows = (int)down.Axis.Input, columns = (int)across.Axis.Input;
        if (plane < 0 || plane >= depth.Input || rows == 0 || columns == 0)
        {
            Pad(to, seenRows * paddedColumns, run);
            return;
        }
        (int above, int before) = ((int)down.Axis.PadBegin, (int)across.Axis.PadBegin);
        nint rowStep = (nint)paddedColumns * Lanes;
        Pad(to, above * paddedColumns, run);
        to += above * rowStep;
        for (int i = 0; i < rows; i++)
        {
            Pad(to + i * rowStep, before, run);
            Pad(to + i * rowStep + (before + columns) * Lanes, (int)across.Axis.PadEnd, run);
        }
        Pad(to + rows * rowStep, (int)down.Axis.PadEnd * paddedColumns, run);
        nint from = (nint)((plane * height.Input + down.FirstInput) * width.Input + across.FirstInput);
        Bring<V>(image, channel, lanes, from, rows, columns, (nint)width.Input, bytes, to + before * Lanes, rowStep, run, args);
    }

    /// <summary>Rows of bytes as floats, <c>byte xor flip</c>; so many elements, a multiple of <see cref="Lanes"/>, to a place and a row of places.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    protected static void Widen<V>(byte* from, nint fromStep, nint fromRowStep, float* to, nint toRowStep, int rows, int columns, in DepthwiseRun run) where V : struct, IVec<V>
    {
        V flips = V.CreateBits(run.Flip);
        for (int row = 0; row < rows; row++, from += fromRowStep, to += toRowStep)
        {
            byte* place = from;
            float* target = to;
            for (int column = 0; column < columns; column++, place += fromStep, target += Lanes)
                for (int lane = 0; lane < Lanes; lane += V.Count)
                    V.Store(target + lane, ByteLanes.FromInts(V.Xor(ByteLanes.Load<V>(place + lane), flips)));
        }
    }

    /// <summary>What the zero points and scales among the inputs say.</summary>
    protected DepthwiseRun RunOf(in KernelArgs args) => new(Types.Requantizer(args), Types.BSigned, Types.Inputs.BZero < 0 ? (byte)0 : *args.Input<byte>(Types.Inputs.BZero));

    /// <summary>Filters and scales of the channels from one on, into memory of <see cref="ParameterBytes"/>; those that lanes are left without are filters of zeros.</summary>
    protected DepthwiseParameters Prepare(int channel, byte* memory, in KernelArgs args)
    {
        int flip = Types.ASigned ? 0x80 : 0, lanes = Math.Min(Lanes, Problem.OutputChannels - channel);
        var to = new DepthwiseParameters(taps, lanes, memory);
        DepthwiseRun run = RunOf(args);
        byte* filters = args.Input<byte>(Types.Inputs.A) + (nint)channel * taps, zeros = Types.Inputs.AZero < 0 ? null : args.Input<byte>(Types.Inputs.AZero);
        for (int lane = 0; lane < Lanes; lane++)
        {
            bool isThere = lane < lanes;
            int zero = zeros == null || !isThere ? flip : zeros[Types.AZeroPerRow ? channel + lane : 0] ^ flip, sum = 0;
            for (int tap = 0; tap < taps; tap++)
            {
                int weight = isThere ? (filters[lane * taps + tap] ^ flip) - zero : 0;
                to.Filter[tap * Lanes + lane] = weight;
                sum += weight;
            }
            to.Scales.Adds[lane] = -run.Zero * sum;
        }
        to.Scales.Find(Types, run.Requantizer, channel, args);
        return to;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Pad(float* places, int count, in DepthwiseRun run)
    {
        Vector256<float> zero = Vector256.Create((float)run.Zero);
        for (float* end = places + count * Lanes; places < end; places += Vector256<float>.Count) Vector256.Store(zero, places);
    }

    /// <summary>
    /// Results of a tile, <see cref="PlacesAtOnce"/> neighbours at a time, the last of which overlap those before them; where a row has fewer, some behind it are written, of the next row or behind the last.
    /// Places of which a sum is too near to a tie are listed; returns how many.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int Finish<V>(in Tile given, in Requantizer requantizer) where V : struct, IVec<V>
    {
        Tile tile = given;
        LaneScales scales = tile.Parameters.Scales;
        requantizer.Limits(out V low, out V high);
        nint step = tile.Step, resultStep = tile.ResultStep;
        int again = 0;
        for (int lane = 0; lane < Lanes; lane += V.Count)
        {
            V factor = V.Load(scales.RoughFactors + lane), addend = V.Load(scales.RoughAddends + lane), safe = V.Load(scales.Safe + lane), start = ByteLanes.FromInts(V.Load((float*)scales.Adds + lane));
            for (int row = 0; row < tile.Rows; row++)
            {
                float* data = tile.Copy + row * tile.RowStep + lane;
                for (int i = 0; i < tile.Columns; i += PlacesAtOnce)
                {
                    int at = Math.Max(0, Math.Min(i, tile.Columns - PlacesAtOnce));
                    float* from = data + at * step, weight = tile.Parameters.Filter + lane;
                    V s0 = start, s1 = start, s2 = start, s3 = start, s4 = start, s5 = start, s6 = start, s7 = start, farthest = default;
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
                    byte* y = tile.Results + row * tile.ResultRowStep + at * resultStep + lane;
                    Requantizer.Rough(s0, factor, addend, low, high, y, ref farthest);
                    Requantizer.Rough(s1, factor, addend, low, high, y + resultStep, ref farthest);
                    Requantizer.Rough(s2, factor, addend, low, high, y + 2 * resultStep, ref farthest);
                    Requantizer.Rough(s3, factor, addend, low, high, y + 3 * resultStep, ref farthest);
                    Requantizer.Rough(s4, factor, addend, low, high, y + 4 * resultStep, ref farthest);
                    Requantizer.Rough(s5, factor, addend, low, high, y + 5 * resultStep, ref farthest);
                    Requantizer.Rough(s6, factor, addend, low, high, y + 6 * resultStep, ref farthest);
                    Requantizer.Rough(s7, factor, addend, low, high, y + 7 * resultStep, ref farthest);
                    if (!V.AllLess(farthest, safe)) tile.Again[again++] = place;
                }
            }
        }
        return again;
    }

    /// <summary>The places that are listed, each with its neighbours: those results in float64 whose own sums are too near to a tie.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FinishAgain<V>(in Tile tile, in Requantizer requantizer, int count) where V : struct, IVec<V>
    {
        int* sums = stackalloc int[Lanes];
        byte* rough = stackalloc byte[Lanes];
        requantizer.Limits(out V low, out V high);
        DepthwiseParameters parameters = tile.Parameters;
        LaneScales scales = parameters.Scales;
        for (int i = 0; i < count; i++)
        {
            (int row, int column) = Math.DivRem(tile.Again[i], tile.Columns);
            for (int end = Math.Min(column + PlacesAtOnce, tile.Columns); column < end; column++)
            {
                float* from = tile.Copy + row * tile.RowStep + column * (nint)tile.Step;
                bool isNear = false;
                for (int lane = 0; lane < Lanes; lane += V.Count)
                {
                    V sum = ByteLanes.FromInts(V.Load((float*)scales.Adds + lane)), farthest = default;
                    for (int tap = 0; tap < tile.Taps; tap++) sum = V.MultiplyAdd(V.Load(parameters.Filter + tap * Lanes + lane), V.Load(from + tile.Offsets[tap] + lane), sum);
                    V.Store((float*)sums + lane, ByteLanes.ToInts(sum));
                    Requantizer.Rough(sum, V.Load(scales.RoughFactors + lane), V.Load(scales.RoughAddends + lane), low, high, rough, ref farthest);
                    isNear |= !V.AllLess(farthest, V.Load(scales.Safe + lane));
                }
                if (isNear) requantizer.Row(sums, 0, scales.Factors, scales.Addends, tile.Results + row * tile.ResultRowStep + column * tile.ResultStep, Lanes);
            }
        }
    }

    /// <summary>Where a tile lies, and how far apart.</summary>
    private struct Tile
    {
        internal float* Copy;
        internal DepthwiseParameters Parameters;
        internal int* Offsets, Again;

        /// <summary>Elements of the copy between what neighbouring results see.</summary>
        internal int Step;

        internal nint RowStep;
        internal int Taps, Rows, Columns;
        internal byte* Results;

        /// <summary>Bytes from the result of a place to that of its neighbour, and of the one below.</summary>
        internal nint ResultStep, ResultRowStep;
    }

    /// <summary>A worker's scratch: the padded copy, a list of places, and bytes of places on their way there and back.</summary>
    private readonly struct Scratch
    {
        internal readonly float* Copy;
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
            Again = (int*)Take(ref at, Lanes * (long)kernel.tileRows * ((kernel.tileColumns + PlacesAtOnce - 1) / PlacesAtOnce) * sizeof(int));
            Bytes = Take(ref at, places * Lanes);
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

/// <summary>The parameters of as many channels as there are lanes: <c>Filter[tap][lane]</c>, less its zero point, and how sums become results, of which what the data's zero point adds to them is a part.</summary>
internal readonly unsafe struct DepthwiseParameters
{
    internal readonly float* Filter;
    internal readonly LaneScales Scales;

    internal DepthwiseParameters(int taps, int lanes, byte* memory)
    {
        Scales = new LaneScales(memory, lanes);
        Filter = (float*)(memory + LaneScales.BytesOf(QuantizedDepthwise.Lanes));
    }

    internal static long BytesOf(int taps) => LaneScales.BytesOf(QuantizedDepthwise.Lanes) + (long)taps * QuantizedDepthwise.Lanes * sizeof(float);
}

/// <summary>What is the same for all tiles of a run: how bytes of data become numbers without a sign, <c>byte xor Flip</c>, the zero point as such a number, and how sums become results.</summary>
internal readonly struct DepthwiseRun
{
    internal DepthwiseRun(Requantizer requantizer, bool isSigned, byte zero)
    {
        Requantizer = requantizer;
        Flip = isSigned ? 0x80 : 0;
        Zero = zero ^ Flip;
    }

    internal Requantizer Requantizer { get; }

    internal int Flip { get; }

    internal int Zero { get; }
}
