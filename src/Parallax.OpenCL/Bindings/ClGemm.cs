using Parallax.Kernels;
using Parallax.OpenCL.Calls;

namespace Parallax.OpenCL.Bindings;

/// <summary>
/// A batch of products <c>C = activation(Alpha A B + Beta bias + residual)</c>, A [M, K], B [K, N], C [M, N], and the launch that computes it. Bias, residual and
/// C begin at the arguments given, C and residual have contiguous columns.
/// </summary>
internal sealed record ClGemm(long M, long N, long K)
{
    /// <summary>Columns that an item computes: those of a panel.</summary>
    internal const int Width = 8;

    /// <summary>Dims of the batch that a kernel walks.</summary>
    internal const int BatchRank = 4;

    internal required MatrixLayout A { get; init; }

    /// <summary>Elements between panels of eight columns of B, and between rows inside of one.</summary>
    internal required (long Panel, long Row) B { get; init; }

    internal required long CRowStride { get; init; }

    /// <summary>Dims of the batch, at most <see cref="BatchRank"/>; empty for one product.</summary>
    internal long[] Batch { get; init; } = [];

    /// <summary>Elements between the matrices of an operand along the dims of the batch.</summary>
    internal long[] ABatch { get; init; } = [];

    internal long[] BBatch { get; init; } = [];

    internal long[] CBatch { get; init; } = [];

    internal float Alpha { get; init; } = 1;

    internal float Beta { get; init; } = 1;

    internal MatrixLayout? Bias { get; init; }

    internal ClFinish Finish { get; init; }

    internal ClLaunch Launch(ClPrepareContext x, ClArg a, ClArg b, ClArg bias, ClArg residual, ClArg c)
    {
        int rows = M == 1 ? 1 : M <= 4 ? 4 : 8;
        long batch = Shape.Count(Batch);
        MatrixLayout terms = Bias ?? default;
        ClGrid grid = rows == 1 ? x.Over((N + Width - 1) / Width, 1, batch) : ClGrid.Of((N + Width - 1) / Width, (M + rows - 1) / rows, batch, 8, 8, 1);
        return new ClLaunch(x.Kernel("matrix", "gemm", $"-DROWS={rows} {ClEpilogue.Options(Finish.Activation)}"), grid,
        [
            a, b, bias, residual, c, ClArg.Int(M), ClArg.Int(N), ClArg.Int(K), ClArg.Int(batch), ClArg.Ints(A.RowStride, A.ColumnStride),
            ClArg.Int(B.Panel), ClArg.Int(B.Row), ClArg.Ints(terms.RowStride, terms.ColumnStride), ClArg.Int(CRowStride),
            Padded(Batch, 1), Padded(ABatch, 0), Padded(BBatch, 0), Padded(CBatch, 0),
            ClArg.Float(Alpha), ClArg.Float(Beta), ClArg.Int(Finish.Flags(Bias is not null)), .. ClEpilogue.Args(Finish.Activation),
        ]);
    }

    private static ClArg Padded(long[] values, long filler)
    {
        Span<long> padded = stackalloc long[BatchRank];
        padded.Fill(filler);
        values.CopyTo(padded[(BatchRank - values.Length)..]);
        return ClArg.Ints(padded);
    }
}
