using Parallax.Graphs.Ops;
using Parallax.Kernels.Image;

namespace Parallax.Runtime.Cpu.Bindings;

internal static class ImageBindings
{
    internal static readonly Binding[] All =
    [
        Binding.Host<DecodeImage>(Decode),
    ];

    private static Datum?[] Decode(DecodeImage op, HostContext context)
    {
        DecodedImage image = ImageDecoder.Decode(context.Tensor(0).Span<byte>()).To(op.Channels switch
        {
            ImageChannels.Bgr => PixelFormat.Bgr,
            ImageChannels.Grayscale => PixelFormat.Grayscale,
            _ => PixelFormat.Rgb,
        });
        Tensor pixels = context.Allocate(DType.UInt8, [image.Height, image.Width, image.Channels]);
        image.Pixels.CopyTo(pixels.Span<byte>());
        return [pixels];
    }
}
