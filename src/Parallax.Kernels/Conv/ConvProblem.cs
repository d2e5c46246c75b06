namespace Parallax.Kernels;

/// <summary>
/// A convolution over [batch, channels, spatial...] with what follows it: <c>Y = activation(conv(X, W) + bias + residual)</c>.
/// Inputs by position: 0 X [Batch, InputChannels, spatial...], 1 W [OutputChannels, InputChannels / Groups, taps...], 2 bias [OutputChannels]
/// (where <see cref="HasBias"/>), 3 residual, laid out as the result (where <see cref="HasResidual"/>); output 0 is Y. All are contiguous, but for
/// <see cref="ImageInputs"/>, <see cref="ImageOutputs"/>, <see cref="InputStride"/> and <see cref="OutputStride"/>.
/// Constant weights that were given when the kernel was prepared are not read again: input 1 may then be null. The result may overlap no input.
/// </summary>
/// <param name="Axes">One per spatial axis, 1 or more.</param>
public sealed record ConvProblem(int Batch, int Groups, int InputChannels, int OutputChannels, WindowAxis[] Axes)
{
    /// <summary>Channels from one image of X to the next.</summary>
    public int ImageInputs { get; init; } = InputChannels;

    /// <summary>Channels from one image of Y, and of the residual, to the next.</summary>
    public int ImageOutputs { get; init; } = OutputChannels;

    /// <summary>Elements from one channel of X to the next: a plane, and those of a larger image that are not read.</summary>
    public int InputStride { get => field > 0 ? field : InputPlane; init; }

    /// <summary>Elements from one channel of Y, and of the residual, to the next: a plane, and those of a larger image that are not written.</summary>
    public int OutputStride { get => field > 0 ? field : OutputPlane; init; }

    public bool HasBias { get; init; }

    public bool HasResidual { get; init; }

    /// <summary>Adds the residual behind the activation instead of before it.</summary>
    public bool ResidualAfterActivation { get; init; }

    public Activation Activation { get; init; }

    public int GroupInputs => InputChannels / Groups;

    public int GroupOutputs => OutputChannels / Groups;

    /// <summary>Taps of one filter of one channel.</summary>
    public int Taps => Product(axis => axis.Kernel);

    /// <summary>Products that a result sums.</summary>
    public int Depth => GroupInputs * Taps;

    public int InputPlane => Product(axis => axis.Input);

    public int OutputPlane => Product(axis => axis.Output);

    /// <summary>Multiply-adds.</summary>
    public long Work => (long)Batch * OutputChannels * OutputPlane * Depth;

    /// <summary>Whether each result sees the elements in its place alone: a product of matrices.</summary>
    internal bool IsPointwise => Array.TrueForAll(Axes, axis => axis.PassesThrough);

    /// <inheritdoc cref="SpatialAxes.ToThree"/>
    internal WindowAxis[] ThreeAxes => SpatialAxes.ToThree(Axes, WindowAxis.Trivial, axis => axis.IsTrivial);

    /// <summary>
    /// The problem that computes some of the output channels, whole groups where there are several, or some of the rows of each, and leaves the others as they are. Rows are places
    /// along the first spatial axis. Its operands begin at <see cref="OffsetsOf"/>. With the same entry of <see cref="ConvCatalog"/>, results get the bits that they have in the whole if
    /// the part begins and ends at multiples of <see cref="ChannelGranuleOf"/> or <see cref="RowGranuleOf"/>, or with the last channel or row.
    /// </summary>
    public ConvProblem Part(OutputPart part) => part.Axis == OutputAxis.Rows ? RowsOf(part) : ChannelsOf(part);

    /// <summary>How far behind those of the whole the operands of a part begin.</summary>
    public PartOffsets OffsetsOf(OutputPart part)
    {
        if (part.Axis == OutputAxis.Rows)
            return new PartOffsets(Axes[0].Part(part.First, part.Count).FirstInput * (InputPlane / Math.Max(1, Axes[0].Input)), 0, 0, part.First * (OutputPlane / Axes[0].Output));
        return new PartOffsets(Groups > 1 ? InputAt(0, (int)part.First / GroupOutputs) : 0, part.First * Depth, part.First, OutputAt(0, (int)part.First));
    }

    /// <summary>Rows of images that belong together: those of a transformed tile. Of signals, which have one row only, places that fill a tile of a product, in whole transformed tiles.</summary>
    /// <param name="kernel">Taps along each spatial axis.</param>
    public static int RowGranuleOf(ReadOnlySpan<long> kernel)
    {
        int rows = kernel.Length == 1 ? GemmCatalog.Best.NR : WinogradF4.Results;
        int tile = SignalTransform.HasTaps(kernel[0]) && !kernel[1..].ContainsAnyExcept(1) ? SignalTransform.ResultsOf(kernel[0]) : 1;
        return (rows + tile - 1) / tile * tile;
    }

    /// <summary>Output channels that belong together: those of a group, or the rows of a tile, for tiles of another height add in another order.</summary>
    public static int ChannelGranuleOf(int groups, int outputs, GemmMicroKernel? entry = null) => groups > 1 ? outputs / groups : (entry ?? GemmCatalog.Best).MR;

    /// <summary>Where a group of an image begins, in elements of X.</summary>
    internal nint InputAt(int image, int group) => ((nint)image * ImageInputs + (nint)group * GroupInputs) * InputStride;

    /// <summary>Where a channel of an image begins, in elements of Y and of the residual.</summary>
    internal nint OutputAt(int image, int channel) => ((nint)image * ImageOutputs + channel) * OutputStride;

    internal Epilogue EpilogueFor(VecWidth width) => new(width, Activation, 1f, 1f, ResidualAfterActivation);

    internal void Check()
    {
        if (Axes.Length == 0 || Groups < 1 || InputChannels % Groups != 0 || OutputChannels % Groups != 0)
            throw new InvalidModelException(
                $"Conv: {InputChannels} input and {OutputChannels} output channels over {Axes.Length} spatial axes cannot be cut into {Groups} groups");
    }

    private ConvProblem ChannelsOf(OutputPart part)
    {
        if (part.First < 0 || part.Count < 1 || part.End > OutputChannels || (Groups > 1 && (part.First % GroupOutputs != 0 || part.Count % GroupOutputs != 0)))
            throw new ArgumentOutOfRangeException(nameof(part), $"{part} of {OutputChannels} in {Groups} groups");
        int groups = Groups == 1 ? 1 : (int)part.Count / GroupOutputs;
        return this with { Groups = groups, InputChannels = groups * GroupInputs, OutputChannels = (int)part.Count };
    }

    private ConvProblem RowsOf(OutputPart part)
    {
        if (part.First < 0 || part.Count < 1 || part.End > Axes[0].Output) throw new ArgumentOutOfRangeException(nameof(part), $"{part} of {Axes[0].Output}");
        return this with { Axes = [Axes[0].Part(part.First, part.Count).Axis, .. Axes[1..]], InputStride = InputStride, OutputStride = OutputStride };
    }

    private int Product(Func<WindowAxis, long> of)
    {
        long product = 1;
        foreach (WindowAxis axis in Axes) product = checked(product * of(axis));
        return checked((int)product);
    }
}
