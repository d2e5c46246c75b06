using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Parallax.Kernels;

/// <summary>
/// An entry of the family of integer products: how 8-bit factors are packed and multiplied. Left factors are kept signed (int8), right factors unsigned (uint8)
/// unless <see cref="RightIsSigned"/>; what comes in the other form is shifted by 128 with its zero point, which changes no product.
/// A panel is <c>[group][lane]</c>, four bytes each: two int16 or four 8-bit factors that follow each other along the depth.
/// </summary>
public sealed unsafe class IntegerMicroKernel
{
    private readonly int[] heights;
    private readonly delegate*<nint, byte*, byte*, int, int*, nint, void>[] tiles;

    internal IntegerMicroKernel(
        string name, VecWidth width, bool isSupported, int group, int[] heights, delegate*<nint, byte*, byte*, int, int*, nint, void>[] tiles)
    {
        Name = name;
        Width = width;
        IsSupported = isSupported;
        Group = group;
        this.heights = heights;
        this.tiles = tiles;
    }

    public string Name { get; }

    public VecWidth Width { get; }

    /// <summary>Whether this machine runs the entry with its own instructions.</summary>
    public bool IsSupported { get; }

    /// <summary>Steps of depth that lie together: 2 as int16, 4 as 8 bits.</summary>
    public int Group { get; }

    /// <summary>Whether right factors are kept signed as well.</summary>
    public bool RightIsSigned { get; internal init; }

    /// <summary>Rows of a full tile.</summary>
    public int MR => heights[^1];

    /// <summary>Columns of a tile: two vectors.</summary>
    public int NR => 2 * (int)Width;

    internal int Groups(int depth) => (depth + Group - 1) / Group;

    /// <summary>Height of the lowest tile with at least <paramref name="rows"/> rows (1 to MR).</summary>
    internal int HeightFor(int rows) => heights[IndexFor(rows)];

    internal delegate*<nint, byte*, byte*, int, int*, nint, void> TileFor(int rows) => tiles[IndexFor(rows)];

    /// <summary>Lanes that panels take for this many rows or columns, padding of the last panel included.</summary>
    internal int PaddedLanes(int lanes, bool isLeft)
    {
        if (!isLeft) return (lanes + NR - 1) / NR * NR;
        int rest = lanes % MR;
        return lanes - rest + (rest == 0 ? 0 : HeightFor(rest));
    }

    /// <summary>What turns a stored byte into the form in which a side is kept, by exclusive or.</summary>
    internal int Flip(bool isLeft, bool isSigned) => isSigned == (isLeft || RightIsSigned) ? 0 : 0x80;

    /// <summary>A stored byte as the number that stands for it in a panel.</summary>
    internal int Factor(bool isLeft, int flipped) => isLeft || RightIsSigned ? (sbyte)flipped : flipped;

    public override string ToString() => Name;

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
    public static IReadOnlyList<IntegerMicroKernel> Entries { get; } =
    [
        new("gemm_i8_6x16_v256vnni", VecWidth.V256, Vec256.IsSupported && AvxVnni.IsSupported, 4, [1, 2, 4, 6],
            [&IntegerTiles.Rows1<Quads256>, &IntegerTiles.Rows2<Quads256>, &IntegerTiles.Rows4<Quads256>, &IntegerTiles.Rows6<Quads256>]),
        new("gemm_i8_8x32_v512pairs", VecWidth.V512, Vec512.IsSupported && Avx512BW.IsSupported, 2, [1, 4, 8],
            [&IntegerTiles.Rows1<Pairs512>, &IntegerTiles.Rows4<Pairs512>, &IntegerTiles.Rows8<Pairs512>]),
        new("gemm_i8_6x16_v256pairs", VecWidth.V256, Vec256.IsSupported, 2, [1, 2, 4, 6],
            [&IntegerTiles.Rows1<Pairs256>, &IntegerTiles.Rows2<Pairs256>, &IntegerTiles.Rows4<Pairs256>, &IntegerTiles.Rows6<Pairs256>]),
        new("gemm_i8_8x8_v128dot", VecWidth.V128, Vec128.IsSupported && Dp.IsSupported, 4, [1, 4, 8],
            [&IntegerTiles.Rows1<Quads128>, &IntegerTiles.Rows4<Quads128>, &IntegerTiles.Rows8<Quads128>]) { RightIsSigned = true },
        new("gemm_i8_4x8_v128pairs", VecWidth.V128, Vec128.IsSupported, 2, [1, 4],
            [&IntegerTiles.Rows1<Pairs128>, &IntegerTiles.Rows4<Pairs128>]),
        new("gemm_i8_4x2_scalar", VecWidth.Scalar, true, 2, [1, 4],
            [&IntegerTiles.Rows1<Pairs1>, &IntegerTiles.Rows4<Pairs1>]),
    ];

    /// <summary>The first supported entry.</summary>
    public static IntegerMicroKernel Best { get; } = Entries.First(entry => entry.IsSupported);
}
