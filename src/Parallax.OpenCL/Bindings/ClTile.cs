using Parallax.OpenCL.Calls;

namespace Parallax.OpenCL.Bindings;

/// <summary>What an item of a product computes: rows of a panel of columns, in registers.</summary>
/// <param name="Vectors">Vectors of <paramref name="Lanes"/> neighbouring columns.</param>
internal readonly record struct ClTile(int Rows, int Vectors, int Lanes)
{
    /// <summary>Items of a work-group along the rows, on a processor: its caches keep a panel while they pass.</summary>
    private const int RowBlocks = 16;

    /// <summary>What a panel of 1, 2 or 3 vectors takes, in vectors at the pace of the widest: the more vectors, the fewer loads for each multiplication.</summary>
    private static readonly double[] PanelCost = [1.7, 2.3, 3];

    internal int Width => Vectors * Lanes;

    internal string Options => $"-DROWS={Rows} -DVECTORS={Vectors} -DLANES={Lanes}";

    internal long PaddedRows(long m) => (m + Rows - 1) / Rows * Rows;

    internal long PaddedColumns(long n) => (n + Width - 1) / Width * Width;

    /// <summary>What a row of n columns takes, in vectors at the pace of the widest panel.</summary>
    internal double Cost(long n) => (n + Width - 1) / Width * PanelCost[Vectors - 1];

    /// <summary>For a result of m rows and n columns. Items of a GPU have few registers, one core of a processor has many.</summary>
    internal static ClTile For(ClContext context, long m, long n)
    {
        if (context.Lanes == 1) return new ClTile(RowsUpTo(8, m), 1, 8);
        int lanes = Math.Max(8, context.Lanes), rows = RowsUpTo(lanes == 16 ? 8 : 4, m);
        return Enumerable.Range(1, PanelCost.Length).Select(vectors => new ClTile(rows, vectors, lanes)).MinBy(tile => tile.Cost(n));
    }

    internal ClGrid Grid(ClContext context, long m, long n, long batch)
    {
        long panels = (n + Width - 1) / Width, blocks = (m + Rows - 1) / Rows;
        if (context.Lanes > 1) return blocks == 1 ? ClGrid.Of(panels, 1, batch, RowBlocks, 1, 1) : ClGrid.Of(panels, blocks, batch, 1, RowBlocks, 1);
        return blocks == 1 ? ClGrid.Over(context.Device, panels, 1, batch) : ClGrid.Of(panels, blocks, batch, 8, 8, 1);
    }

    private static int RowsUpTo(int most, long m) => m == 1 ? 1 : m <= 4 ? 4 : most;
}
