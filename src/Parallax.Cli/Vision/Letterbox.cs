using Parallax.Kernels.Image;

namespace Parallax.Cli.Vision;

/// <summary>
/// A picture made to fit a model's input: scaled by one factor for both axes, centred, the rest filled with grey.
/// </summary>
/// <param name="Tensor">float32 [1, 3, height, width], RGB, 0..1.</param>
/// <param name="Scale">Pixels of the tensor per pixel of the picture.</param>
/// <param name="Left">Columns of padding before the picture.</param>
/// <param name="Top">Rows of padding above the picture.</param>
/// <param name="SourceWidth">Width of the picture as it was.</param>
/// <param name="SourceHeight">Height of the picture as it was.</param>
public sealed record Letterbox(Tensor Tensor, double Scale, int Left, int Top, int SourceWidth, int SourceHeight)
{
    private const byte Grey = 114;

    public static Letterbox Fit(DecodedImage image, int height, int width)
    {
        double scale = Math.Min((double)height / image.Height, (double)width / image.Width);
        int innerWidth = Math.Clamp((int)Math.Round(image.Width * scale), 1, width), innerHeight = Math.Clamp((int)Math.Round(image.Height * scale), 1, height);
        int left = (width - innerWidth) / 2, top = (height - innerHeight) / 2;
        byte[] inner = BilinearResize.Apply(image.To(PixelFormat.Rgb), innerHeight, innerWidth).Pixels;
        Tensor tensor = Tensor.Allocate(DType.Float32, [1, 3, height, width]);
        Span<float> values = tensor.Span<float>();
        values.Fill(Grey / 255f);
        for (int channel = 0; channel < 3; channel++)
            for (int y = 0; y < innerHeight; y++)
                for (int x = 0; x < innerWidth; x++)
                    values[(channel * height + top + y) * width + left + x] = inner[(y * innerWidth + x) * 3 + channel] / 255f;
        return new Letterbox(tensor, scale, left, top, image.Width, image.Height);
    }

    /// <summary>The place in the picture of a point of the tensor, no farther out than the picture's edge.</summary>
    public (float X, float Y) ToSource(float x, float y) =>
        ((float)Math.Clamp((x - Left) / Scale, 0, SourceWidth), (float)Math.Clamp((y - Top) / Scale, 0, SourceHeight));
}

/// <summary>
/// Bilinear resizing with half-pixel centres. Where the picture shrinks, the triangle widens with the step, so that every source pixel
/// counts; where it grows this is plain bilinear sampling. Levels are rounded to 8 bits after each axis, columns first: the arithmetic
/// of the Python imaging library, which the reference tensors of many models are made with.
/// </summary>
internal static class BilinearResize
{
    private const int FractionBits = 22;

    public static DecodedImage Apply(DecodedImage image, int height, int width)
    {
        if (image.Width != width) image = ResizeColumns(image, width);
        return image.Height == height ? image : ResizeRows(image, height);
    }

    private static DecodedImage ResizeColumns(DecodedImage image, int width)
    {
        int channels = image.Channels;
        (int First, int[] Weights)[] taps = Taps(image.Width, width);
        var pixels = new byte[checked(width * image.Height * channels)];
        for (int y = 0; y < image.Height; y++)
            for (int x = 0; x < width; x++)
                for (int channel = 0; channel < channels; channel++)
                    pixels[(y * width + x) * channels + channel] = Sample(image.Pixels, (y * image.Width + taps[x].First) * channels + channel, channels, taps[x].Weights);
        return new DecodedImage(width, image.Height, channels, pixels);
    }

    private static DecodedImage ResizeRows(DecodedImage image, int height)
    {
        int rowBytes = image.Width * image.Channels;
        (int First, int[] Weights)[] taps = Taps(image.Height, height);
        var pixels = new byte[checked(rowBytes * height)];
        for (int y = 0; y < height; y++)
            for (int i = 0; i < rowBytes; i++)
                pixels[y * rowBytes + i] = Sample(image.Pixels, taps[y].First * rowBytes + i, rowBytes, taps[y].Weights);
        return new DecodedImage(image.Width, height, image.Channels, pixels);
    }

    private static byte Sample(byte[] pixels, int start, int step, int[] weights)
    {
        int sum = 1 << (FractionBits - 1);
        for (int i = 0; i < weights.Length; i++) sum += pixels[start + i * step] * weights[i];
        return (byte)Math.Clamp(sum >> FractionBits, 0, 255);
    }

    /// <summary>For every sample of the result: the first source sample it takes, and the weights of that and the next ones.</summary>
    private static (int First, int[] Weights)[] Taps(int from, int to)
    {
        double step = (double)from / to, support = Math.Max(step, 1);
        var taps = new (int First, int[] Weights)[to];
        for (int i = 0; i < to; i++)
        {
            double centre = (i + 0.5) * step, sum = 0;
            int first = Math.Max(0, (int)(centre - support + 0.5)), end = Math.Min(from, (int)(centre + support + 0.5));
            var weights = new double[end - first];
            for (int k = 0; k < weights.Length; k++)
                sum += weights[k] = Math.Max(0, 1 - Math.Abs((k + first - centre + 0.5) * (1 / support)));
            taps[i] = (first, Array.ConvertAll(weights, w => (int)(0.5 + w / sum * (1 << FractionBits))));
        }
        return taps;
    }
}
