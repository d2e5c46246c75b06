using System.Runtime.CompilerServices;

namespace Parallax.Kernels;

/// <summary>Fills panels of B with values whose zero point is subtracted.</summary>
internal unsafe interface IQuantizedColumns
{
    /// <summary>
    /// Writes depths [start, start + depth) of columns [column, column + columns) into zeroed pairs:
    /// <c>target[(k / 2 * width + j) * 2 + k % 2]</c> with k and j counted from start and column.
    /// </summary>
    void Fill(short* target, int width, int start, int depth, int column, int columns, byte* b, int* offsets, int flip);
}

/// <summary>
/// One exact product of 8-bit matrices, cut into blocks. A block turns its part of A and B into pairs of int16 along the depth, which
/// one instruction multiplies and adds, and keeps its sums in a worker's scratch.
/// </summary>
internal sealed unsafe class QuantizedProduct
{
    internal const int MaxRows = 64, MaxColumns = 128, MaxDepth = 512;

    private readonly QuantizedTypes types;
    private readonly int m, n, k, width;
    private readonly delegate*<int, short*, short*, int*, int, void> tile;

    internal QuantizedProduct(QuantizedTypes types, int m, int n, int k, VecWidth vectors)
    {
        this.types = types;
        (this.m, this.n, this.k) = (m, n, k);
        width = 2 * (int)vectors;
        tile = vectors switch
        {
            VecWidth.V512 => &Tile<PairDot512>,
            VecWidth.V256 => &Tile<PairDot256>,
            VecWidth.V128 => &Tile<PairDot128>,
            _ => &Tile<PairDot1>,
        };
        MBlocks = (m + MaxRows - 1) / MaxRows;
        NBlocks = (n + MaxColumns - 1) / MaxColumns;
    }

    internal int MBlocks { get; }

    internal int NBlocks { get; }

    internal static long WorkerScratchBytes =>
        (long)MaxRows * MaxColumns * sizeof(int) + (long)(MaxRows + MaxColumns) * (MaxDepth * sizeof(short) + sizeof(int));

    /// <param name="a">Element (0, 0) of A.</param>
    /// <param name="y">Element (0, 0) of the result, int32 or 8 bits.</param>
    /// <param name="parameterRow">The row of per-row parameters that belongs to row 0.</param>
    internal void RunBlock<TColumns>(
        int block, byte* a, nint aRowStride, nint aColumnStride, byte* b, TColumns columnsOfB, byte* y, nint yRowStride, int parameterRow, in KernelArgs args)
        where TColumns : IQuantizedColumns
    {
        int row = block / NBlocks * MaxRows, rows = Math.Min(MaxRows, m - row);
        int column = block % NBlocks * MaxColumns, columns = Math.Min(MaxColumns, n - column);
        int* sums = (int*)args.WorkerScratch, rowOffsets = sums + MaxRows * MaxColumns, columnOffsets = rowOffsets + MaxRows;
        short* left = (short*)(columnOffsets + MaxColumns), right = left + MaxRows * MaxDepth;
        int aFlip = types.ASigned ? 0x80 : 0, bFlip = types.BSigned ? 0x80 : 0;
        Offsets(rowOffsets, args, types.Inputs.AZero, aFlip, types.AZeroPerRow, parameterRow + row, rows);
        Offsets(columnOffsets, args, types.Inputs.BZero, bFlip, types.BZeroPerColumn, column, columns);
        new Span<int>(sums, MaxRows * MaxColumns).Clear();
        for (int start = 0; start < k; start += MaxDepth)
        {
            int depth = Math.Min(MaxDepth, k - start), pairs = (depth + 1) / 2;
            FillRows(left, a + row * aRowStride + start * aColumnStride, aRowStride, aColumnStride, rows, depth, rowOffsets, aFlip);
            for (int j = 0; j < columns; j += width)
            {
                new Span<int>(right, pairs * width).Clear();
                columnsOfB.Fill(right, width, start, depth, column + j, Math.Min(width, columns - j), b, columnOffsets + j, bFlip);
                for (int i = 0; i < rows; i += 4)
                    tile(pairs, left + i * 2 * pairs, right, sums + i * MaxColumns + j, MaxColumns);
            }
        }
        if (types.Requantizes)
            Requantize(sums, y + row * yRowStride + column, yRowStride, row + parameterRow, rows, column, columns, args);
        else
            for (int i = 0; i < rows; i++)
                new ReadOnlySpan<int>(sums + i * MaxColumns, columns).CopyTo(new Span<int>((int*)y + (row + i) * yRowStride + column, columns));
    }

