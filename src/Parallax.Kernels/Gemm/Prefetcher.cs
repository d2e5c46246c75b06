using System.Runtime.CompilerServices;

namespace Parallax.Kernels;

/// <summary>When a tile fetches; a type, so that the loop of each kind has nothing of the other.</summary>
internal interface IFetching
{
    static abstract bool IsInBursts { get; }
}

/// <summary>A cache line at each step of depth: tiles that wait for multiplications are held up least so.</summary>
internal readonly struct FetchingSteadily : IFetching
{
    public static bool IsInBursts => false;
}

/// <summary>Several lines of several places at once, every few steps: memory gives most so.</summary>
internal readonly struct FetchingInBursts : IFetching
{
    public static bool IsInBursts => true;
}

/// <summary>
/// What a tile fetches for later, so that memory works while sums are made: a cache line at each step of depth, or, before every <see cref="Steps"/> steps, eight of a stream, two in each of four
/// places that are equally far apart; then all places move on. Any address will do.
/// </summary>
internal unsafe struct Prefetcher
{
    private const int Places = 4, Lines = 2 * Places;

    /// <summary>Elements of a piece of a stream, four pages of 4 KiB.</summary>
    private const int PieceElements = 4096;

    /// <summary>The pieces of a window are fetched in turns: each is a stream to the processor's own prefetchers, and several come from memory faster than one.</summary>
    private const int WindowElements = Places * PieceElements;

    private byte* next;

    /// <summary>Bytes from one line to the next, or from place to place.</summary>
    private readonly nint step;

    private Prefetcher(float* first, nint step, nint steps)
    {
        next = (byte*)first;
        this.step = sizeof(float) * step;
        Steps = steps;
    }

    /// <summary>Whether tiles that fetch in bursts are meant.</summary>
    internal readonly bool IsInBursts => Steps > 0;

    /// <summary>Steps of depth for which a burst fetches; 0 where there is none.</summary>
    internal nint Steps { get; }

    /// <summary>Fetches a line that is there already, for tiles whose operands are.</summary>
    internal static Prefetcher Nothing(float* near) => new(near, 0, 0);

    /// <summary>Fetches contiguous memory, or the rows of a matrix.</summary>
    /// <param name="step">Elements from what is fetched at one step of depth to what is fetched at the next.</param>
    internal static Prefetcher Along(float* first, nint step) => new(first, step, 0);

    /// <summary>
    /// Fetches from a contiguous operand while tiles read it from beginning to end: what lies in the next window, as far into each of its pieces as the tile is into its own window.
    /// </summary>
    /// <param name="operand">Where it begins, or a matrix that it is a part of.</param>
    /// <param name="position">Elements before those that the tile begins with.</param>
    /// <param name="perStep">Elements of it that are to be fetched at each step of depth.</param>
    internal static Prefetcher Stream(float* operand, nint position, nint perStep) => new(
        operand + (position / WindowElements + 1) * WindowElements + position % WindowElements / Places, PieceElements, Lines * Vec.LineElements / Math.Max(1, perStep));

    /// <summary>Elements of a stream from a position to the end of its window.</summary>
    internal static nint LeftInWindow(nint position) => WindowElements - position % WindowElements;

    /// <summary>Fetches what a step of depth is to fetch.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void FetchLine()
    {
        Vec.Prefetch(next);
        next += step;
    }

    /// <summary>Fetches what the next <see cref="Steps"/> steps of depth are to fetch.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void FetchBurst()
    {
        byte* place = next;
        FetchPair(place);
        FetchPair(place += step);
        FetchPair(place += step);
        FetchPair(place + step);
        next += 2 * Vec.LineBytes;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void FetchPair(byte* place)
    {
        Vec.Prefetch(place);
        Vec.Prefetch(place + Vec.LineBytes);
    }

    /// <summary>Moves on by so many elements of what is fetched.</summary>
    internal void Skip(nint elements) => next += sizeof(float) * (IsInBursts ? elements / Places : elements);
}
