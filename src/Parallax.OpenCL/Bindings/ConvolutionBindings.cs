using Parallax.Graphs.Ops;
using Parallax.Kernels;
using Parallax.OpenCL.Calls;
using Parallax.Runtime;
using Parallax.Runtime.Cpu;

namespace Parallax.OpenCL.Bindings;

internal static class ConvolutionBindings
{
    /// <summary>Neighbours that an item of <c>conv_planes</c> computes.</summary>
    private const int SinglePlaneColumns = 8;

    internal static readonly ClBinding[] All =
    [
        ClBinding.Of<Conv>(WhyNotConv, Prepare, (op, x, axis) => axis == OutputAxis.Channels && op.Groups > 1 ? x.Dims(1)[0] / op.Groups : 1),
        ClBinding.Of<ConvTranspose>((_, x) => WhyNot(x), PrepareTranspose),
    ];

    private static string? WhyNot(OperandFacts x)
    {
        if (OperandLimits.UnlessFloat32(x, 0, 1) is { } reason) return reason;
        int axes = x.Dims(0).Length - 2;
        return axes is 1 or 2 ? null : $"{axes} spatial axes are not supported, only 1 and 2";
    }

    private static string? WhyNotConv(Conv op, OperandFacts x)
    {
        if (WhyNot(x) is { } reason) return reason;
        long padded = x.Dims(0)[0] * x.Dims(0)[1] * Planes(op, x).Elements;
        return padded > int.MaxValue ? $"{padded} elements with the padding are not supported, at most {int.MaxValue}" : null;
    }

    internal static PaddedPlanes Planes(Conv op, OperandFacts x)
    {
        WindowAxis[] axes = Windows.Over(op.WindowOver(x.Inputs[1]!.Shape!.Value), x.Dims(0));
        return new PaddedPlanes(axes.Length == 2 ? axes[0] : WindowAxis.Trivial, axes[^1]);
    }

    /// <summary>The product of the filters and the places of padded planes: a filter's tap sees the same places as the next one, from another start.</summary>
    private static ClCall Prepare(Conv op, ClPrepareContext x)
    {
        long[] dims = x.Dims(0), weights = x.Dims(1);
        PaddedPlanes planes = Planes(op, x);
        var part = new OutputPart(0, weights[0]);
        if (x.Part is { Axis: OutputAxis.Rows } rows) planes = planes.Part(rows, isSignal: dims.Length == 3);
        else if (x.Part is { } channelsOfIt) part = channelsOfIt;
        long batch = dims[0], inputs = weights[1], perGroup = weights[0] / op.Groups, depth = inputs * planes.Taps;
        if (op.Groups > 1 && (part.First % perGroup != 0 || part.Count % perGroup != 0))
            throw new ArgumentException($"a part of the result must hold whole groups of {perGroup} channels", nameof(x));
        long groups = op.Groups > 1 ? part.Count / perGroup : 1, channels = part.Count / Math.Max(1, groups), firstGroup = op.Groups > 1 ? part.First / perGroup : 0;

        if (perGroup == 1 && inputs == 1) return OfSinglePlanes(op, x, planes, part);
        if (ClWinograd.TryOf(op, x, planes, part.Count) is { } winograd && winograd.IsFaster(x.Context)) return winograd.Prepare(op, x, part);

        ClTile tile = ClTile.For(x.Context, channels, planes.Places);
        bool direct = planes.AreAsGiven && ClColumns.CanBeRows(tile, planes.Places);
        var steps = new ClSteps();
        ClArg image = direct ? ClArg.Input(0, (firstGroup * inputs * planes.InputStride + planes.FirstInput) * sizeof(float)) : Pad(x, planes, dims[1], firstGroup * inputs, tile.Width, steps);
        ClFinish finish = ClFinish.Of(op, x);
        long firstResult = planes.FirstByteOf(part), plane = direct ? planes.InputStride : planes.Elements;
        steps.Add(new ClGemm(channels, planes.Places, depth)
        {
            Tile = tile,
            A = MatrixLayout.RowMajor(depth),
            B = ClColumns.Rows(plane),
            Taps = direct ? null : new ClTaps(x.Table<int>(planes.TapOffsets(inputs)), planes.RowLength, planes.Width.Output),
            CRowStride = planes.ResultStride,
            Batch = [batch, groups],
            ABatch = [0, channels * depth],
            BBatch = [dims[1] * plane, inputs * plane],
            CBatch = [weights[0] * planes.ResultStride, channels * planes.ResultStride],
            Bias = x.Has(2) ? new MatrixLayout(1, 0) : null,
            BiasBatch = channels,
            Finish = finish,
        }.Launch(x, Filters(x, part.First * depth, part.Count * depth), image, x.Has(2) ? ClArg.Input(2, part.First * sizeof(float)) : ClArg.Input(0),
            finish.HasResidual ? ClArg.Input(IFusible.ResidualInput, firstResult) : ClArg.Input(0), ClArg.Output(0, firstResult)));
        return steps.ToCall();
    }

    /// <summary>Filters as they lie in the input, as a factor of products.</summary>
    /// <param name="first">Elements in front of them.</param>
    private static ClFactor Filters(ClPrepareContext x, long first, long count) => x.KeepsShort && x.Constant(1) is { } filters
        ? x.Factor(filters, $"{count} from {first}", () => Tensor.From(filters.Span<float>().Slice((int)first, (int)count).ToArray(), [count]))
        : ClArg.Input(1, first * sizeof(float));

