namespace Parallax;

/// <summary>Along which extent of a layer's result the result is cut into parts that are computed each without the others.</summary>
public enum OutputAxis
{
    /// <summary>Columns of a product, channels of a convolution: each part takes weights of its own.</summary>
    Channels,

    /// <summary>
    /// Rows of a product: each part takes rows of the left operand and all of the right one. Products that share one right operand are one product, the rows of which
    /// follow one another; of a batch of products with right operands of their own, a part has the same rows of each. Of a convolution, places along the first spatial axis:
    /// each part takes the rows of the input that its windows see, those at the cut both, and all filters.
    /// </summary>
    Rows,
}

/// <summary>
/// Neighbouring columns or rows of a product's result, or channels or rows of a convolution's, that are computed without the others. Result and residual are laid out as the
/// whole is, and nothing else of the result is written.
/// </summary>
public readonly record struct OutputPart(long First, long Count, OutputAxis Axis = OutputAxis.Channels)
{
    public long End => First + Count;

    public bool Covers(long index) => index >= First && index < End;

    public override string ToString() => $"{Axis.ToString().ToLowerInvariant()} {First}..{End}";
}
