using System.Numerics;

namespace Parallax.Kernels.Signal;

/// <summary>
/// Forward discrete Fourier transforms of one length, any number of signals at a time: point t of signal b lies at <c>t * batch + b</c>,
/// real and imaginary parts apart. Lengths whose prime factors are small go through a mixed-radix Stockham transform (no bit reversal;
/// https://en.wikipedia.org/wiki/Fast_Fourier_transform, self-sorting forms); others through Bluestein's convolution with a chirp.
/// Immutable: one plan serves all threads.
/// </summary>
internal sealed unsafe class FftPlan<T> where T : unmanaged, IFloatingPointIeee754<T>
{
    private const int LargestRadix = 13;

    private readonly int[] radices;
    private readonly T[][] cosines, sines;
    private readonly T[] rootCosines = [], rootSines = []; // all radix-th roots of one, radix after radix
    private readonly FftPlan<T>? convolution;
    private readonly T[] chirpCosines = [], chirpSines = [], kernelReal = [], kernelImaginary = [];

    internal FftPlan(int length)
    {
        Length = length;
        radices = Factor(length);
        cosines = new T[radices.Length][];
        sines = new T[radices.Length][];
        if (length > 1 && radices.Length == 0)
        {
            convolution = new FftPlan<T>((int)BitOperations.RoundUpToPowerOf2((uint)(2 * length - 1)));
            (chirpCosines, chirpSines) = Chirp(length);
            (kernelReal, kernelImaginary) = TransformedChirp();
            return;
        }
        (rootCosines, rootSines) = Roots();
        int left = length;
        for (int stage = 0; stage < radices.Length; stage++)
        {
            (cosines[stage], sines[stage]) = Twiddles(left, radices[stage]);
            left /= radices[stage];
        }
    }

    internal int Length { get; }

    /// <summary>Elements of scratch that <see cref="Run"/> needs.</summary>
    internal long WorkElements(int batch) => convolution is null ? 2L * Length * batch : 4L * convolution.Length * batch;

    /// <summary>Transforms in place of <paramref name="real"/> and <paramref name="imaginary"/>, or into the scratch: the result is where they point afterwards.</summary>
    internal void Run(ref T* real, ref T* imaginary, T* work, int batch)
    {
        if (convolution is not null)
        {
            Convolve(real, imaginary, work, batch);
            return;
        }
        T* otherReal = work, otherImaginary = work + (long)Length * batch;
        int left = Length;
        long stride = batch;
        for (int stage = 0; stage < radices.Length; stage++)
        {
            var pass = new Pass(real, imaginary, otherReal, otherImaginary, left / radices[stage], stride);
            fixed (T* c = cosines[stage], s = sines[stage])
                RunStage(radices[stage], pass, c, s);
            Swap(ref real, ref otherReal);
            Swap(ref imaginary, ref otherImaginary);
            left /= radices[stage];
            stride *= radices[stage];
        }
    }

    internal static void Swap(ref T* a, ref T* b)
    {
        T* kept = a;
        a = b;
        b = kept;
    }

    /// <summary>Where one stage reads and writes.</summary>
    private readonly struct Pass(T* fromReal, T* fromImaginary, T* toReal, T* toImaginary, int groups, long stride)
    {
        internal readonly T* FromReal = fromReal, FromImaginary = fromImaginary, ToReal = toReal, ToImaginary = toImaginary;
        internal readonly int Groups = groups;
        internal readonly long Stride = stride;
    }

    private void RunStage(int radix, in Pass pass, T* cos, T* sin)
    {
        for (int group = 0; group < pass.Groups; group++)
        {
            T* c = cos + group * (radix - 1), s = sin + group * (radix - 1);
            long q = 0;
            for (; q + Vector<T>.Count <= pass.Stride; q += Vector<T>.Count) Butterfly<WideLane<T>>(radix, pass, group, q, c, s);
            for (; q < pass.Stride; q++) Butterfly<OneLane<T>>(radix, pass, group, q, c, s);
        }
    }

    private void Butterfly<L>(int radix, in Pass pass, int group, long q, T* cos, T* sin) where L : struct, IFftLane<L, T>
    {
        if (radix == 4) Butterfly4<L>(pass, group, q, cos, sin);
        else if (radix == 2) Butterfly2<L>(pass, group, q, cos, sin);
        else ButterflyAny<L>(radix, pass, group, q, cos, sin);
    }

