using Parallax.Graphs.Ops;

namespace Parallax.Onnx.Imports;

internal static class ImageImports
{
    internal static readonly OpImport[] All =
    [
        new("ImageDecoder", 20.., n => new DecodeImage(Channels(n))),
    ];

    private static ImageChannels Channels(ImportNode n) => n.String("pixel_format", "RGB") switch
    {
        "RGB" => ImageChannels.Rgb,
        "BGR" => ImageChannels.Bgr,
        "Grayscale" => ImageChannels.Grayscale,
        var other => throw n.Invalid($"pixel_format must be RGB, BGR or Grayscale, got '{other}'"),
    };
}
