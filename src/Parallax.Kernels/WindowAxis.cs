namespace Parallax.Kernels;

/// <summary>One spatial axis of a sliding window over concrete data.</summary>
/// <param name="Input">Elements of the input along the axis.</param>
/// <param name="Output">Results along the axis.</param>
/// <param name="Kernel">Taps.</param>
/// <param name="PadBegin">Padding before the first element; tap k of result o reads element <c>o * Stride - PadBegin + k * Dilation</c>.</param>
/// <param name="PadEnd">Padding after the last element.</param>
public readonly record struct WindowAxis(long Input, long Output, long Kernel, long Stride, long Dilation, long PadBegin, long PadEnd)
{
    /// <summary>An axis with one result that sees one element each: what fills up missing spatial axes.</summary>
    public static WindowAxis Trivial => new(1, 1, 1, 1, 1, 0, 0);

    internal bool IsTrivial => this is { Input: 1, Output: 1, Kernel: 1, PadBegin: 0, PadEnd: 0 };

    /// <summary>Whether each result sees the element in its place alone.</summary>
    public bool PassesThrough => this is { Kernel: 1, Stride: 1, PadBegin: 0, PadEnd: 0 } && Input == Output;

    /// <summary>Position of the first tap of a result; negative inside the padding.</summary>
    public long Start(long output) => output * Stride - PadBegin;

    /// <summary>The taps of a result that read the input: from the first (inclusive) to the second (exclusive); an empty range where none does.</summary>
    public (long First, long End) Inside(long output)
    {
        long start = Start(output);
        long first = start >= 0 ? 0 : (-start + Dilation - 1) / Dilation;
        long end = start >= Input ? 0 : Math.Min(Kernel, (Input - start + Dilation - 1) / Dilation);
        return (Math.Min(first, Math.Max(end, 0)), Math.Max(end, 0));
    }

    /// <summary>Elements between the first and the last that so many neighbouring results see, both counted, in the padding or not.</summary>
    internal long Reach(long results) => (results - 1) * Stride + (Kernel - 1) * Dilation + 1;

    /// <summary>The axis of some neighbouring results alone, over those elements that they read, and how many elements lie before those.</summary>
    public (WindowAxis Axis, long FirstInput) Part(long first, long count)
    {
        long from = Start(first), to = from + Reach(count);
        long begin = Math.Clamp(from, 0, Input), end = Math.Clamp(to, begin, Input);
        return (this with { Input = end - begin, Output = count, PadBegin = begin - from, PadEnd = Math.Max(0, to - end) }, begin);
    }
}

/// <summary>What problems over spatial axes of either kind have in common.</summary>
internal static class SpatialAxes
{
    /// <summary>Three axes: trivial ones in front, wherever they were, so that rows along x are as long as they can be. Of others there are at most three.</summary>
    internal static T[] ToThree<T>(T[] axes, T trivial, Predicate<T> isTrivial)
    {
        T[] extended = Array.FindAll(axes, axis => !isTrivial(axis));
        return [.. Enumerable.Repeat(trivial, 3 - extended.Length), .. extended];
    }
}
