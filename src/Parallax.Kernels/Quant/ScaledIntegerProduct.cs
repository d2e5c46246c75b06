using System.Runtime.CompilerServices;

namespace Parallax.Kernels;

/// <summary>
/// Rows of 8-bit data by constant weights, the sums made real numbers: <c>Y = float((A - AZero) (B - BZero)) * scale + bias</c>, rounded after each step. Inputs: 0 A, 2 AZero (optional), of A's type,
/// 4 scale, float32, one or one per column, 5 bias (optional), float32, one per column; output 0 is Y, float32.
/// </summary>
internal sealed unsafe class ScaledIntegerProduct : IntegerRows
{
    private readonly int depth, bZero;
    private readonly bool scalePerColumn;

    /// <param name="bZero">The zero point of B, as its factors are packed.</param>
    internal ScaledIntegerProduct(int rows, int columns, int depth, bool isSigned, PackedIntegers weights, int bZero, bool scalePerColumn, IntegerMicroKernel entry)
        : base(entry, weights, isSigned, rows, columns, depth) => (this.depth, this.bZero, this.scalePerColumn) = (depth, bZero, scalePerColumn);

    public override string Name => Entry.Name.Replace("gemm_i8", "gemm_i8_f32", StringComparison.Ordinal);

    public override int BlockCount(int phase) => ProductBlocks;

    /// <summary>What columns and rows add to their sums, and the rows themselves.</summary>
    protected override long RowScratchBytes => AddBytes + RowSumBytes + (AreFactors ? 0 : (long)StripRows * RowBytes + CopySlack);

    private long AddBytes => Vec.WholeLines(sizeof(int) * (Outputs + Vec.LineElements));

    private long RowSumBytes => Vec.WholeLines(sizeof(int) * StripRows);

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        (int column, int columns) = ColumnsOf(block);
        byte* zero = args.Input<byte>(2);
        int aZero = Entry.Factor(isLeft: true, (byte)((zero == null ? 0 : *zero) ^ Flip));
        // (a - za)(b - zb) = ab - za b - zb a + za zb, summed over the depth.
        int* adds = (int*)RowScratch(args), sums = ColumnSums;
        for (int i = column; i < column + columns; i++) adds[i] = -aZero * (sums[i] - depth * bZero);
        Multiply(block, args);
    }

    protected override byte* Left(int row, int count, byte* scratch, in KernelArgs args)
    {
        byte* data = args.Input<byte>(0), from = data + (nint)row * depth, end = data + (nint)Rows * depth, left = scratch + AddBytes + RowSumBytes;
        if (bZero != 0)
            for (int i = 0; i < count; i++) ((int*)(scratch + AddBytes))[i] = -bZero * Sum(from + (nint)i * depth);
        if (AreFactors) return from;
        for (int i = 0; i < count; i++)
        {
            byte* to = left + (nint)i * RowBytes;
            CopyFactors(from + (nint)i * depth, depth, end, ref to);
        }
        return left;
    }

    protected override void Finish(int* sums, int stride, int row, int rows, int column, int columns, in KernelArgs args)
    {
        int* adds = (int*)RowScratch(args) + column, rowAdds = bZero == 0 ? null : (int*)(RowScratch(args) + AddBytes);
        float* scale = args.Input<float>(4) + (scalePerColumn ? column : 0), bias = args.Input<float>(5), y = args.Output<float>(0) + (nint)row * Outputs + column;
        if (bias != null) bias += column;
        if (Vec512.IsSupported && columns >= Vec512.Count) Finish<Vec512>(sums, stride, rows, adds, rowAdds, scale, bias, y, columns);
        else if (Vec256.IsSupported && columns >= Vec256.Count) Finish<Vec256>(sums, stride, rows, adds, rowAdds, scale, bias, y, columns);
        else if (Vec128.IsSupported && columns >= Vec128.Count) Finish<Vec128>(sums, stride, rows, adds, rowAdds, scale, bias, y, columns);
        else Finish<Vec1>(sums, stride, rows, adds, rowAdds, scale, bias, y, columns);
    }

    /// <summary>A vector of columns after another, the last of which overlaps those before it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Finish<V>(int* sums, int stride, int rows, int* adds, int* rowAdds, float* scale, float* bias, float* y, int columns) where V : struct, IVec<V>
    {
        for (int i = 0; i < columns; i += V.Count)
        {
            int at = Math.Min(i, columns - V.Count);
            V add = V.Load((float*)adds + at), factor = scalePerColumn ? V.Load(scale + at) : V.Create(*scale), addend = bias == null ? default : V.Load(bias + at);
            int* from = sums + at;
            float* to = y + at;
            for (int row = 0; row < rows; row++, from += stride, to += Outputs)
            {
                V sum = V.AddBits(V.Load((float*)from), add);
                if (rowAdds != null) sum = V.AddBits(sum, V.CreateBits(rowAdds[row]));
                V real = ByteLanes.FromInts(sum) * factor;
                V.Store(to, bias == null ? real : real + addend);
            }
        }
    }

    /// <summary>The sum of the left factors of a row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private int Sum(byte* row)
    {
        // Factors with a sign are those without less 128.
        int flip = Entry.LeftIsSigned ? Flip ^ 0x80 : Flip, sum = Entry.LeftIsSigned ? -0x80 * depth : 0, i = 0;
        int* lanes = stackalloc int[Vec256.Count];
        Vec256 sums = default, flips = Vec256.CreateBits(flip);
        for (; i <= depth - Vec256.Count; i += Vec256.Count) sums = Vec256.AddBits(sums, Vec256.Xor(ByteLanes.Load<Vec256>(row + i), flips));
        Vec256.Store((float*)lanes, sums);
        for (int lane = 0; lane < Vec256.Count; lane++) sum += lanes[lane];
        for (; i < depth; i++) sum += row[i] ^ flip;
        return sum;
    }
}
