using Parallax.Kernels.Copy;

namespace Parallax.Kernels;

/// <summary>Channels first: tiles are transposed on their way there and back, those of the same channels one after another.</summary>
internal sealed unsafe class QuantizedDepthwiseFirst(ConvProblem problem, QuantizedTypes types, VecWidth vectors) : QuantizedDepthwise(problem, types, vectors, "depthwise", TilePlaces, int.MaxValue)
{
    private const int TilePlaces = 1 << 10;

    private readonly int inputPlane = problem.InputPlane, outputPlane = problem.OutputPlane;

    protected override (int Image, int Channel, int Tile) Locate(int tile)
    {
        (int group, int ofGroup) = Math.DivRem(tile, TilesPerGroup);
        return (group / GroupsPerImage, group % GroupsPerImage * Lanes, ofGroup);
    }

    protected override DepthwiseRun Begin(in KernelArgs args) => RunOf(args);

    protected override DepthwiseParameters ParametersOf(int channel, byte* scratch, in KernelArgs args) => Prepare(channel, scratch, args);

    protected override void Bring<V>(int image, int channel, int lanes, nint from, int rows, int columns, nint imageColumns, byte* bytes, float* to, nint toStep, in DepthwiseRun run, in KernelArgs args)
    {
        byte* data = args.Input<byte>(Types.Inputs.B) + (nint)image * Problem.InputChannels * inputPlane + from;
        // Channels of one input lie one behind another; several filters for one input read it each for itself.
        int runs = Problem.GroupOutputs == 1 ? 1 : lanes, ofRun = lanes / runs;
        for (int i = 0; i < runs; i++)
        {
            byte* source = data + (nint)((channel + i) / Problem.GroupOutputs) * inputPlane;
            if (columns == imageColumns) TileTranspose.Run(1, source, inputPlane, bytes + i, Lanes, (long)rows * columns, ofRun);
            else
                for (int row = 0; row < rows; row++) TileTranspose.Run(1, source + row * imageColumns, inputPlane, bytes + i + (nint)row * columns * Lanes, Lanes, columns, ofRun);
        }
        Widen<V>(bytes, Lanes, (nint)columns * Lanes, to, toStep, rows, columns, run);
    }

    protected override void Store(byte* results, int image, int channel, int lanes, nint at, int rows, int columns, nint imageColumns, in KernelArgs args)
    {
        byte* y = args.Output<byte>(0) + ((nint)image * Problem.OutputChannels + channel) * outputPlane + at;
        if (columns == imageColumns) TileTranspose.Run(1, results, Lanes, y, outputPlane, lanes, (long)rows * columns);
        else
            for (int row = 0; row < rows; row++) TileTranspose.Run(1, results + (nint)row * columns * Lanes, Lanes, y + row * imageColumns, outputPlane, lanes, columns);
    }
}
