using Parallax.Graphs.Ops;
using Parallax.Kernels;
using Parallax.OpenCL.Calls;
using Parallax.Runtime;
using Parallax.Runtime.Cpu;

namespace Parallax.OpenCL.Bindings;

internal static class ConvolutionBindings
{
    /// <summary>Channels that an item computes, unless groups have fewer than half as many.</summary>
    private const int Width = 8;

    /// <summary>Neighbours of the result that an item computes.</summary>
    private const int Pixels = 8;

    internal static readonly ClBinding[] All = [ClBinding.Of<Conv>((_, x) => WhyNot(x), Prepare, (op, x) => op.Groups > 1 ? x.Dims(1)[0] / op.Groups : 1), ClBinding.Of<ConvTranspose>((_, x) => WhyNot(x), PrepareTranspose)];

    private static string? WhyNot(OperandFacts x)
    {
        if (OperandLimits.UnlessFloat32(x, 0, 1) is { } reason) return reason;
        int axes = x.Dims(0).Length - 2;
        return axes is 1 or 2 ? null : $"{axes} spatial axes are not supported, only 1 and 2";
    }

    private static ClCall Prepare(Conv op, ClPrepareContext x)
    {
        long[] dims = x.Dims(0), weights = x.Dims(1);
        WindowAxis[] axes = Windows.Over(op.WindowOver(x.Inputs[1]!.Shape!.Value), dims);
        WindowAxis height = axes.Length == 2 ? axes[0] : WindowAxis.Trivial, width = axes[^1];
        long batch = dims[0], inputs = weights[1], perGroup = weights[0] / op.Groups, taps = height.Kernel * width.Kernel, pixels = height.Output * width.Output;
        OutputPart part = x.Part ?? new OutputPart(0, weights[0]);
        if (op.Groups > 1 && (part.First % perGroup != 0 || part.Count % perGroup != 0))
            throw new ArgumentException($"a part of the result must hold whole groups of {perGroup} channels", nameof(x));
        long groups = op.Groups > 1 ? part.Count / perGroup : 1, channels = part.Count / Math.Max(1, groups);
        int panel = channels >= Width / 2 ? Width : 1;

        var steps = new ClSteps();
        var packed = new ClPanels(channels, taps * inputs, panel, groups)
        {
            ColumnStride = taps * inputs,
            RowStride = taps,
            OuterRowStride = 1,
            InnerRows = Math.Max(1, inputs),
            MatrixStride = channels * taps * inputs,
        };
        ClArg filters = packed.Of(x, 1, part.First * taps * inputs, steps);
        ClFinish finish = ClFinish.Of(op, x);
        long firstInput = op.Groups > 1 ? part.First / perGroup * inputs * height.Input * width.Input : 0, firstResult = part.First * pixels;
        steps.Add(new ClLaunch(x.Kernel("convolution", "conv", $"-DCHANNELS={panel} {ClEpilogue.Options(op.Activation)}"),
            x.Over((pixels + Pixels - 1) / Pixels, (channels + panel - 1) / panel, batch * groups),
            [
                ClArg.Input(0, firstInput * sizeof(float)), filters, x.Has(2) ? ClArg.Input(2, part.First * sizeof(float)) : ClArg.Input(0),
                finish.HasResidual ? ClArg.Input(IFusible.ResidualInput, firstResult * sizeof(float)) : ClArg.Input(0), ClArg.Output(0, firstResult * sizeof(float)),
                ClArg.Int(batch), ClArg.Int(groups), ClArg.Int(inputs), ClArg.Int(channels), ClArg.Int(dims[1]), ClArg.Int(weights[0]),
                ClArg.Ints(height.Input, width.Input), ClArg.Ints(height.Output, width.Output), ClArg.Ints(height.Kernel, width.Kernel),
                ClArg.Ints(height.Stride, width.Stride), ClArg.Ints(height.Dilation, width.Dilation), ClArg.Ints(height.PadBegin, width.PadBegin),
                ClArg.Int(finish.Flags(x.Has(2))), .. ClEpilogue.Args(op.Activation),
            ]));
        return steps.ToCall();
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
        bool direct = pixels % ClGemm.Width == 0;
        var panels = new ClPanels(pixels, inputs, ClGemm.Width, batch * groups) { ColumnStride = 1, RowStride = pixels, MatrixStride = imageElements };
        ClArg image = direct ? ClArg.Input(0) : panels.Of(x, 0, 0, steps);
        long matrixElements = direct ? imageElements : panels.MatrixElements;
        steps.Add(new ClGemm(rows, pixels, inputs)
        {
            A = new MatrixLayout(1, rows),
            B = direct ? (ClGemm.Width, pixels) : (panels.PanelElements, ClGemm.Width),
            CRowStride = pixels,
            Batch = [batch, groups],
            ABatch = [0, filterElements],
            BBatch = [groups * matrixElements, matrixElements],
            CBatch = [groups * rows * pixels, rows * pixels],
        }.Launch(x, ClArg.Input(1), image, ClArg.Input(0), ClArg.Input(0), spread));
        steps.Add(new ClLaunch(x.Kernel("convolution", "gather_taps"), x.Over(width.Output, height.Output, batch * channels),
        [
            spread, ClArg.Input(x.Has(2) ? 2 : 0), ClArg.Output(0), ClArg.Int(batch * channels), ClArg.Int(channels), ClArg.Ints(height.Input, width.Input),
            ClArg.Ints(height.Output, width.Output), ClArg.Ints(height.Kernel, width.Kernel), ClArg.Ints(height.Stride, width.Stride),
            ClArg.Ints(height.Dilation, width.Dilation), ClArg.Ints(height.PadBegin, width.PadBegin), ClArg.Int(x.Has(2) ? 1 : 0),
        ]));
        return steps.ToCall();
    }
}
