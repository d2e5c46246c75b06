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
}