    private static void Butterfly2<L>(in Pass pass, int group, long q, T* cos, T* sin) where L : struct, IFftLane<L, T>
    {
        long from = pass.Stride * group + q, skip = pass.Stride * pass.Groups, to = pass.Stride * 2 * group + q;
        L ar = L.Load(pass.FromReal + from), ai = L.Load(pass.FromImaginary + from);
        L br = L.Load(pass.FromReal + from + skip), bi = L.Load(pass.FromImaginary + from + skip);
        (ar + br).Store(pass.ToReal + to);
        (ai + bi).Store(pass.ToImaginary + to);
        Rotate(ar - br, ai - bi, cos[0], sin[0], pass, to + pass.Stride);
    }

    private static void Butterfly4<L>(in Pass pass, int group, long q, T* cos, T* sin) where L : struct, IFftLane<L, T>
    {
        long from = pass.Stride * group + q, skip = pass.Stride * pass.Groups, to = pass.Stride * 4 * group + q;
        L ar = L.Load(pass.FromReal + from), ai = L.Load(pass.FromImaginary + from);
        L br = L.Load(pass.FromReal + from + skip), bi = L.Load(pass.FromImaginary + from + skip);
        L cr = L.Load(pass.FromReal + from + 2 * skip), ci = L.Load(pass.FromImaginary + from + 2 * skip);
        L dr = L.Load(pass.FromReal + from + 3 * skip), di = L.Load(pass.FromImaginary + from + 3 * skip);
        L evenR = ar + cr, evenI = ai + ci, oddR = br + dr, oddI = bi + di;
        L evenDifferenceR = ar - cr, evenDifferenceI = ai - ci, oddDifferenceR = br - dr, oddDifferenceI = bi - di;
        (evenR + oddR).Store(pass.ToReal + to);
        (evenI + oddI).Store(pass.ToImaginary + to);
        Rotate(evenDifferenceR + oddDifferenceI, evenDifferenceI - oddDifferenceR, cos[0], sin[0], pass, to + pass.Stride);
        Rotate(evenR - oddR, evenI - oddI, cos[1], sin[1], pass, to + 2 * pass.Stride);
        Rotate(evenDifferenceR - oddDifferenceI, evenDifferenceI + oddDifferenceR, cos[2], sin[2], pass, to + 3 * pass.Stride);
    }

    private void ButterflyAny<L>(int radix, in Pass pass, int group, long q, T* cos, T* sin) where L : struct, IFftLane<L, T>
    {
        long from = pass.Stride * group + q, skip = pass.Stride * pass.Groups, to = pass.Stride * radix * group + q;
        ReadOnlySpan<T> rootCos = rootCosines.AsSpan(RootStart(radix), radix), rootSin = rootSines.AsSpan(RootStart(radix), radix);
        for (int j = 0; j < radix; j++)
        {
            L sumR = L.Load(pass.FromReal + from), sumI = L.Load(pass.FromImaginary + from);
            for (int k = 1, root = j; k < radix; k++, root = root + j >= radix ? root + j - radix : root + j)
            {
                L r = L.Load(pass.FromReal + from + k * skip), i = L.Load(pass.FromImaginary + from + k * skip);
                L c = L.Create(rootCos[root]), s = L.Create(rootSin[root]);
                sumR += r * c - i * s;
                sumI += r * s + i * c;
            }
            if (j > 0)
            {
                Rotate(sumR, sumI, cos[j - 1], sin[j - 1], pass, to + j * pass.Stride);
                continue;
            }
            sumR.Store(pass.ToReal + to);
            sumI.Store(pass.ToImaginary + to);
        }
    }

    private static void Rotate<L>(L real, L imaginary, T cos, T sin, in Pass pass, long to) where L : struct, IFftLane<L, T>
    {
        L c = L.Create(cos), s = L.Create(sin);
        (real * c - imaginary * s).Store(pass.ToReal + to);
        (real * s + imaginary * c).Store(pass.ToImaginary + to);
    }

