namespace Parallax.Kernels;

/// <summary>The tiles of one vector width. A tile is compiled when it is first run.</summary>
internal readonly unsafe struct GemmTileSet
{
    private readonly delegate*<nint, float*, nint, float*, nint, float*, nint, float*, nint, Prefetcher*, void>[] steady, inBursts, half;
    private readonly delegate*<nint, float*, byte*, nint, float, float*, float*, void> four, eight, fourShort, eightShort;

    private GemmTileSet(
        bool hasEight,
        delegate*<nint, float*, nint, float*, nint, float*, nint, float*, nint, Prefetcher*, void>[] steady,
        delegate*<nint, float*, nint, float*, nint, float*, nint, float*, nint, Prefetcher*, void>[] inBursts,
        delegate*<nint, float*, nint, float*, nint, float*, nint, float*, nint, Prefetcher*, void>[] half,
        delegate*<nint, float*, byte*, nint, float, float*, float*, void> four, delegate*<nint, float*, byte*, nint, float, float*, float*, void> eight,
        delegate*<nint, float*, byte*, nint, float, float*, float*, void> fourShort, delegate*<nint, float*, byte*, nint, float, float*, float*, void> eightShort)
    {
        HasEight = hasEight;
        (this.steady, this.inBursts, this.half) = (steady, inBursts, half);
        this.four = four;
        this.eight = eight;
        this.fourShort = fourShort;
        this.eightShort = eightShort;
    }

    /// <summary>Whether eight panels at once are better than four: they take 16 sums, which fit machines with 32 vector registers.</summary>
    internal bool HasEight { get; }

    internal static GemmTileSet For<V, T>(bool hasEight) where V : struct, ISums<T> where T : struct => new(
        hasEight, ByHeight<V, T, FetchingSteadily>(), ByHeight<V, T, FetchingInBursts>(), HalfByHeight<V, T>(),
        &GemmTiles.Wide4<V, T, FloatElements<V, T>>, &GemmTiles.Wide8<V, T, FloatElements<V, T>>, &GemmTiles.Wide4<V, T, ShortElements<V, T>>, &GemmTiles.Wide8<V, T, ShortElements<V, T>>);

    /// <summary>The tile of a height: 1, 2, 4, 6, 8 or 14 rows by two vectors.</summary>
    internal delegate*<nint, float*, nint, float*, nint, float*, nint, float*, nint, Prefetcher*, void> Of(int height, bool fetchesInBursts) => (fetchesInBursts ? inBursts : steady)[height];

    /// <summary>The same by one vector, fetching steadily.</summary>
    internal delegate*<nint, float*, nint, float*, nint, float*, nint, float*, nint, Prefetcher*, void> HalfOf(int height) => half[height];

    /// <summary>One row by four or eight panels, whose elements are float32 or short.</summary>
    internal delegate*<nint, float*, byte*, nint, float, float*, float*, void> Wide(bool ofEight, bool isShort) => isShort ? ofEight ? eightShort : fourShort : ofEight ? eight : four;

    private static delegate*<nint, float*, nint, float*, nint, float*, nint, float*, nint, Prefetcher*, void>[] ByHeight<V, T, F>()
        where V : struct, ISums<T> where T : struct where F : struct, IFetching
    {
        var tiles = new delegate*<nint, float*, nint, float*, nint, float*, nint, float*, nint, Prefetcher*, void>[15];
        tiles[1] = &GemmTiles.Rows1<V, T, F>;
        tiles[2] = &GemmTiles.Rows2<V, T, F>;
        tiles[4] = &GemmTiles.Rows4<V, T, F>;
        tiles[6] = &GemmTiles.Rows6<V, T, F>;
        tiles[8] = &GemmTiles.Rows8<V, T, F>;
        tiles[14] = &GemmTiles.Rows14<V, T, F>;
        return tiles;
    }

    private static delegate*<nint, float*, nint, float*, nint, float*, nint, float*, nint, Prefetcher*, void>[] HalfByHeight<V, T>() where V : struct, ISums<T> where T : struct
    {
        var tiles = new delegate*<nint, float*, nint, float*, nint, float*, nint, float*, nint, Prefetcher*, void>[15];
        tiles[1] = &GemmHalfTiles.Rows1<V, T>;
        tiles[2] = &GemmHalfTiles.Rows2<V, T>;
        tiles[4] = &GemmHalfTiles.Rows4<V, T>;
        tiles[6] = &GemmHalfTiles.Rows6<V, T>;
        tiles[8] = &GemmHalfTiles.Rows8<V, T>;
        tiles[14] = &GemmHalfTiles.Rows14<V, T>;
        return tiles;
    }
}
