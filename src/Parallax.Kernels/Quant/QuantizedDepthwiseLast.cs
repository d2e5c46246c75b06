using System.Runtime.InteropServices;

namespace Parallax.Kernels;

/// <summary>Channels last, as many outputs as inputs: lanes lie side by side, and tiles of the same places are computed one after another. All inputs but the data are constant.</summary>
internal sealed unsafe class QuantizedDepthwiseLast : QuantizedDepthwise
{
    /// <summary>A padded copy stays in the first-level cache.</summary>
    private const int TilePlaces = 384, MaxColumns = 32;

    private readonly DepthwiseRun run;
    private readonly byte* parameters;
    private readonly nint channels, inputImage, outputImage;

    internal QuantizedDepthwiseLast(ConvProblem problem, QuantizedTypes types, in KernelArgs constants, VecWidth vectors) : base(problem, types, vectors, "last_depthwise", TilePlaces, MaxColumns)
    {
        (channels, inputImage, outputImage) = (problem.OutputChannels, (nint)problem.InputPlane * problem.InputChannels, (nint)problem.OutputPlane * problem.OutputChannels);
        run = RunOf(constants);
        parameters = (byte*)NativeMemory.AlignedAlloc((nuint)Math.Max(Vec.LineBytes, GroupsPerImage * ParameterBytes), Vec.LineBytes);
        for (int group = 0; group < GroupsPerImage; group++) Prepare(group * Lanes, parameters + group * ParameterBytes, constants);
    }

    public override void Dispose()
    {
        NativeMemory.AlignedFree(parameters);
        base.Dispose();
    }

    protected override (int Image, int Channel, int Tile) Locate(int tile)
    {
        (int places, int group) = Math.DivRem(tile, GroupsPerImage);
        return (places / TilesPerGroup, group * Lanes, places % TilesPerGroup);
    }

    protected override DepthwiseRun Begin(in KernelArgs args) => run;

    protected override DepthwiseParameters ParametersOf(int channel, byte* scratch, in KernelArgs args) => new(Problem.Taps, Math.Min(Lanes, Problem.OutputChannels - channel), parameters + channel / Lanes * ParameterBytes);

    protected override void Bring<V>(int image, int channel, int lanes, nint from, int rows, int columns, nint imageColumns, byte* bytes, float* to, nint toStep, in DepthwiseRun run, in KernelArgs args)
    {
        byte* data = args.Input<byte>(Types.Inputs.B) + image * inputImage + from * channels + channel;
        if (lanes == Lanes)
        {
            Widen<V>(data, channels, imageColumns * channels, to, toStep, rows, columns, run);
            return;
        }
        // Behind the last channel of the last place there may be nothing to read.
        byte* next = bytes;
        for (int row = 0; row < rows; row++, data += imageColumns * channels)
            for (int column = 0; column < columns; column++, next += Lanes)
                for (int lane = 0; lane < lanes; lane++) next[lane] = data[column * channels + lane];
        Widen<V>(bytes, Lanes, (nint)columns * Lanes, to, toStep, rows, columns, run);
    }

    protected override (nint First, nint Step, nint RowStep)? ResultsAt(int image, int channel, int lanes, nint at, int columns, nint imageColumns, in KernelArgs args) =>
        lanes == Lanes && columns >= PlacesAtOnce ? ((nint)(args.Output<byte>(0) + image * outputImage + at * channels + channel), channels, imageColumns * channels) : null;

    protected override void Store(byte* results, int image, int channel, int lanes, nint at, int rows, int columns, nint imageColumns, in KernelArgs args)
    {
        byte* y = args.Output<byte>(0) + image * outputImage + at * channels + channel;
        for (int row = 0; row < rows; row++, y += imageColumns * channels)
            for (int column = 0; column < columns; column++, results += Lanes)
                for (int lane = 0; lane < lanes; lane++) y[column * channels + lane] = results[lane];
    }
}
