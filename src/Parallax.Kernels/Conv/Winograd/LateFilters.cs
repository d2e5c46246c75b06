namespace Parallax.Kernels;

/// <summary>
/// Filters that are transformed in every run. Transformed, 3x3 taps for 4x4 results take four times their memory, all of which is read in every run; that takes about as long as to read the taps and
/// transform them, some ten cycles for each pair of channels. The bits are those of filters that are transformed ahead. Where several blocks of tiles need them, they are transformed for all of them; one block transforms
/// those of a chunk of output channels, a part of their elements at a time, just before it multiplies by them, so that they stay in the second-level cache.
/// </summary>
internal abstract unsafe class LateFilters
{
    /// <summary>Pairs of channels from which on there is something to save.</summary>
    private const int LeastFilters = 4096;

    /// <summary>Pairs of channels of a block.</summary>
    private const int FiltersPerBlock = 2048;

    private readonly PackedMatrix taps;
    private readonly int rows, rowsPerBlock, outputs, inputs;

    private LateFilters(ConvProblem problem, WinogradTiling tiling, PackedMatrix taps, int parts, int partElements)
    {
        this.taps = taps;
        (Parts, PartElements) = (parts, partElements);
        (outputs, inputs) = (problem.GroupOutputs, problem.GroupInputs);
        AreShared = problem.Batch * problem.Groups * tiling.Blocks > 1;
        Layout = new LeftLayout(taps.Entry, AreShared ? outputs : tiling.RowsPerChunk, inputs);
        ScratchElements = (AreShared ? problem.Groups * parts : 1) * partElements * Layout.MatrixElements;
        rows = problem.Groups * Layout.PaddedRows;
        rowsPerBlock = Math.Max(1, FiltersPerBlock / inputs);
    }

    /// <summary>Whether all are transformed before the blocks of tiles are computed; otherwise a block transforms those of a chunk in its worker's scratch.</summary>
    internal bool AreShared { get; }

    /// <summary>Of the transformed filters, all or those of a chunk.</summary>
    internal LeftLayout Layout { get; }

    /// <summary>Of the transformed filters, all or a part of those of a chunk.</summary>
    internal nint ScratchElements { get; }

    /// <summary>Elements of a part.</summary>
    internal int PartElements { get; }

    private int Parts { get; }

    /// <summary>Blocks of <see cref="TransformBlock"/>.</summary>
    internal int Blocks => AreShared ? (rows + rowsPerBlock - 1) / rowsPerBlock : 0;

    /// <summary>Whether a convolution's filters are transformed in every run; from the filters alone.</summary>
    internal static bool Suit<TFilters>(TFilters filters, ConvProblem problem) where TFilters : struct, IFilterTransform =>
        filters.Elements >= 3 * filters.Taps && (long)problem.OutputChannels * problem.GroupInputs >= LeastFilters;

    /// <summary>Elements that a run transforms; 0 where they are transformed ahead.</summary>
    internal static long ElementsOf<TFilters>(TFilters filters, ConvProblem problem) where TFilters : struct, IFilterTransform =>
        Suit(filters, problem) ? (long)problem.OutputChannels * problem.GroupInputs * filters.Elements : 0;

    /// <summary>Null where filters are transformed ahead.</summary>
    /// <param name="packed">From <see cref="WinogradWeights.Pack"/>; no reference is taken.</param>
    internal static LateFilters? Create<TFilters>(TFilters filters, ConvProblem problem, WinogradTiling tiling, PackedMatrix packed) where TFilters : struct, IFilterTransform =>
        !Suit(filters, problem) ? null : packed.Entry.Width switch
        {
            VecWidth.V512 => new Of<TFilters, Vec512>(filters, problem, tiling, packed),
            VecWidth.V256 => new Of<TFilters, Vec256>(filters, problem, tiling, packed),
            VecWidth.V128 => new Of<TFilters, Vec128>(filters, problem, tiling, packed),
            _ => new Of<TFilters, Vec1>(filters, problem, tiling, packed),
        };

    /// <summary>Transforms some of the filters that all blocks of tiles share.</summary>
    internal void TransformBlock(int block, float* matrices)
    {
        for (int i = block * rowsPerBlock; i < Math.Min((block + 1) * rowsPerBlock, rows); i++)
        {
            (int group, int row) = Math.DivRem(i, Layout.PaddedRows);
            for (int part = 0; part < Parts; part++)
                TransformRow(part, row < outputs ? taps.Left(group * outputs + row, 0, 0) : null, matrices + Layout.Offset((group * Parts + part) * PartElements, 0, row));
        }
    }

    /// <summary>Transforms a part of the filters of a chunk of output channels; its first one becomes row 0.</summary>
    internal void TransformChunk(int part, int first, int count, float* matrices)
    {
        for (int row = 0; row < taps.Entry.PaddedRows(count); row++)
            TransformRow(part, row < count ? taps.Left(first + row, 0, 0) : null, matrices + Layout.Offset(0, 0, row));
    }

    /// <param name="from">The taps of a channel; null behind the last.</param>
    /// <param name="to">The channel's row in the first matrix of the part.</param>
    private protected abstract void TransformRow(int part, float* from, float* to);

    private sealed class Of<TFilters, V>(TFilters filters, ConvProblem problem, WinogradTiling tiling, PackedMatrix packed) : LateFilters(problem, tiling, packed, filters.Parts, filters.PartElements)
        where TFilters : struct, IFilterTransform where V : struct, IVec<V>
    {
        private protected override void TransformRow(int part, float* from, float* to) => WinogradWeights.TransformRow<TFilters, V>(filters, part, from, inputs, to, Layout);
    }
}
