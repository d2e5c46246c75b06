using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Parallax.Kernels;

/// <summary>
/// An entry of the GEMM family: tiles of one vector width, and the block sizes that go with them. A full tile has <see cref="MR"/> rows and
/// <see cref="NR"/> columns; the last rows of a matrix use the lowest tile that holds them.
/// </summary>
public sealed unsafe class GemmMicroKernel
{
    private readonly int[] heights;

    /// <summary>By rows, the height of the lowest tile that holds them.</summary>
    private readonly byte[] tileHeights;

    /// <summary>By rows, up to two full tiles, the rows of the first tile of those that compute them soonest.</summary>
    private readonly byte[] nextRows;

    private readonly GemmTileSet tiles;

    internal GemmMicroKernel(string name, VecWidth width, bool isSupported, int[] heights, GemmTileSet tiles)
    {
        Name = name;
        Width = width;
        IsSupported = isSupported;
        this.heights = heights;
        tileHeights = new byte[MR + 1];
        for (int rows = MR, i = heights.Length - 1; rows >= 0; rows--)
        {
            if (i > 0 && rows <= heights[i - 1]) i--;
            tileHeights[rows] = (byte)heights[i];
        }
        nextRows = ChooseTiles();
        this.tiles = tiles;
    }

    public string Name { get; }

    /// <summary>What a kernel of another family is called that multiplies by this entry.</summary>
    internal string NameOf(string kernel) => Name.Replace("gemm_f32", kernel, StringComparison.Ordinal);

    public VecWidth Width { get; }

    /// <summary>Whether this machine runs the entry with its own instructions.</summary>
    public bool IsSupported { get; }

    /// <summary>Rows of a full tile.</summary>
    public int MR => heights[^1];

    /// <summary>Rows of the tile below the full one: two such compute somewhat more rows than a full tile has no slower than that and the rest.</summary>
    internal int LowerRows => heights[^2];

    /// <summary>Columns of a tile: two vectors.</summary>
    public int NR => 2 * (int)Width;

    /// <summary>Most steps of depth between two visits of C: a panel of B and the rows of a tile of A fit the first-level cache.</summary>
    public int KC => 256;

    /// <summary>Rows of a block whose A is copied while it runs: the slab of A fits the second-level cache.</summary>
    public int MC => 168 / MR * MR;

    /// <summary>Columns of a block whose B is packed while it runs.</summary>
    public int NC => 256;

    /// <summary>Height of the lowest tile with at least <paramref name="rows"/> rows (1 to MR).</summary>
    internal int HeightFor(int rows) => tileHeights[rows];

    /// <summary>
    /// Rows of the next tile where so many are left of a packed A: full tiles, but for the last rows, which tiles of other heights may compute sooner than a full one and the lowest that holds the
    /// rest, 16 rows as 8 and 8 instead of 14 and 2.
    /// </summary>
    internal int NextRows(int left) => left < nextRows.Length ? nextRows[left] : MR;

    /// <summary>The lowest tile with at least <paramref name="rows"/> rows (1 to MR).</summary>
    /// <param name="inBursts">As the <see cref="Prefetcher"/> that it gets.</param>
    internal delegate*<nint, float*, nint, float*, nint, float*, nint, float*, nint, Prefetcher*, void> TileFor(int rows, bool inBursts = false) => tiles.Of(HeightFor(rows), inBursts);

    /// <summary>The same for so many columns of a panel, fetching steadily; what is in the other half of a tile at most half full is neither read nor written.</summary>
    internal delegate*<nint, float*, nint, float*, nint, float*, nint, float*, nint, Prefetcher*, void> TileFor(int rows, int columns) =>
        columns <= NR / 2 ? tiles.HalfOf(HeightFor(rows)) : tiles.Of(HeightFor(rows), fetchesInBursts: false);

    /// <summary>How many of so many panels of B a tile of one row reads at once.</summary>
    internal int PanelsAtOnce(int panels) => panels >= 8 && tiles.HasEight ? 8 : panels >= LeastPanels ? LeastPanels : 1;

    /// <summary>
    /// The tile of one row for so many panels at once, more than one. Its operands are depth, A, B, the bytes between panels of B, what short elements are multiples of, C, and sums, which are null
    /// for zero; C and sums are contiguous.
    /// </summary>
    internal delegate*<nint, float*, byte*, nint, float, float*, float*, void> WideFor(int panels, bool isShort) => tiles.Wide(panels == 8, isShort);

    /// <summary>A tile of fewer rows takes as long: each sum waits for the one before it.</summary>
    private const int RowsInTime = 4;

    /// <summary>The fewest panels that are read at once.</summary>
    internal const int LeastPanels = 4;

    /// <summary>Rows of A that tiles of this many rows read, those behind the last included.</summary>
    internal int PaddedRows(int rows)
    {
        int rest = rows % MR;
        return rows - rest + (rest == 0 ? 0 : HeightFor(rest));
    }

    internal int PaddedColumns(int columns) => (columns + NR - 1) / NR * NR;

    /// <summary>Columns that full tiles compute, those without a use included: whole vectors.</summary>
    internal int ComputedColumns(int columns) => (columns + NR / 2 - 1) / (NR / 2) * (NR / 2);

    public override string ToString() => Name;

    private byte[] ChooseTiles()
    {
        int most = 2 * MR;
        var next = new byte[most + 1];
        int[] times = new int[most + 1], padded = new int[most + 1];
        for (int rows = 1; rows <= most; rows++)
        {
            times[rows] = int.MaxValue;
            foreach (int height in heights)
            {
                int rest = Math.Max(0, rows - height), time = Math.Max(height, RowsInTime) + times[rest], read = height + padded[rest];
                // No more rows are read than a packed A has.
                if (time <= times[rows] && read <= PaddedRows(rows)) (next[rows], times[rows], padded[rows]) = ((byte)height, time, read);
            }
        }
        return next;
    }
}

/// <summary>The GEMM entries, widest first; the last runs everywhere.</summary>
public static unsafe class GemmCatalog
{
    public static IReadOnlyList<GemmMicroKernel> Entries { get; } =
    [
        new("gemm_f32_14x32_v512", VecWidth.V512, Vec512.IsSupported, [1, 2, 4, 8, 14], GemmTileSet.For<Sums512, Vector512<float>>(hasEight: true)),
        new("gemm_f32_6x16_v256fma", VecWidth.V256, Vec256.IsSupported && Fma.IsSupported, [1, 2, 4, 6], GemmTileSet.For<Sums256, Vector256<float>>(hasEight: false)),
        new("gemm_f32_8x8_v128neon", VecWidth.V128, Vec128.IsSupported && AdvSimd.IsSupported, [1, 2, 4, 8], GemmTileSet.For<Sums128, Vector128<float>>(hasEight: true)),
        new("gemm_f32_4x8_v128", VecWidth.V128, Vec128.IsSupported, [1, 2, 4], GemmTileSet.For<Sums128, Vector128<float>>(hasEight: false)),
        new("gemm_f32_4x2_scalar", VecWidth.Scalar, true, [1, 2, 4], GemmTileSet.For<Sums1, float>(hasEight: false)),
    ];

    /// <summary>The first supported entry.</summary>
    public static GemmMicroKernel Best { get; } = Entries.First(entry => entry.IsSupported);
}
