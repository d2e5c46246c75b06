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

    /// <summary>By rows, the index of the lowest tile that holds them.</summary>
    private readonly byte[] indices;

    private readonly delegate*<nint, float*, nint, float*, nint, float*, nint, float*, nint, Prefetcher*, void>[] tiles;
    private readonly WideTiles wide;

    internal GemmMicroKernel(
        string name, VecWidth width, bool isSupported, int[] heights,
        delegate*<nint, float*, nint, float*, nint, float*, nint, float*, nint, Prefetcher*, void>[] tiles,
        WideTiles wide)
    {
        Name = name;
        Width = width;
        IsSupported = isSupported;
        this.heights = heights;
        indices = [.. Enumerable.Range(0, heights[^1] + 1).Select(rows => (byte)Array.FindIndex(heights, height => height >= rows))];
        this.tiles = tiles;
        this.wide = wide;
    }

    public string Name { get; }

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
    internal int HeightFor(int rows) => heights[indices[rows]];

    internal delegate*<nint, float*, nint, float*, nint, float*, nint, float*, nint, Prefetcher*, void> TileFor(int rows) => tiles[indices[rows]];

    /// <summary>How many of so many panels of B a tile of one row reads at once.</summary>
    internal int PanelsAtOnce(int panels) => panels >= 8 && wide.HasEight ? 8 : panels >= LeastPanels ? LeastPanels : 1;

    /// <summary>
    /// The tile of one row for so many panels at once, more than one. Its operands are depth, A, B, the bytes between panels of B, what short elements are multiples of, C, and sums, which are null
    /// for zero; C and sums are contiguous.
    /// </summary>
    internal delegate*<nint, float*, byte*, nint, float, float*, float*, void> WideFor(int panels, bool isShort) => wide.For(panels == 8, isShort);

    /// <summary>The fewest panels that are read at once.</summary>
    internal const int LeastPanels = 4;

    /// <summary>Rows of A that tiles of this many rows read, those behind the last included.</summary>
    internal int PaddedRows(int rows)
    {
        int rest = rows % MR;
        return rows - rest + (rest == 0 ? 0 : HeightFor(rest));
    }

    internal int PaddedColumns(int columns) => (columns + NR - 1) / NR * NR;

    public override string ToString() => Name;
}

/// <summary>Tiles of one row by several panels, whose elements are float32 or short. Eight take 16 sums, which fit machines with 32 vector registers.</summary>
internal readonly unsafe struct WideTiles
{
    private readonly delegate*<nint, float*, byte*, nint, float, float*, float*, void> four, eight, fourShort, eightShort;

    private WideTiles(
        bool hasEight,
        delegate*<nint, float*, byte*, nint, float, float*, float*, void> four, delegate*<nint, float*, byte*, nint, float, float*, float*, void> eight,
        delegate*<nint, float*, byte*, nint, float, float*, float*, void> fourShort, delegate*<nint, float*, byte*, nint, float, float*, float*, void> eightShort)
    {
        HasEight = hasEight;
        this.four = four;
        this.eight = eight;
        this.fourShort = fourShort;
        this.eightShort = eightShort;
    }

    internal bool HasEight { get; }

    internal static WideTiles Of<V, T>(bool hasEight) where V : struct, ISums<T> where T : struct => new(
        hasEight, &GemmTiles.Wide4<V, T, FloatElements<V, T>>, &GemmTiles.Wide8<V, T, FloatElements<V, T>>, &GemmTiles.Wide4<V, T, ShortElements<V, T>>, &GemmTiles.Wide8<V, T, ShortElements<V, T>>);

    internal delegate*<nint, float*, byte*, nint, float, float*, float*, void> For(bool ofEight, bool isShort) => isShort ? ofEight ? eightShort : fourShort : ofEight ? eight : four;
}

/// <summary>The GEMM entries, widest first; the last runs everywhere.</summary>
public static unsafe class GemmCatalog
{
    public static IReadOnlyList<GemmMicroKernel> Entries { get; } =
    [
        new("gemm_f32_14x32_v512", VecWidth.V512, Vec512.IsSupported, [1, 2, 4, 8, 14],
            [&GemmTiles.Rows1<Sums512, Vector512<float>>, &GemmTiles.Rows2<Sums512, Vector512<float>>,
             &GemmTiles.Rows4<Sums512, Vector512<float>>, &GemmTiles.Rows8<Sums512, Vector512<float>>,
             &GemmTiles.Rows14<Sums512, Vector512<float>>], WideTiles.Of<Sums512, Vector512<float>>(hasEight: true)),
        new("gemm_f32_6x16_v256fma", VecWidth.V256, Vec256.IsSupported && Fma.IsSupported, [1, 2, 4, 6],
            [&GemmTiles.Rows1<Sums256, Vector256<float>>, &GemmTiles.Rows2<Sums256, Vector256<float>>,
             &GemmTiles.Rows4<Sums256, Vector256<float>>, &GemmTiles.Rows6<Sums256, Vector256<float>>], WideTiles.Of<Sums256, Vector256<float>>(hasEight: false)),
        new("gemm_f32_8x8_v128neon", VecWidth.V128, Vec128.IsSupported && AdvSimd.IsSupported, [1, 2, 4, 8],
            [&GemmTiles.Rows1<Sums128, Vector128<float>>, &GemmTiles.Rows2<Sums128, Vector128<float>>,
             &GemmTiles.Rows4<Sums128, Vector128<float>>, &GemmTiles.Rows8<Sums128, Vector128<float>>], WideTiles.Of<Sums128, Vector128<float>>(hasEight: true)),
        new("gemm_f32_4x8_v128", VecWidth.V128, Vec128.IsSupported, [1, 2, 4],
            [&GemmTiles.Rows1<Sums128, Vector128<float>>, &GemmTiles.Rows2<Sums128, Vector128<float>>,
             &GemmTiles.Rows4<Sums128, Vector128<float>>], WideTiles.Of<Sums128, Vector128<float>>(hasEight: false)),
        new("gemm_f32_4x2_scalar", VecWidth.Scalar, true, [1, 2, 4],
            [&GemmTiles.Rows1<Sums1, float>, &GemmTiles.Rows2<Sums1, float>, &GemmTiles.Rows4<Sums1, float>], WideTiles.Of<Sums1, float>(hasEight: false)),
    ];

    /// <summary>The first supported entry.</summary>
    public static GemmMicroKernel Best { get; } = Entries.First(entry => entry.IsSupported);
}
