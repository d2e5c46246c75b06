using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>The channels of <see cref="DecodeImage"/>'s result, in their order.</summary>
public enum ImageChannels
{
    Rgb,
    Bgr,
    Grayscale,
}

/// <summary>A picture file as uint8 [N] becomes pixels, uint8 [height x width x channels]: 3 channels, or 1 for <see cref="ImageChannels.Grayscale"/>.</summary>
public sealed record DecodeImage(ImageChannels Channels) : Op
{
    public override string Name => "ImageDecoder";

    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        if (context.Tensor(0).Type is var type and not (DType.UInt8 or DType.Undefined)) throw new InvalidModelException($"input 0 must be uint8, got {type}");
        context.Shape(0, 1, 1);
        return [new TensorFact(DType.UInt8, [FreshDim.Of("height"), FreshDim.Of("width"), Channels == ImageChannels.Grayscale ? 1 : 3])];
    }
}
