using System.Numerics;
using System.Numerics.Tensors;

namespace Parallax.Kernels;

/// <summary>
/// A convolution of images [Batch, InputChannels, H, W] whose taps are moved by offsets. Inputs by position: 0 X, 1 W [OutputChannels, InputChannels / Groups, taps],
/// 2 offsets [Batch, OffsetGroups, taps, 2, rows, columns] (down, then right), 3 bias [OutputChannels] (where <see cref="HasBias"/>), 4 mask
/// [Batch, OffsetGroups, taps, rows, columns] (where <see cref="HasMask"/>). All are contiguous.
/// </summary>
/// <param name="Axes">Down and right; results, strides and padding as in a convolution.</param>
public sealed record DeformConvProblem(int Batch, int Groups, int OffsetGroups, int InputChannels, int OutputChannels, WindowAxis[] Axes)
{
    public bool HasBias { get; init; }

    public bool HasMask { get; init; }

    internal int Taps => checked((int)(Axes[0].Kernel * Axes[1].Kernel));

    public static Kernel Create(DType type, DeformConvProblem problem) => type switch
    {
        DType.Float32 => new DeformConvKernel<float>(problem),
        DType.Float64 => new DeformConvKernel<double>(problem),
        _ => throw new UnsupportedModelException($"DeformConv of {type} is not supported", [$"DeformConv of {type}"]),
    };
}

/// <summary>
/// A block is one row of results of one image: what the taps of all input channels read there, and then its product with the weights.
/// </summary>
internal sealed unsafe class DeformConvKernel<T>(DeformConvProblem problem) : Kernel where T : unmanaged, IFloatingPointIeee754<T>
{
    private const int Corners = 4;

    private readonly WindowAxis down = problem.Axes[0], right = problem.Axes[1];
    private readonly int taps = problem.Taps, rows = checked((int)problem.Axes[0].Output), columns = checked((int)problem.Axes[1].Output);
    private readonly nint plane = checked((nint)(problem.Axes[0].Input * problem.Axes[1].Input));

    public override string Name => $"deform_conv_{typeof(T).Name.ToLowerInvariant()}";

    public override int BlockCount(int phase) => columns == 0 ? 0 : checked(problem.Batch * rows);

    /// <summary>The samples of a row [input channel, tap, column], then places and weights of the corners of one tap [column, corner].</summary>
    public override long WorkerScratchBytes => ((long)problem.InputChannels * taps + Corners) * columns * sizeof(T) + (long)Corners * columns * sizeof(long);

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        (int image, int row) = Math.DivRem(block, rows);
        long* places = (long*)args.WorkerScratch;
        T* weights = (T*)(places + Corners * columns), samples = weights + Corners * columns;
        int channels = problem.InputChannels / problem.OffsetGroups;
        for (int group = 0; group < problem.OffsetGroups; group++)
            for (int tap = 0; tap < taps; tap++)
            {
                FindCorners(image * problem.OffsetGroups + group, tap, row, places, weights, args);
                for (int channel = group * channels; channel < (group + 1) * channels; channel++)
                    Sample(args.Input<T>(0) + ((nint)image * problem.InputChannels + channel) * plane, places, weights, samples + ((nint)channel * taps + tap) * columns);
            }
        for (int channel = 0; channel < problem.OutputChannels; channel++)
            Multiply(channel, samples, args.Output<T>(0) + (((nint)image * problem.OutputChannels + channel) * rows + row) * columns, args);
    }

    /// <summary>Where a tap reads for every result of a row, and how much of each of the four elements around.</summary>
    private void FindCorners(int imageGroup, int tap, int row, long* places, T* weights, in KernelArgs args)
    {
        nint results = (nint)rows * columns, at = (nint)row * columns;
        T* moved = args.Input<T>(2) + ((nint)imageGroup * taps + tap) * 2 * results + at;
        T* mask = problem.HasMask ? args.Input<T>(4) + ((nint)imageGroup * taps + tap) * results + at : null;
        (int y, int x) = Math.DivRem(tap, (int)right.Kernel);
        T top = T.CreateTruncating(down.Start(row) + y * down.Dilation);
        for (int column = 0; column < columns; column++)
        {
            T h = top + moved[column], w = T.CreateTruncating(right.Start(column) + x * right.Dilation) + moved[column + results];
            FindCorners(h, w, mask is null ? T.One : mask[column], places + Corners * column, weights + Corners * column);
        }
    }

    private void FindCorners(T h, T w, T scale, long* places, T* weights)
    {
        // A position that is no number reads nothing, as one far outside does.
        if (!(h > -T.One && w > -T.One && h < T.CreateTruncating(down.Input) && w < T.CreateTruncating(right.Input)))
        {
            new Span<long>(places, Corners).Clear();
            new Span<T>(weights, Corners).Clear();
            return;
        }
        T low = T.Floor(h), left = T.Floor(w), fractionDown = h - low, fractionRight = w - left;
        long y = long.CreateTruncating(low), x = long.CreateTruncating(left);
        for (int corner = 0; corner < Corners; corner++)
        {
            int below = corner >> 1, beside = corner & 1;
            bool inside = y + below >= 0 && y + below < down.Input && x + beside >= 0 && x + beside < right.Input;
            places[corner] = inside ? (y + below) * right.Input + x + beside : 0;
            weights[corner] = inside ? scale * (below == 0 ? T.One - fractionDown : fractionDown) * (beside == 0 ? T.One - fractionRight : fractionRight) : T.Zero;
        }
    }

    private void Sample(T* data, long* places, T* weights, T* samples)
    {
        for (int column = 0; column < columns; column++, places += Corners, weights += Corners)
            samples[column] = weights[0] * Read(0) + weights[1] * Read(1) + weights[2] * Read(2) + weights[3] * Read(3);

        // A corner that counts nothing is not read: an infinity there must not become no number.
        T Read(int corner) => weights[corner] == T.Zero ? T.Zero : data[places[corner]];
    }

    private void Multiply(int channel, T* samples, T* result, in KernelArgs args)
    {
        int depth = problem.InputChannels / problem.Groups * taps;
        var sums = new Span<T>(result, columns);
        sums.Fill(problem.HasBias ? args.Input<T>(3)[channel] : T.Zero);
        T* filter = args.Input<T>(1) + (nint)channel * depth, source = samples + (nint)(channel / (problem.OutputChannels / problem.Groups)) * depth * columns;
        for (int k = 0; k < depth; k++)
            TensorPrimitives.MultiplyAdd(new ReadOnlySpan<T>(source + (nint)k * columns, columns), filter[k], sums, sums);
    }
}
