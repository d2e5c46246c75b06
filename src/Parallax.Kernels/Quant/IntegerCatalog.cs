using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Parallax.Kernels;

/// <summary>
/// An entry of the family of integer products: how 8-bit factors are packed and multiplied. Each side is kept signed (int8) or unsigned (uint8);
/// what comes in the other form is shifted by 128 with its zero point, which changes no product.
/// A panel is <c>[group][lane]</c>, four bytes each: two int16 or four 8-bit factors that follow each other along the depth.
/// </summary>
public sealed unsafe class IntegerMicroKernel
{
    private readonly int[] heights;
    private readonly delegate*<nint, byte*, nint, nint, byte*, int, int*, nint, Prefetcher, void>[] tiles;

    internal IntegerMicroKernel(
        string name, VecWidth width, bool isSupported, int group, bool leftIsSigned, bool rightIsSigned, int[] heights, delegate*<nint, byte*, nint, nint, byte*, int, int*, nint, Prefetcher, void>[] tiles)
    {
        Name = name;
        Width = width;
        IsSupported = isSupported;
        Group = group;
        (LeftIsSigned, RightIsSigned) = (leftIsSigned, rightIsSigned);
        this.heights = heights;
        this.tiles = tiles;
    }

    public string Name { get; }

    public VecWidth Width { get; }

    /// <summary>Whether this machine runs the entry with its own instructions.</summary>
    public bool IsSupported { get; }

    /// <summary>Steps of depth that lie together: 2 as int16, 4 as 8 bits.</summary>
    public int Group { get; }

    /// <summary>Whether left factors are kept signed; otherwise unsigned.</summary>
    public bool LeftIsSigned { get; }

    /// <summary>Whether right factors are kept signed; otherwise unsigned.</summary>
    public bool RightIsSigned { get; }

    /// <summary>Rows of a full tile.</summary>
    public int MR => heights[^1];

    /// <summary>Columns of a tile: two vectors.</summary>
    public int NR => 2 * (int)Width;

    internal int Groups(int depth) => (depth + Group - 1) / Group;

    /// <summary>Height of the lowest tile with at least <paramref name="rows"/> rows (1 to MR).</summary>
    internal int HeightFor(int rows) => heights[IndexFor(rows)];

    /// <summary>Height of the highest tile of at most <paramref name="rows"/> rows (1 or more).</summary>
    internal int HeightWithin(int rows)
    {
        int i = heights.Length - 1;
        while (heights[i] > rows) i--;
        return heights[i];
    }

    internal delegate*<nint, byte*, nint, nint, byte*, int, int*, nint, Prefetcher, void> TileFor(int rows) => tiles[IndexFor(rows)];

    /// <summary>Lanes that panels take for this many rows or columns, padding of the last panel included.</summary>
    internal int PaddedLanes(int lanes, bool isLeft)
    {
        if (!isLeft) return (lanes + NR - 1) / NR * NR;
        int rest = lanes % MR;
        return lanes - rest + (rest == 0 ? 0 : HeightFor(rest));
    }

    /// <summary>What turns a stored byte into the form in which a side is kept, by exclusive or.</summary>
    internal int Flip(bool isLeft, bool isSigned) => isSigned == IsSigned(isLeft) ? 0 : 0x80;

    /// <summary>A stored byte as the number that stands for it in a panel.</summary>
    internal int Factor(bool isLeft, int flipped) => IsSigned(isLeft) ? (sbyte)flipped : flipped;

    public override string ToString() => Name;

    private bool IsSigned(bool isLeft) => isLeft ? LeftIsSigned : RightIsSigned;

    private int IndexFor(int rows)
    {
        int i = 0;
        while (heights[i] < rows) i++;
        return i;
    }
}

/// <summary>The integer products, best first: four factors to an instruction before two, then the widest; the last runs everywhere.</summary>
public static unsafe class IntegerCatalog
{
    /// <summary>Entries whose left factors are signed: weights by columns of data.</summary>
    public static IReadOnlyList<IntegerMicroKernel> Entries { get; } = List<Quads256>(leftIsSigned: true);

    /// <summary>Entries whose right factors are signed: rows of data, which may be multiplied where they lie, by weights.</summary>
    public static IReadOnlyList<IntegerMicroKernel> RowEntries { get; } = List<TurnedQuads256>(leftIsSigned: false);

    /// <summary>The first supported entry.</summary>
    public static IntegerMicroKernel Best { get; } = Entries.First(entry => entry.IsSupported);

    /// <summary>The first supported entry for rows of data.</summary>
    public static IntegerMicroKernel BestForRows { get; } = RowEntries.First(entry => entry.IsSupported);

    private static IntegerMicroKernel[] List<TQuads>(bool leftIsSigned) where TQuads : struct, IDotLanes<TQuads> =>
    [
        new("gemm_i8_6x16_v256vnni", VecWidth.V256, Vec256.IsSupported && AvxVnni.IsSupported, 4, leftIsSigned, !leftIsSigned, [1, 2, 4, 6],
            [&IntegerTiles.Rows1<TQuads>, &IntegerTiles.Rows2<TQuads>, &IntegerTiles.Rows4<TQuads>, &IntegerTiles.Rows6<TQuads>]),
        new("gemm_i8_8x32_v512pairs", VecWidth.V512, Vec512.IsSupported && Avx512BW.IsSupported, 2, leftIsSigned, !leftIsSigned, [1, 4, 8],
            [&IntegerTiles.Rows1<Pairs512>, &IntegerTiles.Rows4<Pairs512>, &IntegerTiles.Rows8<Pairs512>]),
        new("gemm_i8_6x16_v256pairs", VecWidth.V256, Vec256.IsSupported, 2, leftIsSigned, !leftIsSigned, [1, 2, 4, 6],
            [&IntegerTiles.Rows1<Pairs256>, &IntegerTiles.Rows2<Pairs256>, &IntegerTiles.Rows4<Pairs256>, &IntegerTiles.Rows6<Pairs256>]),
        new("gemm_i8_8x8_v128dot", VecWidth.V128, Vec128.IsSupported && Dp.IsSupported, 4, leftIsSigned: true, rightIsSigned: true, [1, 4, 8],
            [&IntegerTiles.Rows1<Quads128>, &IntegerTiles.Rows4<Quads128>, &IntegerTiles.Rows8<Quads128>]),
        new("gemm_i8_4x8_v128pairs", VecWidth.V128, Vec128.IsSupported, 2, leftIsSigned, !leftIsSigned, [1, 4],
            [&IntegerTiles.Rows1<Pairs128>, &IntegerTiles.Rows4<Pairs128>]),
        new("gemm_i8_4x2_scalar", VecWidth.Scalar, true, 2, leftIsSigned, !leftIsSigned, [1, 4],
            [&IntegerTiles.Rows1<Pairs1>, &IntegerTiles.Rows4<Pairs1>]),
    ];
}
