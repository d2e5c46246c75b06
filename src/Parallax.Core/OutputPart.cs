namespace Parallax;

/// <summary>
/// Neighbouring columns of a product's result, or channels of a convolution's, that are computed without the others. Result and residual are laid out as the whole
/// is, and nothing else of the result is written.
/// </summary>
public readonly record struct OutputPart(long First, long Count)
{
    public long End => First + Count;

    public bool Covers(long index) => index >= First && index < End;

    public override string ToString() => $"{First}..{End}";
}
