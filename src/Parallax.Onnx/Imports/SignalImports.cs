using Parallax.Graphs;
using Parallax.Graphs.Ops;

namespace Parallax.Onnx.Imports;

internal static class SignalImports
{
    internal static readonly OpImport[] All =
    [
        new("DFT", 17..19, CreateDft17),
        new("DFT", 20.., n => new Dft(n.Bool("inverse", false), n.Bool("onesided", false))),
        new("STFT", 17.., n => new Stft(n.Bool("onesided", true))),
        new("HannWindow", 17.., n => Window(n, CosineWindow.Hann)),
        new("HammingWindow", 17.., n => Window(n, CosineWindow.Hamming)),
        new("BlackmanWindow", 17.., n => Window(n, CosineWindow.Blackman)),
        new("MelWeightMatrix", 17.., n => new MelWeightMatrix(n.DType("output_datatype", DType.Float32))),
    ];

    private static Op CreateDft17(ImportNode n)
    {
        n.SetInput(2, Tensor.Scalar(n.Int("axis", 1)));
        return new Dft(n.Bool("inverse", false), n.Bool("onesided", false));
    }

    private static Op Window(ImportNode n, CosineWindow kind) => new WindowFunction(kind, n.DType("output_datatype", DType.Float32), n.Bool("periodic", true));
}
