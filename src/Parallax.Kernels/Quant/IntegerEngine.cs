using System.Numerics.Tensors;

namespace Parallax.Kernels;

/// <summary>Gives the rows of a right operand, as bytes, that a panel is made of.</summary>
internal unsafe interface IByteRows
{
    /// <summary>Called before the rows of a tile's columns are asked for.</summary>
    void Begin(int column, int columns);

    /// <summary>
    /// Row <paramref name="k"/>, columns from <paramref name="column"/> on; a whole tile's columns can be read. Where they do not lie together they are copied to
    /// <paramref name="buffer"/>; what is in columns that do not exist does not matter.
    /// </summary>
    byte* Row(int k, int column, int columns, byte* buffer);

    /// <summary>Elements between all rows of a tile of so many columns that are read where they lie; 0 where they are not.</summary>
    nint StrideFor(int columns);
}

/// <summary>Where the operands of one product lie; strides in elements.</summary>
internal unsafe struct IntegerOperands
{
    internal byte* A, Y;
    internal nint ARowStride, AColumnStride, YRowStride;
    internal PackedIntegers? PackedA, PackedB;
    internal int PackedAIndex;

    /// <summary>The place of row 0 among the parameters that there is one of per row.</summary>
    internal int ParameterRow;
}

/// <summary>
/// One exact product of 8-bit matrices, cut into blocks. A block takes strips of columns, packs what is not packed of them, and visits every tile; what zero points add to the sums of
/// factors, <c>(a - za)(b - zb) = ab - zb sum(a) - za (sum(b) - K zb)</c> summed over the depth, is put right as soon as the tiles above one another in a strip are summed, before they are requantized.
/// </summary>
internal sealed unsafe class IntegerEngine
{
    private const long MinBlockWork = 1 << 20;
    private const int WantedBlocks = 24, MinBlockRows = 64, MinBlockColumns = 128;

    /// <summary>Bytes of the panels of a strip, which all rows of a block come by: they stay in the first-level cache or near it.</summary>
    private const int StripBytes = 1 << 15;

    /// <summary>Tiles of a strip.</summary>
    private const int MinStripTiles = 2, MaxStripTiles = 16;

    private readonly IntegerMicroKernel entry;
    private readonly QuantizedTypes types;
    private readonly int m, n, k, groups, mBlock, nBlock, stripColumns;
    private readonly int aFlip, bFlip;
    private readonly bool packsLeft, packsRight, columnsDiffer;

    /// <param name="products">How many such products the kernel computes, which are independent work.</param>
    internal IntegerEngine(IntegerMicroKernel entry, QuantizedTypes types, int m, int n, int k, long products, bool leftIsPacked, bool rightIsPacked, bool biasPerColumn)
    {
        this.entry = entry;
        this.types = types;
        (this.m, this.n, this.k) = (m, n, k);
        groups = entry.Groups(k);
        aFlip = entry.Flip(isLeft: true, types.ASigned);
        bFlip = entry.Flip(isLeft: false, types.BSigned);
        columnsDiffer = types.Requantizes && (types.BScalePerColumn || biasPerColumn);
        packsLeft = !leftIsPacked;
        packsRight = !rightIsPacked;
        (mBlock, nBlock) = Cut(products);
        int strip = Math.Clamp(StripBytes / Math.Max(1, PanelBytes), MinStripTiles, MaxStripTiles);
        stripColumns = Math.Min(strip, Panels(Math.Max(1, nBlock), entry.NR)) * entry.NR;
        MBlocks = (m + mBlock - 1) / mBlock;
        NBlocks = (n + nBlock - 1) / nBlock;
    }

    internal int MBlocks { get; }

    internal int NBlocks { get; }

    internal long WorkerScratchBytes => Scratch.Bytes(this);

    /// <summary>Of one panel of right factors.</summary>
    private int PanelBytes => 4 * groups * entry.NR;

