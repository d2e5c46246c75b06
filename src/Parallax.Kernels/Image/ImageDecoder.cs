namespace Parallax.Kernels.Image;

/// <summary>The order of the channels that a caller wants, as the attribute of ONNX's ImageDecoder names them.</summary>
public enum PixelFormat
{
    Rgb,
    Bgr,
    Grayscale,
}

/// <summary>A decoded picture: 8 bits a sample, rows from the top, samples of one pixel together (HWC).</summary>
/// <param name="Channels">1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.</param>
/// <param name="Pixels">Height x width x channels bytes.</param>
public sealed record DecodedImage(int Width, int Height, int Channels, byte[] Pixels)
{
    /// <summary>The picture with the channels of <paramref name="format"/>: alpha is dropped, grey is repeated, colour becomes luma by ITU-R 601.</summary>
    public DecodedImage To(PixelFormat format) => format switch
    {
        PixelFormat.Grayscale => ToGrayscale(),
        PixelFormat.Bgr => ToColour(red: 2, blue: 0),
        _ => Channels == 3 ? this : ToColour(red: 0, blue: 2),
    };

    private DecodedImage ToColour(int red, int blue)
    {
        var pixels = new byte[checked(Width * Height * 3)];
        int green = Channels >= 3 ? 1 : 0, third = Channels >= 3 ? 2 : 0;
        for (int from = 0, to = 0; to < pixels.Length; from += Channels, to += 3)
        {
            pixels[to + red] = Pixels[from];
            pixels[to + 1] = Pixels[from + green];
            pixels[to + blue] = Pixels[from + third];
        }
        return new(Width, Height, 3, pixels);
    }

    private DecodedImage ToGrayscale()
    {
        if (Channels == 1) return this;
        var pixels = new byte[Width * Height];
        for (int from = 0, to = 0; to < pixels.Length; from += Channels, to++)
            pixels[to] = Channels == 2 ? Pixels[from] : Luma(Pixels[from], Pixels[from + 1], Pixels[from + 2]);
        return new(Width, Height, 1, pixels);
    }

    private static byte Luma(int red, int green, int blue) => (byte)((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16);
}

/// <summary>Decodes pictures in managed code; the format is told from the first bytes. Thread-safe.</summary>
public static class ImageDecoder
{
    /// <summary>Pictures with more pixels than this are refused before anything is allocated for them.</summary>
    public const long MaxPixels = 1L << 28;

    private delegate DecodedImage Decoder(ReadOnlySpan<byte> file);

    /// <summary>Decodes a whole file.</summary>
    /// <exception cref="InvalidInputException">The format is not known, or the file is damaged or truncated.</exception>
    public static DecodedImage Decode(ReadOnlySpan<byte> file)
    {
        (string format, Decoder decode) = Identify(file);
        try
        {
            return decode(file);
        }
        // The decoders check what they read; these are the runtime's own checks on what slipped through.
        catch (Exception damage) when (damage is IndexOutOfRangeException or ArgumentException or ArithmeticException or InvalidDataException)
        {
            throw new InvalidInputException($"{format} image: the data is damaged ({damage.Message.ReplaceLineEndings(" ")})", damage);
        }
    }

    private static (string Format, Decoder Decode) Identify(ReadOnlySpan<byte> file)
    {
        if (file.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xD8, 0xFF])) return ("JPEG", JpegDecoder.Decode);
        if (file.StartsWith(PngDecoder.Signature)) return ("PNG", PngDecoder.Decode);
        if (file.StartsWith("BM"u8)) return ("BMP", BmpDecoder.Decode);
        if (file.Length > 2 && file[0] == 'P' && file[1] is (byte)'2' or (byte)'3' or (byte)'5' or (byte)'6') return ("PNM", PnmDecoder.Decode);
        if (file.StartsWith("II*\0"u8) || file.StartsWith("MM\0*"u8)) return ("TIFF", TiffDecoder.Decode);
        if (file.Length > 12 && file.StartsWith("RIFF"u8) && file[8..].StartsWith("WEBP"u8)) return ("WebP", WebpDecoder.Decode);
        if (file.StartsWith(Jpeg2000Decoder.FileSignature) || file.StartsWith(Jpeg2000Decoder.StreamSignature)) return ("JPEG 2000", Jpeg2000Decoder.Decode);
        string start = Convert.ToHexString(file[..Math.Min(8, file.Length)]);
        throw new InvalidInputException($"image of {file.Length} bytes that starts with 0x{start}: expected JPEG, PNG, BMP, PNM, TIFF, WebP or JPEG 2000");
    }

    /// <summary>Refuses dims that are not positive or multiply to more than <see cref="MaxPixels"/>.</summary>
    internal static void CheckSize(string format, long width, long height)
    {
        if (width <= 0 || height <= 0) throw new InvalidInputException($"{format} image: its size is {width}x{height}");
        if (width > int.MaxValue || height > int.MaxValue || width * height > MaxPixels)
            throw new InvalidInputException($"{format} image: {width}x{height} is more than {MaxPixels} pixels");
    }
}