    /// <summary>Bluestein: X_k = w_k sum_t (x_t w_t) conj(w_{k-t}) with w_t = exp(-i pi t^2 / n), the sum as a cyclic convolution of a power of two.</summary>
    private void Convolve(T* real, T* imaginary, T* work, int batch)
    {
        int size = convolution!.Length;
        long all = (long)size * batch;
        T* r = work, i = work + all, inner = work + 2 * all;
        for (int t = 0; t < Length; t++)
            Multiply(real + (long)t * batch, imaginary + (long)t * batch, r + (long)t * batch, i + (long)t * batch, batch, chirpCosines[t], chirpSines[t], swap: false);
        new Span<T>(r + (long)Length * batch, checked((int)(all - (long)Length * batch))).Clear();
        new Span<T>(i + (long)Length * batch, checked((int)(all - (long)Length * batch))).Clear();
        convolution.Run(ref r, ref i, inner, batch);
        // The inverse transform is the forward one of the parts exchanged.
        for (int t = 0; t < size; t++)
            Multiply(r + (long)t * batch, i + (long)t * batch, r + (long)t * batch, i + (long)t * batch, batch, kernelReal[t], kernelImaginary[t], swap: true);
        inner = r == work ? work + 2 * all : work;
        convolution.Run(ref r, ref i, inner, batch);
        for (int k = 0; k < Length; k++)
            Multiply(i + (long)k * batch, r + (long)k * batch, real + (long)k * batch, imaginary + (long)k * batch, batch, chirpCosines[k], chirpSines[k], swap: false);
    }

    private static void Multiply(T* fromReal, T* fromImaginary, T* toReal, T* toImaginary, int count, T real, T imaginary, bool swap)
    {
        for (int b = 0; b < count; b++)
        {
            T r = fromReal[b] * real - fromImaginary[b] * imaginary, i = fromReal[b] * imaginary + fromImaginary[b] * real;
            (toReal[b], toImaginary[b]) = swap ? (i, r) : (r, i);
        }
    }

    /// <summary>Radices whose product is the length, 4 first; none where a prime factor is too large (or the length is 1).</summary>
    private static int[] Factor(int length)
    {
        var factors = new List<int>();
        foreach (int radix in (ReadOnlySpan<int>)[4, 2, 3, 5, 7, 11, LargestRadix])
            for (; length % radix == 0; length /= radix) factors.Add(radix);
        return length == 1 ? [.. factors] : [];
    }

    private static (T[] Cos, T[] Sin) Twiddles(int length, int radix)
    {
        var cos = new T[length / radix * (radix - 1)];
        var sin = new T[cos.Length];
        for (int p = 0; p < length / radix; p++)
            for (int j = 1; j < radix; j++)
                (cos[p * (radix - 1) + j - 1], sin[p * (radix - 1) + j - 1]) = Root((long)p * j % length, length);
        return (cos, sin);
    }

    private static int RootStart(int radix) => radix switch { 3 => 0, 5 => 3, 7 => 8, 11 => 15, _ => 26 };

    private static (T[] Cos, T[] Sin) Roots()
    {
        var cos = new T[26 + LargestRadix];
        var sin = new T[cos.Length];
        foreach (int radix in (ReadOnlySpan<int>)[3, 5, 7, 11, LargestRadix])
            for (int k = 0; k < radix; k++) (cos[RootStart(radix) + k], sin[RootStart(radix) + k]) = Root(k, radix);
        return (cos, sin);
    }

    /// <summary>exp(-2 pi i k / n).</summary>
    private static (T Cos, T Sin) Root(long k, long n)
    {
        (double sin, double cos) = Math.SinCos(-2 * Math.PI * k / n);
        return (T.CreateChecked(cos), T.CreateChecked(sin));
    }

    private static (T[] Cos, T[] Sin) Chirp(int length)
    {
        var cos = new T[length];
        var sin = new T[length];
        for (long t = 0; t < length; t++) (cos[t], sin[t]) = Root(t * t % (2L * length), 2L * length);
        return (cos, sin);
    }

    private (T[] Real, T[] Imaginary) TransformedChirp()
    {
        int size = convolution!.Length;
        var real = new T[size];
        var imaginary = new T[size];
        for (int t = 0; t < Length; t++)
        {
            (real[t], imaginary[t]) = (chirpCosines[t], -chirpSines[t]);
            if (t > 0) (real[size - t], imaginary[size - t]) = (real[t], imaginary[t]);
        }
        var work = new T[2 * size];
        fixed (T* r = real, i = imaginary, w = work)
        {
            T* resultReal = r, resultImaginary = i;
            convolution.Run(ref resultReal, ref resultImaginary, w, 1);
            T scale = T.One / T.CreateChecked(size);
            T[] scaledReal = new T[size], scaledImaginary = new T[size];
            for (int t = 0; t < size; t++) (scaledReal[t], scaledImaginary[t]) = (resultReal[t] * scale, resultImaginary[t] * scale);
            return (scaledReal, scaledImaginary);
        }
    }
}