    internal void RunBlock<TRows>(int block, in IntegerOperands operands, TRows source, in KernelArgs args) where TRows : struct, IByteRows
    {
        int row = block / NBlocks * mBlock, rows = Math.Min(mBlock, m - row);
        int column = block % NBlocks * nBlock, columns = Math.Min(nBlock, n - column);
        var scratch = new Scratch(this, args.WorkerScratch);
        if (packsLeft) PackLeft(operands, scratch, row, rows);
        int* leftSums = operands.PackedA is { } a ? a.Sums(operands.PackedAIndex, row) : scratch.LeftSums;
        Requantizer requantizer = types.Requantizes ? types.Requantizer(args) : default;
        bool anyLeftZero = FindRowTerms(operands, scratch, requantizer, row, rows, leftSums, args);
        if (anyLeftZero && packsRight) FillOnes(scratch.Ones);
        for (int j = 0; j < columns; j += stripColumns)
        {
            int valid = Math.Min(stripColumns, columns - j);
            byte* right = Right(operands, scratch, source, column + j, valid);
            FindColumnTerms(operands, scratch, right, column + j, valid, anyLeftZero, args);
            for (int i = 0; i < rows; i += entry.MR)
            {
                int height = Math.Min(entry.MR, rows - i);
                byte* left = operands.PackedA is { } packed ? packed.Panel(operands.PackedAIndex, row + i) : scratch.Left + (nint)i * groups * 4;
                entry.TileFor(height)(groups, left, 4, 4 * entry.HeightFor(height), right, Panels(valid, entry.NR), scratch.Sums, stripColumns, Prefetcher.Nothing((float*)right));
                Finish(operands, scratch, requantizer, leftSums + i, i, height, row + i, column + j, valid, anyLeftZero, args);
            }
        }
    }

    private void PackLeft(in IntegerOperands operands, in Scratch scratch, int row, int rows)
    {
        for (int i = 0; i < rows; i += entry.MR)
        {
            int valid = Math.Min(entry.MR, rows - i), height = entry.HeightFor(valid);
            byte* panel = scratch.Left + (nint)i * groups * 4;
            IntegerPanels.Pack(entry, isLeft: true, panel, height, operands.A + (row + i) * operands.ARowStride, valid, k, operands.ARowStride, operands.AColumnStride, aFlip);
            IntegerPanels.SumLanes(entry, isLeft: true, panel, height, valid, groups, scratch.LeftSums + i);
        }
    }

    /// <summary>The panels of a strip.</summary>
    private byte* Right<TRows>(in IntegerOperands operands, in Scratch scratch, TRows source, int column, int columns) where TRows : struct, IByteRows
    {
        if (operands.PackedB is { } packed) return packed.Panel(0, column);
        byte* panel = scratch.Right;
        for (int j = 0; j < columns; j += entry.NR, panel += PanelBytes) PackRight(panel, scratch, source, column + j, Math.Min(entry.NR, columns - j));
        return scratch.Right;
    }

    private void PackRight<TRows>(byte* panel, in Scratch scratch, TRows source, int column, int columns) where TRows : struct, IByteRows
    {
        source.Begin(column, columns);
        if (source.StrideFor(columns) is var stride and not 0)
        {
            IntegerPanels.Interleave(entry, panel, source.Row(0, column, columns, scratch.Rows), stride, k, bFlip);
            return;
        }
        byte** rows = stackalloc byte*[4];
        for (int g = 0; g < groups; g++, panel += 4 * entry.NR)
        {
            for (int i = 0; i < entry.Group; i++)
                // Left factors behind the last depth are zero: any row will do.
                rows[i] = source.Row(Math.Min(g * entry.Group + i, k - 1), column, columns, scratch.Rows + i * entry.NR);
            IntegerPanels.Interleave(entry, panel, rows, bFlip);
        }
    }

