namespace Parallax.Kernels.Signal;

/// <summary>Makes kernels of the signal family.</summary>
public static class SignalKernels
{
    /// <summary>The discrete Fourier transform of <paramref name="length"/> points along an axis; input 0 is the signal.</summary>
    /// <param name="dims">Of the signal; the last is 1 (real) or 2 (complex).</param>
    /// <param name="oneSided">Forward: give length / 2 + 1 bins. Inverse: take as many and give real points.</param>
    public static Kernel Dft(DType type, ReadOnlySpan<long> dims, int axis, int length, bool inverse, bool oneSided) => type switch
    {
        _ when length < 1 => throw new InvalidInputException($"a Fourier transform needs at least one point, got {length}"),
        DType.Float32 => new DftKernel<float>(dims, axis, length, inverse, oneSided),
        DType.Float64 => new DftKernel<double>(dims, axis, length, inverse, oneSided),
        _ => throw Unsupported(type),
    };

    /// <summary>Fourier transforms of frames of <paramref name="length"/> points; input 0 is the signal, input 2 the window (may be absent).</summary>
    /// <param name="dims">Of the signal: [batch x length x 1 or 2].</param>
    public static Kernel Stft(DType type, ReadOnlySpan<long> dims, int length, long frames, long frameStep, bool oneSided) => type switch
    {
        DType.Float32 => new StftKernel<float>(dims, length, frames, frameStep, oneSided),
        DType.Float64 => new StftKernel<double>(dims, length, frames, frameStep, oneSided),
        _ => throw Unsupported(type),
    };

    /// <summary>The window A0 - A1 cos(t) + A2 cos(2t), one period over <paramref name="size"/> points (periodic) or one less.</summary>
    public static double[] CosineWindow(int size, bool periodic, double a0, double a1, double a2)
    {
        var window = new double[size];
        double increment = 2 * Math.PI / (periodic ? size : size - 1);
        for (int i = 0; i < size; i++) window[i] = size == 1 ? 1 : a0 - a1 * Math.Cos(i * increment) + a2 * Math.Cos(2 * i * increment);
        return window;
    }

    /// <summary>Triangles over the bins of a spectrum, evenly spaced on the mel scale 2595 log10(1 + f / 700): [dftLength / 2 + 1 x melBins].</summary>
    public static double[,] MelWeights(int melBins, int dftLength, int sampleRate, double lowestHertz, double highestHertz)
    {
        double low = 2595 * Math.Log10(1 + lowestHertz / 700), step = (2595 * Math.Log10(1 + highestHertz / 700) - low) / (melBins + 2);
        var edges = new int[melBins + 2];
        for (int i = 0; i < edges.Length; i++)
        {
            double hertz = 700 * (Math.Pow(10, (i * step + low) / 2595) - 1);
            edges[i] = (int)Math.Floor((dftLength + 1) * hertz / sampleRate);
        }
        var weights = new double[dftLength / 2 + 1, melBins];
        if (edges[0] < 0 || edges[^1] > weights.GetLength(0))
            throw new InvalidInputException(
                $"mel bins from {lowestHertz} to {highestHertz} Hz do not fit a spectrum of {weights.GetLength(0)} bins at {sampleRate} Hz");
        for (int i = 0; i < melBins; i++)
        {
            (int left, int center, int right) = (edges[i], edges[i + 1], edges[i + 2]);
            for (int j = left; j < center; j++) weights[j, i] = (double)(j - left) / (center - left);
            if (center < weights.GetLength(0)) weights[center, i] = 1;
            for (int j = center + 1; j < right; j++) weights[j, i] = (double)(right - j) / (right - center);
        }
        return weights;
    }

    private static UnsupportedModelException Unsupported(DType type) => new($"a Fourier transform of {type} is not computed", [$"Fourier transform of {type}"]);
}
