using System.Runtime.CompilerServices;

namespace Parallax.Kernels;

/// <summary>
/// What a tile fetches for later, so that memory works while sums are made: before every <see cref="Steps"/> steps of depth eight cache lines, two in each of four places that are equally far apart;
/// then all places move on. Any address will do.
/// </summary>
internal unsafe struct Prefetcher
{
    private const int Places = 4, Lines = 2 * Places;

    /// <summary>Elements of a piece of a stream, four pages of 4 KiB.</summary>
    private const int PieceElements = 4096;

    /// <summary>The pieces of a window are fetched in turns: each is a stream to the processor's own prefetchers, and several come from memory faster than one.</summary>
    private const int WindowElements = Places * PieceElements;

    private byte* first, second;

    /// <summary>Bytes from place to place, and from the last one back to where the first goes on.</summary>
    private readonly nint spacing, back;

    /// <summary>Operands of several places are skipped in all of them.</summary>
    private readonly int streams;

    private Prefetcher(float* first, nint second, nint spacing, nint advance, nint steps, int streams = 1)
    {
        this.first = (byte*)first;
        this.second = (byte*)(first + second);
        this.spacing = sizeof(float) * spacing;
        back = sizeof(float) * (advance - (Places - 1) * spacing);
        this.streams = streams;
        Steps = steps;
    }

    /// <summary>Steps of depth for which lines are fetched at once.</summary>
    internal nint Steps { get; }

    /// <summary>Fetches a line that is there already, for tiles whose operands are.</summary>
    internal static Prefetcher Nothing(float* near) => new(near, 0, 0, 0, nint.MaxValue);

    /// <summary>Fetches contiguous memory.</summary>
    /// <param name="perStep">Elements of it that are to be fetched at each step of depth.</param>
    internal static Prefetcher Along(float* first, nint perStep) => new(first, Vec.LineElements, 2 * Vec.LineElements, Lines * Vec.LineElements, StepsFor(perStep));

    /// <summary>Fetches a line of one row at each step of depth.</summary>
    internal static Prefetcher Rows(float* first, nint stride) => new(first, Places * stride, stride, Lines * stride, Lines);

    /// <summary>
    /// Fetches from a contiguous operand while tiles read it from beginning to end: what lies in the next window, as far into each of its pieces as the tile is into its own window.
    /// </summary>
    /// <param name="operand">Where it begins, or a matrix that it is a part of.</param>
    /// <param name="position">Elements before those that the tile begins with.</param>
    /// <param name="perStep">Elements of it that are to be fetched at each step of depth.</param>
    internal static Prefetcher Stream(float* operand, nint position, nint perStep) => new(
        operand + (position / WindowElements + 1) * WindowElements + position % WindowElements / Places,
        Vec.LineElements, PieceElements, 2 * Vec.LineElements, StepsFor(perStep), Places);

    /// <summary>Elements of a stream from a position to the end of its window.</summary>
    internal static nint LeftInWindow(nint position) => WindowElements - position % WindowElements;

    private static nint StepsFor(nint perStep) => Lines * Vec.LineElements / Math.Max(1, perStep);

    /// <summary>Fetches what the next steps of depth have it fetch.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void Next()
    {
        FetchAndMove(spacing);
        FetchAndMove(spacing);
        FetchAndMove(spacing);
        FetchAndMove(back);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void FetchAndMove(nint bytes)
    {
        Vec.Prefetch(first);
        Vec.Prefetch(second);
        first += bytes;
        second += bytes;
    }

    /// <summary>Moves on by so many elements.</summary>
    internal void Skip(nint elements)
    {
        first += sizeof(float) * (elements / streams);
        second += sizeof(float) * (elements / streams);
    }
}