    /// <summary>What is added to each row, and how it is scaled. Whether a row's zero point is not 0.</summary>
    private bool FindRowTerms(in IntegerOperands operands, in Scratch scratch, in Requantizer requantizer, int row, int rows, int* leftSums, in KernelArgs args)
    {
        QuantizedInputs inputs = types.Inputs;
        int parameter = operands.ParameterRow + row, bZero = types.BZeroPerColumn ? 0 : Zero(args, inputs.BZero, isLeft: false, bFlip, 0);
        int zero = Zero(args, inputs.AZero, isLeft: true, aFlip, 0);
        bool any = false;
        for (int i = 0; i < rows; i++)
        {
            if (types.AZeroPerRow) zero = Zero(args, inputs.AZero, isLeft: true, aFlip, parameter + i);
            any |= zero != 0;
            scratch.LeftZeros[i] = zero;
            scratch.RowAddends[i] = -bZero * leftSums[i];
        }
        if (!types.Requantizes || columnsDiffer) return any;
        var scales = new ResultScales(types, args);
        for (int i = 0; i < rows; i++)
        {
            (double factor, double addend) = scales.At(parameter + i, 0, parameter + i);
            scratch.RowScales[i] = requantizer.ScaleOf(scratch.RowAddends[i], factor, addend);
        }
        return any;
    }

    /// <summary>What each column's zero point and sum of factors contribute.</summary>
    private void FindColumnTerms(in IntegerOperands operands, in Scratch scratch, byte* right, int column, int columns, bool anyLeftZero, in KernelArgs args)
    {
        QuantizedInputs inputs = types.Inputs;
        if (columnsDiffer && !types.AScalePerRow) FindColumnFactors(scratch, 0, column, columns, args);
        if (!anyLeftZero && !types.BZeroPerColumn) return;
        int* sums = operands.PackedB is { } packed ? packed.Sums(0, column) : scratch.RightSums;
        if (anyLeftZero && packsRight) entry.TileFor(1)(groups, scratch.Ones, 0, 4, right, Panels(columns, entry.NR), scratch.RightSums, stripColumns, Prefetcher.Nothing((float*)right));
        for (int j = 0; j < columns; j++)
        {
            int zero = Zero(args, inputs.BZero, isLeft: false, bFlip, types.BZeroPerColumn ? column + j : 0);
            scratch.RightZeros[j] = zero;
            if (anyLeftZero) scratch.RightTerms[j] = sums[j] - k * zero;
        }
    }

    private void Finish(
        in IntegerOperands operands, in Scratch scratch, in Requantizer requantizer, int* leftSums, int inBlock, int rows, int row, int column, int columns, bool anyLeftZero, in KernelArgs args)
    {
        int* sums = scratch.Sums;
        nint stride = stripColumns, at = row * operands.YRowStride + column;
        for (int i = 0; i < rows && (anyLeftZero || types.BZeroPerColumn); i++)
        {
            if (anyLeftZero) AddMultiple(sums + i * stride, scratch.RightTerms, -scratch.LeftZeros[inBlock + i], columns);
            if (types.BZeroPerColumn) AddMultiple(sums + i * stride, scratch.RightZeros, -leftSums[i], columns);
        }
        if (types.Requantizes && !columnsDiffer)
        {
            requantizer.Rows(sums, stride, rows, scratch.RowScales + inBlock, operands.Y + at, operands.YRowStride, columns);
            return;
        }
        for (int i = 0; i < rows; i++, sums += stride, at += operands.YRowStride)
        {
            int add = scratch.RowAddends[inBlock + i];
            if (!types.Requantizes)
            {
                TensorPrimitives.Add(new ReadOnlySpan<int>(sums, columns), add, new Span<int>((int*)operands.Y + at, columns));
                continue;
            }
            if (types.AScalePerRow) FindColumnFactors(scratch, operands.ParameterRow + row + i, column, columns, args);
            requantizer.Row(sums, add, scratch.ColumnFactors, scratch.ColumnBiases, operands.Y + at, columns);
        }
    }

    private void FindColumnFactors(in Scratch scratch, int row, int column, int columns, in KernelArgs args)
    {
        var scales = new ResultScales(types, args);
        for (int j = 0; j < columns; j++) (scratch.ColumnFactors[j], scratch.ColumnBiases[j]) = scales.At(row, column + j, column + j);
    }

    /// <summary>A zero point in the form of a side's factors; an absent one is 0.</summary>
    private int Zero(in KernelArgs args, int input, bool isLeft, int flip, int lane) => entry.Factor(isLeft, (byte)((input < 0 ? 0 : args.Input<byte>(input)[lane]) ^ flip));

