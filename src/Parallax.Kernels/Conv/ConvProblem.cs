namespace Parallax.Kernels;

/// <summary>
/// A convolution over [batch, channels, spatial...] with what follows it: <c>Y = activation(conv(X, W) + bias + residual)</c>.
/// Inputs by position: 0 X [Batch, InputChannels, spatial...], 1 W [OutputChannels, InputChannels / Groups, taps...], 2 bias [OutputChannels]
/// (where <see cref="HasBias"/>), 3 residual, laid out as the result (where <see cref="HasResidual"/>); output 0 is Y. All are contiguous, but for
/// <see cref="ImageInputs"/> and <see cref="ImageOutputs"/>.
/// Constant weights that were given when the kernel was prepared are not read again: input 1 may then be null. The result may overlap no input.
/// </summary>
/// <param name="Axes">One per spatial axis, 1 or more.</param>
public sealed record ConvProblem(int Batch, int Groups, int InputChannels, int OutputChannels, WindowAxis[] Axes)
{
    /// <summary>Channels from one image of X to the next.</summary>
    public int ImageInputs { get; init; } = InputChannels;

    /// <summary>Channels from one image of Y, and of the residual, to the next.</summary>
    public int ImageOutputs { get; init; } = OutputChannels;

    public bool HasBias { get; init; }

    public bool HasResidual { get; init; }

    /// <summary>Adds the residual behind the activation instead of before it.</summary>
    public bool ResidualAfterActivation { get; init; }

    public Activation Activation { get; init; }

    public int GroupInputs => InputChannels / Groups;

    public int GroupOutputs => OutputChannels / Groups;

    /// <summary>Taps of one filter of one channel.</summary>
    public int Taps => Product(axis => axis.Kernel);

    public int InputPlane => Product(axis => axis.Input);

    public int OutputPlane => Product(axis => axis.Output);

    /// <summary>Multiply-adds.</summary>
    public long Work => (long)Batch * OutputChannels * OutputPlane * GroupInputs * Taps;

    /// <summary>The axes with leading trivial ones up to rank 3; the rank is at most 3.</summary>
    internal WindowAxis[] ThreeAxes => [.. Enumerable.Repeat(WindowAxis.Trivial, 3 - Axes.Length), .. Axes];

    /// <summary>
    /// The problem that computes some of the output channels, whole groups where there are several, and leaves the others as they are. Its operands begin where
    /// those channels do. With the same entry of <see cref="ConvCatalog"/>, they get the bits that they have in the whole if the part begins and ends at
    /// multiples of <see cref="ChannelGranule"/>, or with the last channel.
    /// </summary>
    public ConvProblem Channels(OutputPart part)
    {
        if (part.First < 0 || part.Count < 1 || part.End > OutputChannels || (Groups > 1 && (part.First % GroupOutputs != 0 || part.Count % GroupOutputs != 0)))
            throw new ArgumentOutOfRangeException(nameof(part), $"channels {part} of {OutputChannels} in {Groups} groups");
        int groups = Groups == 1 ? 1 : (int)part.Count / GroupOutputs;
        return this with { Groups = groups, InputChannels = groups * GroupInputs, OutputChannels = (int)part.Count };
    }

    /// <summary>Output channels that belong together: those of a group, or the rows of a tile, for tiles of another height add in another order.</summary>
    public int ChannelGranule(GemmMicroKernel? entry = null) => GranuleOf(Groups, OutputChannels, entry);

    /// <summary>As <see cref="ChannelGranule"/>, of any convolution with so many groups and output channels.</summary>
    public static int GranuleOf(int groups, int outputs, GemmMicroKernel? entry = null) => groups > 1 ? outputs / groups : (entry ?? GemmCatalog.Best).MR;

    /// <summary>Where a group of an image begins, in elements of X.</summary>
    internal nint InputAt(int image, int group) => ((nint)image * ImageInputs + (nint)group * GroupInputs) * InputPlane;

    /// <summary>Where a channel of an image begins, in elements of Y and of the residual.</summary>
    internal nint OutputAt(int image, int channel) => ((nint)image * ImageOutputs + channel) * OutputPlane;

    internal Epilogue EpilogueFor(VecWidth width) => new(width, Activation, 1f, 1f, ResidualAfterActivation);

    internal void Check()
    {
        if (Axes.Length == 0 || Groups < 1 || InputChannels % Groups != 0 || OutputChannels % Groups != 0)
            throw new InvalidModelException(
                $"Conv: {InputChannels} input and {OutputChannels} output channels over {Axes.Length} spatial axes cannot be cut into {Groups} groups");
    }

    private int Product(Func<WindowAxis, long> of)
    {
        long product = 1;
        foreach (WindowAxis axis in Axes) product = checked(product * of(axis));
        return checked((int)product);
    }
}