    /// <summary>Groups of one channel each.</summary>
    private static ClCall OfSinglePlanes(Conv op, ClPrepareContext x, PaddedPlanes planes, OutputPart part)
    {
        long[] dims = x.Dims(0);
        var steps = new ClSteps();
        ClArg padded = Pad(x, planes, dims[1], part.First, SinglePlaneColumns, steps);
        ClFinish finish = ClFinish.Of(op, x);
        long count = dims[0] * part.Count, firstResult = planes.FirstByteOf(part);
        steps.Add(new ClLaunch(x.Kernel("convolution", "conv_planes", $"-DLANES={SinglePlaneColumns} {ClEpilogue.Options(op.Activation)}"),
            x.Over((planes.Width.Output + SinglePlaneColumns - 1) / SinglePlaneColumns, planes.Height.Output, count),
            [
                padded, ClArg.Input(1, part.First * planes.Taps * sizeof(float)), x.Has(2) ? ClArg.Input(2, part.First * sizeof(float)) : ClArg.Input(0),
                finish.HasResidual ? ClArg.Input(IFusible.ResidualInput, firstResult) : ClArg.Input(0), ClArg.Output(0, firstResult),
                x.Table<int>(planes.TapOffsets(1)), ClArg.Int(count), ClArg.Int(part.Count), ClArg.Int(dims[1]),
                ClArg.Ints(planes.Height.Output, planes.Width.Output), ClArg.Int(planes.ResultStride), ClArg.Int(planes.Taps), ClArg.Int(planes.RowLength), ClArg.Int(planes.Elements),
                ClArg.Int(finish.Flags(x.Has(2))), .. ClEpilogue.Args(op.Activation),
            ]));
        return steps.ToCall();
    }

    /// <summary>Lays all planes out with their padding, in scratch memory. The result begins with plane <paramref name="first"/> of an image.</summary>
    /// <param name="columns">So many columns are read at once, perhaps beyond the last.</param>
    private static ClArg Pad(ClPrepareContext x, PaddedPlanes planes, long channels, long first, int columns, ClSteps steps)
    {
        long count = x.Dims(0)[0] * channels;
        int span = x.HasVectors ? 16 : 1;
        ClArg padded = steps.Scratch((count * planes.Elements + columns) * sizeof(float));
        steps.Add(new ClLaunch(x.Kernel("convolution", "pad_planes", $"-DSPAN={span}"), x.Over((planes.RowLength + span - 1) / span, planes.Rows, count * planes.Phases),
        [
            ClArg.Input(0, planes.FirstInput * sizeof(float)), padded, ClArg.Int(count), ClArg.Int(planes.InputStride), Two(axis => axis.Input), ClArg.Ints(planes.Rows, planes.RowLength),
            ClArg.Ints(planes.PhaseRows, planes.PhaseColumns), Two(axis => axis.Stride), Two(axis => axis.PadBegin),
        ]));
        return padded.Behind(first * planes.Elements * sizeof(float));

        ClArg Two(Func<WindowAxis, long> number) => ClArg.Ints(number(planes.Height), number(planes.Width));
    }

    /// <summary>What every element of the input adds at every tap is a product; what falls on a result is gathered from that.</summary>
    private static ClCall PrepareTranspose(ConvTranspose op, ClPrepareContext x)
    {
        long[] dims = x.Dims(0), results = x.OutputDims(0);
        TransposeAxis[] axes = Windows.Over(op, x);
        TransposeAxis height = axes.Length == 2 ? axes[0] : TransposeAxis.Trivial, width = axes[^1];
        long batch = dims[0], groups = op.Groups, inputs = dims[1] / groups, channels = results[1], taps = height.Kernel * width.Kernel, pixels = height.Input * width.Input;
        long rows = channels / groups * taps, filterElements = inputs * rows, imageElements = inputs * pixels;

        var steps = new ClSteps();
        ClArg spread = steps.Scratch(batch * groups * rows * pixels * sizeof(float));
        ClTile tile = ClTile.For(x.Context, rows, pixels);
        bool direct = ClColumns.CanBeRows(tile, pixels);
        var panels = new ClPanels(pixels, inputs, tile.Width, batch * groups) { ColumnStride = 1, RowStride = pixels, MatrixStride = imageElements };
        ClArg image = direct ? ClArg.Input(0) : panels.Of(x, 0, 0, steps);
        long matrixElements = direct ? imageElements : panels.MatrixElements;
        steps.Add(new ClGemm(rows, pixels, inputs)
        {
            Tile = tile,
            A = new MatrixLayout(1, rows),
            B = direct ? ClColumns.Rows(pixels) : ClColumns.Of(panels),
            CRowStride = pixels,
            Batch = [batch, groups],
            ABatch = [0, filterElements],
            BBatch = [groups * matrixElements, matrixElements],
            CBatch = [groups * rows * pixels, rows * pixels],
        }.Launch(x, Filters(x, 0, groups * filterElements), image, ClArg.Input(0), ClArg.Input(0), spread));
        steps.Add(new ClLaunch(x.Kernel("convolution", "gather_taps"), x.Over(width.Output, height.Output, batch * channels),
        [
            spread, ClArg.Input(x.Has(2) ? 2 : 0), ClArg.Output(0), ClArg.Int(batch * channels), ClArg.Int(channels), ClArg.Ints(height.Input, width.Input),
            ClArg.Ints(height.Output, width.Output), ClArg.Ints(height.Kernel, width.Kernel), ClArg.Ints(height.Stride, width.Stride),
            ClArg.Ints(height.Dilation, width.Dilation), ClArg.Ints(height.PadBegin, width.PadBegin), ClArg.Int(x.Has(2) ? 1 : 0),
        ]));
        return steps.ToCall();
    }
}