    /// <summary>An 8-bit value v is <c>(v ^ flip) - flip</c>; what is subtracted from <c>v ^ flip</c> in all is flip plus the zero point.</summary>
    private static void Offsets(int* offsets, in KernelArgs args, int input, int flip, bool perLane, int lane, int count)
    {
        for (int i = 0; i < count; i++)
            offsets[i] = flip + (input < 0 ? 0 : (args.Input<byte>(input)[perLane ? lane + i : 0] ^ flip) - flip);
    }

    /// <summary>Panels of four rows: <c>[pair][row][2]</c>.</summary>
    private static void FillRows(short* target, byte* a, nint rowStride, nint columnStride, int rows, int depth, int* offsets, int flip)
    {
        int pairs = (depth + 1) / 2;
        new Span<short>(target, (rows + 3) / 4 * 4 * pairs * 2).Clear();
        for (int i = 0; i < rows; i++)
        {
            short* to = target + i / 4 * 8 * pairs + i % 4 * 2;
            byte* from = a + i * rowStride;
            for (int d = 0; d < depth; d++)
                to[d / 2 * 8 + d % 2] = (short)((from[d * columnStride] ^ flip) - offsets[i]);
        }
    }

    private void Requantize(int* sums, byte* y, nint yRowStride, int row, int rows, int column, int columns, in KernelArgs args)
    {
        QuantizedInputs inputs = types.Inputs;
        float* aScale = args.Input<float>(inputs.AScale), bScale = args.Input<float>(inputs.BScale);
        float yScale = *args.Input<float>(inputs.YScale);
        int flip = types.YSigned ? 0x80 : 0, zero = inputs.YZero < 0 ? 0 : (*args.Input<byte>(inputs.YZero) ^ flip) - flip;
        float low = -flip - zero, high = 255 - flip - zero;
        for (int i = 0; i < rows; i++)
        {
            int bias = inputs.Bias < 0 ? 0 : args.Input<int>(inputs.Bias)[row + i];
            for (int j = 0; j < columns; j++)
            {
                float scale = aScale[types.AScalePerRow ? row + i : 0] * bScale[types.BScalePerColumn ? column + j : 0] / yScale;
                float value = MathF.Round((sums[i * MaxColumns + j] + bias) * scale);
                y[i * yRowStride + j] = (byte)((int)Math.Clamp(value, low, high) + zero);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile<V>(int pairs, short* a, short* b, int* c, int stride) where V : struct, IPairDot<V>
    {
        int* c1 = c + stride, c2 = c1 + stride, c3 = c2 + stride;
        V s00 = V.LoadSums(c), s01 = V.LoadSums(c + V.Count), s10 = V.LoadSums(c1), s11 = V.LoadSums(c1 + V.Count);
        V s20 = V.LoadSums(c2), s21 = V.LoadSums(c2 + V.Count), s30 = V.LoadSums(c3), s31 = V.LoadSums(c3 + V.Count);
        for (int k = 0; k < pairs; k++, a += 8, b += 4 * V.Count)
        {
            V b0 = V.Load(b), b1 = V.Load(b + 2 * V.Count), x = V.Broadcast(a);
            s00 = V.Add(s00, x, b0); s01 = V.Add(s01, x, b1);
            x = V.Broadcast(a + 2); s10 = V.Add(s10, x, b0); s11 = V.Add(s11, x, b1);
            x = V.Broadcast(a + 4); s20 = V.Add(s20, x, b0); s21 = V.Add(s21, x, b1);
            x = V.Broadcast(a + 6); s30 = V.Add(s30, x, b0); s31 = V.Add(s31, x, b1);
        }
        V.Store(c, s00); V.Store(c + V.Count, s01);
        V.Store(c1, s10); V.Store(c1 + V.Count, s11);
        V.Store(c2, s20); V.Store(c2 + V.Count, s21);
        V.Store(c3, s30); V.Store(c3 + V.Count, s31);
    }
}