    private static void AddMultiple(int* sums, int* terms, int factor, int count)
    {
        var to = new Span<int>(sums, count);
        TensorPrimitives.MultiplyAdd(new ReadOnlySpan<int>(terms, count), factor, to, to);
    }

    /// <summary>A panel of one row of ones, zeros behind the last depth: its product with a right panel is the sum of the panel's lanes.</summary>
    private void FillOnes(byte* ones)
    {
        new Span<byte>(ones, groups * 4).Clear();
        for (int i = 0; i < k; i++)
            if (entry.Group == 4) ones[i] = 1;
            else ((short*)ones)[i] = 1;
    }

    /// <summary>
    /// Whole rows reuse a packed panel best, and whole strips what is computed once for a row of a block; blocks are halved, first down to strips and some rows, until there is work for many workers or they would be too small.
    /// </summary>
    private (int M, int N) Cut(long products)
    {
        int rows = Math.Max(1, Panels(packsLeft ? Math.Min(m, 4 * MinBlockRows) : m, entry.MR)), columns = Math.Max(1, Panels(Math.Min(n, 1024), entry.NR));
        while (products * Panels(m, rows * entry.MR) * Panels(n, columns * entry.NR) < WantedBlocks)
        {
            long work = Math.Max((long)Math.Min(m, rows * entry.MR), 16) * Math.Min(n, columns * entry.NR) * k;
            bool canHalveRows = rows * entry.MR > MinBlockRows, isWide = columns * entry.NR > MinBlockColumns;
            if (work < 2 * MinBlockWork || (columns <= 1 && !canHalveRows)) break;
            if (isWide || !canHalveRows) columns = (columns + 1) / 2;
            else rows = (rows + 1) / 2;
        }
        return (rows * entry.MR, columns * entry.NR);
    }

    private static int Panels(int lanes, int width) => (lanes + width - 1) / width;

    /// <summary>The parts of a worker's scratch, each 64-byte aligned.</summary>
    private readonly struct Scratch
    {
        internal readonly int* Sums, LeftSums, LeftZeros, RowAddends, RightSums, RightZeros, RightTerms;
        internal readonly RowScale* RowScales;
        internal readonly double* ColumnFactors, ColumnBiases;
        internal readonly byte* Rows, Right, Ones, Left;
        private readonly byte* end;

        internal Scratch(IntegerEngine engine, byte* start)
        {
            byte* next = start;
            IntegerMicroKernel entry = engine.entry;
            int rows = engine.mBlock, columns = engine.stripColumns;
            Sums = (int*)Take(ref next, 4L * (entry.MR * columns + Vec.LineElements));
            LeftSums = (int*)Take(ref next, 4L * rows);
            LeftZeros = (int*)Take(ref next, 4L * rows);
            RowAddends = (int*)Take(ref next, 4L * rows);
            RowScales = (RowScale*)Take(ref next, (long)sizeof(RowScale) * rows);
            RightSums = (int*)Take(ref next, 4L * columns);
            RightZeros = (int*)Take(ref next, 4L * columns);
            RightTerms = (int*)Take(ref next, 4L * columns);
            ColumnFactors = (double*)Take(ref next, 8L * columns);
            ColumnBiases = (double*)Take(ref next, 8L * columns);
            Rows = Take(ref next, 4L * entry.NR);
            Ones = Take(ref next, 4L * engine.groups);
            Right = Take(ref next, engine.packsRight ? (long)engine.PanelBytes * (columns / entry.NR) : 0);
            Left = Take(ref next, engine.packsLeft ? 4L * engine.groups * entry.PaddedLanes(Math.Min(rows, engine.m), isLeft: true) : 0);
            end = next;
        }

        internal static long Bytes(IntegerEngine engine) => (long)new Scratch(engine, null).end;

        private static byte* Take(ref byte* next, long bytes)
        {
            byte* start = next;
            next += Vec.WholeLines(bytes);
            return start;
        }
    }
}
