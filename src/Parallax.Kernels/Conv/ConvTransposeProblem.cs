namespace Parallax.Kernels;

/// <summary>One spatial axis of a transposed convolution.</summary>
/// <param name="Input">Elements of the input along the axis.</param>
/// <param name="Output">Results along the axis; input i adds through tap k to result <c>i * Stride - PadBegin + k * Dilation</c>, where that exists.</param>
/// <param name="Kernel">Taps.</param>
public readonly record struct TransposeAxis(long Input, long Output, long Kernel, long Stride, long Dilation, long PadBegin)
{
    /// <summary>An axis with one element and one result: what fills up missing spatial axes.</summary>
    public static TransposeAxis Trivial => new(1, 1, 1, 1, 1, 0);
}

/// <summary>
/// A transposed convolution over [batch, channels, spatial...]: <c>Y = activation(convT(X, W) + bias)</c>.
/// Inputs by position: 0 X [Batch, InputChannels, spatial...], 1 W [InputChannels, OutputChannels / Groups, taps...], 2 bias [OutputChannels]
/// (where <see cref="HasBias"/>); output 0 is Y. All are contiguous. Weights that were given when the kernel was prepared are not read
/// again. The result may overlap no input.
/// </summary>
/// <param name="Axes">One per spatial axis, 1 to 3.</param>
public sealed record ConvTransposeProblem(int Batch, int Groups, int InputChannels, int OutputChannels, TransposeAxis[] Axes)
{
    public bool HasBias { get; init; }

    public Activation Activation { get; init; }

    public int GroupInputs => InputChannels / Groups;

    public int GroupOutputs => OutputChannels / Groups;

    public int Taps => Product(axis => axis.Kernel);

    public int InputPlane => Product(axis => axis.Input);

    public int OutputPlane => Product(axis => axis.Output);

    /// <inheritdoc cref="SpatialAxes.ToThree"/>
    internal TransposeAxis[] ThreeAxes => SpatialAxes.ToThree(Axes, TransposeAxis.Trivial, axis => axis == TransposeAxis.Trivial);

    internal void Check()
    {
        if (Axes.Length is 0 or > 3)
            throw new UnsupportedModelException($"ConvTranspose over {Axes.Length} spatial axes", ["ConvTranspose over more than 3 spatial axes"]);
        if (Groups < 1 || InputChannels % Groups != 0 || OutputChannels % Groups != 0)
            throw new InvalidModelException(
                $"ConvTranspose: {InputChannels} input and {OutputChannels} output channels cannot be cut into {Groups} groups");
    }

    private int Product(Func<TransposeAxis, long> of)
    {
        long product = 1;
        foreach (TransposeAxis axis in Axes) product = checked(product * of(axis));
        return checked((int)product);
    }
}
