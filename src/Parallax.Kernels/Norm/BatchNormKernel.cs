using System.Numerics;
using System.Numerics.Tensors;
using Parallax.Kernels.Reduce;

namespace Parallax.Kernels.Norm;

/// <summary>
/// Batch normalization of [batch, channels, spatial]. Phase 0 makes factor and offset of each channel (in training from the batch's own
/// statistics), phase 1 applies them. Inputs data, scale, bias, mean, variance; outputs result, and in training running mean and variance.
/// </summary>
internal sealed unsafe class BatchNormKernel<T> : Kernel where T : unmanaged, IFloatingPointIeee754<T>
{
    private readonly long batch, channels, spatial, rowsPerBlock;
    private readonly T epsilon, momentum;
    private readonly bool training, keepsMean, keepsVariance;

    internal BatchNormKernel(long batch, long channels, long spatial, double epsilon, double momentum, bool training, bool keepsMean, bool keepsVariance)
    {
        (this.batch, this.channels, this.spatial, this.training) = (batch, channels, spatial, training);
        (this.keepsMean, this.keepsVariance) = (keepsMean, keepsVariance);
        this.epsilon = T.CreateChecked(epsilon);
        this.momentum = T.CreateChecked(momentum);
        rowsPerBlock = Math.Max(1, 16384 / Math.Max(1, RowLength));
    }

    public override string Name => $"batchnorm_{typeof(T).Name.ToLowerInvariant()}{(training ? "_training" : "")}";

    public override int PhaseCount => 2;

    public override int BlockCount(int phase) => phase == 0 ? training ? (int)channels : 1 : (int)((Rows + rowsPerBlock - 1) / rowsPerBlock);

    public override long ScratchBytes => 2 * channels * sizeof(T);

    public override bool CanRunInPlace(int input) => input == 0;

    // Without spatial dims a row is all channels of a batch item, otherwise one channel of it.
    private long RowLength => spatial == 1 ? channels : spatial;

    private long Rows => spatial == 1 ? batch : batch * channels;

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        T* factor = (T*)args.Scratch, offset = factor + channels;
        if (phase == 1) Apply(block, args, factor, offset);
        else if (training) Train(block, args, factor, offset);
        else
            for (long c = 0; c < channels; c++) SetChannel(c, args, args.Input<T>(3)[c], args.Input<T>(4)[c], factor, offset);
    }

    private void SetChannel(long c, in KernelArgs args, T mean, T variance, T* factor, T* offset)
    {
        factor[c] = args.Input<T>(1)[c] / T.Sqrt(variance + epsilon);
        offset[c] = args.Input<T>(2)[c] - mean * factor[c];
    }

    private void Train(long c, in KernelArgs args, T* factor, T* offset)
    {
        T count = T.CreateChecked(batch * spatial), sum = T.Zero, square = T.Zero;
        T* data = args.Input<T>(0) + c * spatial;
        for (long n = 0; n < batch; n++) sum += VectorFold.Sum(new ReadOnlySpan<T>(data + n * channels * spatial, (int)spatial));
        T mean = sum / count;
        for (long n = 0; n < batch; n++) square += VectorFold.SumOfSquaredDifferences(new ReadOnlySpan<T>(data + n * channels * spatial, (int)spatial), mean);
        T variance = square / count;
        SetChannel(c, args, mean, variance, factor, offset);
        if (keepsMean) args.Output<T>(1)[c] = args.Input<T>(3)[c] * momentum + mean * (T.One - momentum);
        if (keepsVariance) args.Output<T>(2)[c] = args.Input<T>(4)[c] * momentum + variance * (T.One - momentum);
    }

    private void Apply(int block, in KernelArgs args, T* factor, T* offset)
    {
        int length = (int)RowLength;
        long end = Math.Min(Rows, (block + 1) * rowsPerBlock);
        for (long row = block * rowsPerBlock; row < end; row++)
        {
            ReadOnlySpan<T> x = new(args.Input<T>(0) + row * length, length);
            Span<T> y = new(args.Output<T>(0) + row * length, length);
            if (spatial == 1) TensorPrimitives.MultiplyAdd(x, new ReadOnlySpan<T>(factor, length), new ReadOnlySpan<T>(offset, length), y);
            else Line(x, y, factor[row % channels], offset[row % channels]);
        }
    }

    private static void Line(ReadOnlySpan<T> x, Span<T> y, T factor, T offset)
    {
        int i = 0;
        Vector<T> a = new(factor), b = new(offset);
        for (; i + Vector<T>.Count <= x.Length; i += Vector<T>.Count) (new Vector<T>(x[i..]) * a + b).CopyTo(y[i..]);
        for (; i < x.Length; i++) y[i] = x[i] * factor + offset;
    }
}
