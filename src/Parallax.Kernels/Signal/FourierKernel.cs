using System.Numerics;

namespace Parallax.Kernels.Signal;

/// <summary>Transforms many signals of one length: a block loads several side by side, so that every butterfly is a vector operation.</summary>
internal abstract unsafe class FourierKernel<T> : Kernel where T : unmanaged, IFloatingPointIeee754<T>
{
    private const int MaxBatch = 16, MaxBlockPoints = 1 << 16;

    private readonly FftPlan<T> plan;
    private readonly long signals;
    private readonly int batch;

    private protected FourierKernel(int length, long signals)
    {
        plan = new FftPlan<T>(length);
        this.signals = signals;
        batch = (int)Math.Clamp(Math.Min(signals, MaxBlockPoints / Math.Max(1, length)), 1, MaxBatch);
    }

    private protected int Length => plan.Length;

    public sealed override int BlockCount(int phase) => checked((int)((signals + batch - 1) / batch));

    public sealed override long WorkerScratchBytes => (2L * Length * batch + plan.WorkElements(batch)) * sizeof(T);

    public sealed override void RunBlock(int phase, int block, in KernelArgs args)
    {
        long first = (long)block * batch;
        int count = (int)Math.Min(batch, signals - first);
        T* real = (T*)args.WorkerScratch, imaginary = real + (long)Length * count, work = imaginary + (long)Length * count;
        for (int b = 0; b < count; b++) Load(args, first + b, real + b, imaginary + b, count);
        plan.Run(ref real, ref imaginary, work, count);
        for (int b = 0; b < count; b++) Store(args, first + b, real + b, imaginary + b, count);
    }

    /// <summary>A real signal's lowest and highest bins are real; rounding would say otherwise.</summary>
    private protected bool IsReal(int bin, int parts) => parts == 1 && (bin == 0 || 2 * bin == Length);

    /// <summary>Writes the points of one signal, <paramref name="step"/> elements apart.</summary>
    private protected abstract void Load(in KernelArgs args, long signal, T* real, T* imaginary, int step);

    /// <summary>Reads the bins of one signal, <paramref name="step"/> elements apart.</summary>
    private protected abstract void Store(in KernelArgs args, long signal, T* real, T* imaginary, int step);
}

/// <summary>The discrete Fourier transform along one axis.</summary>
internal sealed unsafe class DftKernel<T> : FourierKernel<T> where T : unmanaged, IFloatingPointIeee754<T>
{
    private readonly long inner;
    private readonly int available, parts, results, resultParts;
    private readonly bool inverse, oneSided;

    /// <param name="dims">Of the input; the last is 1 or 2.</param>
    internal DftKernel(ReadOnlySpan<long> dims, int axis, int length, bool inverse, bool oneSided)
        : base(length, Shape.Count(dims[..axis]) * Shape.Count(dims[(axis + 1)..^1]))
    {
        inner = Shape.Count(dims[(axis + 1)..^1]);
        available = checked((int)dims[axis]);
        parts = (int)dims[^1];
        results = oneSided && !inverse ? length / 2 + 1 : length;
        resultParts = oneSided && inverse ? 1 : 2;
        (this.inverse, this.oneSided) = (inverse, oneSided);
    }

    public override string Name => $"dft_f{8 * sizeof(T)}_{Length}";

    private protected override void Load(in KernelArgs args, long signal, T* real, T* imaginary, int step)
    {
        T* source = args.Input<T>(0) + Start(signal, available, parts);
        if (inverse) FftPlan<T>.Swap(ref real, ref imaginary);
        bool mirrored = inverse && oneSided;
        int given = Math.Min(available, mirrored ? Length / 2 + 1 : Length);
        for (int t = 0; t < Length; t++)
        {
            int from = t < given ? t : mirrored ? Length - t : -1;
            bool there = from >= 0 && from < given;
            T* point = source + from * inner * parts;
            T imaginaryPart = there && parts == 2 ? point[1] : T.Zero;
            real[(long)t * step] = there ? point[0] : T.Zero;
            imaginary[(long)t * step] = from == t ? imaginaryPart : -imaginaryPart;
        }
    }

    private protected override void Store(in KernelArgs args, long signal, T* real, T* imaginary, int step)
    {
        T* target = args.Output<T>(0) + Start(signal, results, resultParts);
        if (inverse) FftPlan<T>.Swap(ref real, ref imaginary);
        T scale = inverse ? T.One / T.CreateChecked(Length) : T.One;
        for (int k = 0; k < results; k++)
        {
            T* bin = target + k * inner * resultParts;
            bin[0] = real[(long)k * step] * scale;
            if (resultParts == 2) bin[1] = IsReal(k, parts) ? T.Zero : imaginary[(long)k * step] * scale;
        }
    }

    private long Start(long signal, int points, int partCount)
    {
        (long outer, long at) = Math.DivRem(signal, inner);
        return (outer * points * inner + at) * partCount;
    }
}

/// <summary>Fourier transforms of overlapping, weighted frames. Inputs: signal, unused, window (may be absent).</summary>
internal sealed unsafe class StftKernel<T> : FourierKernel<T> where T : unmanaged, IFloatingPointIeee754<T>
{
    private readonly long signalLength, frames, frameStep;
    private readonly int parts, bins;

    /// <param name="dims">Of the signal: [batch x length x 1 or 2].</param>
    internal StftKernel(ReadOnlySpan<long> dims, int length, long frames, long frameStep, bool oneSided) : base(length, dims[0] * frames)
    {
        (signalLength, parts) = (dims[1], (int)dims[2]);
        (this.frames, this.frameStep) = (frames, frameStep);
        bins = oneSided ? length / 2 + 1 : length;
    }

    public override string Name => $"stft_f{8 * sizeof(T)}_{Length}";

    private protected override void Load(in KernelArgs args, long signal, T* real, T* imaginary, int step)
    {
        (long item, long frame) = Math.DivRem(signal, frames);
        T* source = args.Input<T>(0) + (item * signalLength + frame * frameStep) * parts, window = args.Input<T>(2);
        for (int t = 0; t < Length; t++)
        {
            T weight = window is null ? T.One : window[t];
            real[(long)t * step] = source[(long)t * parts] * weight;
            imaginary[(long)t * step] = parts == 2 ? source[(long)t * parts + 1] * weight : T.Zero;
        }
    }

    private protected override void Store(in KernelArgs args, long signal, T* real, T* imaginary, int step)
    {
        T* target = args.Output<T>(0) + signal * bins * 2;
        for (int k = 0; k < bins; k++)
            (target[2 * k], target[2 * k + 1]) = (real[(long)k * step], IsReal(k, parts) ? T.Zero : imaginary[(long)k * step]);
    }
}
