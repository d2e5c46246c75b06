using Parallax.Kernels;
using Parallax.OpenCL.Calls;

namespace Parallax.OpenCL.Bindings;

/// <summary>
/// A batch of products <c>C = activation(Alpha A B + Beta bias + residual)</c>, A [M, K], B [K, N], C [M, N], and the launch that computes it. Bias, residual and
/// C begin at the arguments given, C and residual have contiguous columns.
/// </summary>
internal sealed record ClGemm(long M, long N, long K)
{
    /// <summary>Dims of the batch that a kernel walks.</summary>
    internal const int BatchRank = 4;

    internal required ClTile Tile { get; init; }

    internal required MatrixLayout A { get; init; }

    internal required ClColumns B { get; init; }

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

    /// <summary>Elements between the biases of products along the last dim of the batch.</summary>
    internal long BiasBatch { get; init; }

    internal ClFinish Finish { get; init; }

    internal ClTaps? Taps { get; init; }

    internal ClLaunch Launch(ClPrepareContext x, ClFactor a, ClFactor b, ClArg bias, ClArg residual, ClArg c)
    {
        long batch = Shape.Count(Batch);
        MatrixLayout terms = Bias ?? default;
        ClArg[] taps = Taps is { } image ? [image.Table, ClArg.Ints(image.RowLength, image.Columns)] : [];
        bool isShort = a.IsShort || b.IsShort, isHalf = isShort && x.MultipliesInHalf;
        string factors = $"{(a.IsShort ? " -DSHORT_A" : "")}{(b.IsShort ? " -DSHORT_B" : "")}{(isHalf ? $" -DSLAB={ClFactor.HalfSteps}" : "")}";
        string options = $"{Tile.Options}{(Taps is null ? "" : " -DTAPS")}{factors} {ClEpilogue.Options(Finish.Activation)}";
        return new ClLaunch(x.Kernel("matrix", "gemm", options), Tile.Grid(x.Context, M, N, batch),
        [
            a.Elements, b.Elements, bias, residual, c, .. taps, ClArg.Int(M), ClArg.Int(N), ClArg.Int(K), ClArg.Int(batch), ClArg.Ints(A.RowStride, A.ColumnStride),
            ClArg.Int(B.Panel), ClArg.Int(B.Row), ClArg.Ints(terms.RowStride, terms.ColumnStride), ClArg.Int(BiasBatch),
            ClArg.Int(CRowStride), Padded(Batch, 1), Padded(ABatch, 0), Padded(BBatch, 0), Padded(CBatch, 0),
            ClArg.Float(Alpha * a.Scale * b.Scale), ClArg.Float(Beta), ClArg.Int(Finish.Flags(Bias is not null)), .. ClEpilogue.Args(Finish.Activation),
        ])
        {
            Tile = Tile,
            Macs = batch * Tile.PaddedRows(M) * Tile.PaddedColumns(N) * K,
            Factors = isHalf ? "half" : isShort ? "short" : null,
        };
    }

    private static ClArg Padded(long[] values, long filler)
    {
        Span<long> padded = stackalloc long[BatchRank];
        padded.Fill(filler);
        values.CopyTo(padded[(BatchRank - values.Length)..]);
        return ClArg.Ints(padded);
    }
}

/// <summary>How the columns of B lie: in panels of a tile's width, or side by side in rows.</summary>
/// <param name="Panel">Elements from one panel to the next; 0 for rows.</param>
/// <param name="Row">Elements from one row to the next, in a panel or in all.</param>
internal readonly record struct ClColumns(long Panel, long Row)
{
    /// <summary>Whether n columns can be read as they lie in rows: a panel of them is read at once, and nothing behind them.</summary>
    internal static bool CanBeRows(ClTile tile, long n) => n >= tile.Width;

    internal static ClColumns Rows(long stride) => new(0, stride);

    internal static ClColumns Of(ClPanels panels) => new(panels.PanelElements, panels.Width);
}

/// <summary>Rows of B that begin where a table says, over columns that are the places of image rows one behind another.</summary>
/// <param name="Table">For each row, elements from the start of B.</param>
/// <param name="RowLength">Places of an image row.</param>
/// <param name="Columns">The places of an image row that are columns of C, without the others between them.</param>
internal readonly record struct ClTaps(ClArg Table, long RowLength, long Columns);
