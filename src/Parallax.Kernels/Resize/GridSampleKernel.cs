using System.Numerics;
using Parallax.Kernels.Copy;

namespace Parallax.Kernels.Resize;

/// <summary>How a sample is made from its neighbours.</summary>
public enum SampleMode
{
    Nearest,
    Linear,
    Cubic,
}

/// <summary>What lies outside of the data.</summary>
public enum SampleOutside
{
    Zeros,
    Border,
    Reflection,
}

/// <summary>
/// Samples data [N, C, (D,) H, W] at the positions of a grid [N, .., 2 or 3]; a unit is one innermost row of positions. Offsets and weights of a
/// position are made once and used for all channels.
/// </summary>
public sealed unsafe class GridSampleKernel<T> : UnitKernel where T : unmanaged, IFloatingPointIeee754<T>
{
    private const int MostTaps = 4;

    private readonly SampleMode mode;
    private readonly SampleOutside outside;
    private readonly bool alignCorners, isFlat;
    private readonly long channels, columns, rowsPerImage, plane;
    private readonly long[] spatial, strides; // always three axes

    public GridSampleKernel(long[] data, long[] target, SampleMode mode, SampleOutside outside, bool alignCorners)
        : base($"grid_sample_{mode.ToString().ToLowerInvariant()}", Shape.Count(target) == 0 ? 0 : target[0] * Shape.Count(target.AsSpan(2, target.Length - 3)), target[1] * target[^1] * sizeof(T) * 8)
    {
        (this.mode, this.outside, this.alignCorners) = (mode, outside, alignCorners);
        isFlat = data.Length == 4;
        spatial = isFlat ? [1, data[2], data[3]] : data[2..];
        if (Shape.Count(spatial) == 0 && Shape.Count(target) > 0) throw new InvalidInputException("there is nothing to sample: the data is empty");
        strides = Shape.Strides(spatial);
        (channels, columns, plane) = (data[1], target[^1], Shape.Count(spatial));
        rowsPerImage = Shape.Count(target.AsSpan(2, target.Length - 3));
    }

    private struct Taps
    {
        internal int Count;
        internal fixed long Offset[MostTaps];
        internal fixed double Weight[MostTaps];
    }

    protected override void RunUnits(long start, long end, in KernelArgs args)
    {
        long* offsets = stackalloc long[MostTaps * MostTaps * MostTaps];
        T* weights = stackalloc T[MostTaps * MostTaps * MostTaps];
        int numbers = isFlat ? 2 : 3;
        for (long row = start; row < end; row++)
        {
            (long image, long inImage) = Math.DivRem(row, rowsPerImage);
            T* source = args.Input<T>(0) + image * channels * plane, target = args.Output<T>(0) + (image * channels * rowsPerImage + inImage) * columns;
            T* grid = args.Input<T>(1) + row * columns * numbers;
            for (long column = 0; column < columns; column++)
            {
                int count = Combine(grid + column * numbers, offsets, weights);
                for (long channel = 0; channel < channels; channel++)
                {
                    T sum = T.Zero;
                    T* data = source + channel * plane;
                    for (int i = 0; i < count; i++) sum += weights[i] * data[offsets[i]];
                    target[channel * rowsPerImage * columns + column] = sum;
                }
            }
        }
    }

    /// <summary>The neighbours of a position in all axes together; those without weight are left out.</summary>
    private int Combine(T* position, long* offsets, T* weights)
    {
        Taps x = Along(2, position[0]), y = Along(1, position[1]), z = isFlat ? Single() : Along(0, position[2]);
        int count = 0;
        for (int k = 0; k < z.Count; k++)
            for (int j = 0; j < y.Count; j++)
                for (int i = 0; i < x.Count; i++)
                {
                    offsets[count] = z.Offset[k] + y.Offset[j] + x.Offset[i];
                    weights[count++] = T.CreateTruncating(z.Weight[k] * y.Weight[j] * x.Weight[i]);
                }
        return count;
    }

    private static Taps Single()
    {
        var taps = new Taps { Count = 1 };
        taps.Weight[0] = 1;
        return taps;
    }

    private Taps Along(int axis, T normalized)
    {
        long length = spatial[axis];
        float position = Denormalize(float.CreateTruncating(normalized), length);
        if (mode == SampleMode.Nearest) position = MathF.Round(position, MidpointRounding.ToEven);
        double inside = Inside(float.IsNaN(position) ? -1 : Math.Clamp(position, -1e9f, 1e9f), length), floor = Math.Floor(inside), ratio = inside - floor;
        var taps = new Taps();
        switch (mode)
        {
            case SampleMode.Nearest:
                Add(ref taps, axis, (long)inside, 1);
                break;
            case SampleMode.Linear:
                Add(ref taps, axis, (long)floor, 1 - ratio);
                Add(ref taps, axis, (long)floor + 1, ratio);
                break;
            default:
                for (int k = -1; k < 3; k++) Add(ref taps, axis, (long)floor + k, Cubic(Math.Abs(ratio - k)));
                break;
        }
        return taps;
    }

    private float Denormalize(float n, long length) => alignCorners ? (n + 1) / 2 * (length - 1) : ((n + 1) * length - 1) / 2;

    private double Inside(double position, long length) => outside switch
    {
        SampleOutside.Border => Math.Clamp(position, 0, length - 1),
        SampleOutside.Reflection => Reflect(position, length),
        _ => position,
    };

    /// <summary>Mirrors a position at the borders of the data until it lies inside: at the centers of the corner pixels, or at their outer edges.</summary>
    private double Reflect(double position, long length)
    {
        double low = alignCorners ? 0 : -0.5, high = alignCorners ? length - 1 : length - 0.5, range = high - low;
        if (position >= low && position <= high) return position;
        if (range == 0) return low;
        double beyond = position < low ? low - position : position - high;
        double times = Math.Truncate(beyond / range), rest = beyond - times * range;
        return position < low == (times % 2 == 0) ? low + rest : high - rest;
    }

    private void Add(ref Taps taps, int axis, long at, double weight)
    {
        long length = spatial[axis];
        if (at < 0 || at >= length)
        {
            if (outside == SampleOutside.Zeros) return;
            at = Math.Clamp((long)Inside(at, length), 0, length - 1);
        }
        taps.Offset[taps.Count] = at * strides[axis];
        taps.Weight[taps.Count++] = weight;
    }

    /// <summary>Keys' cubic convolution kernel with a = -0.75.</summary>
    private static double Cubic(double x)
    {
        const double a = -0.75;
        return x <= 1 ? ((a + 2) * x - (a + 3)) * x * x + 1 : x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
    }
}

/// <summary>Positions from -1 to 1 after an affine map: matrices [N, n, n + 1], result [N, spatial axes, n] with x first.</summary>
public sealed unsafe class AffineGridKernel<T>(long batches, long[] spatial, bool alignCorners)
    : UnitKernel("affine_grid", batches * Shape.Count(spatial), spatial.Length * sizeof(T) * 4) where T : unmanaged, IFloatingPointIeee754<T>
{
    private readonly long places = Shape.Count(spatial);

    protected override void RunUnits(long start, long end, in KernelArgs args)
    {
        int n = spatial.Length;
        T* position = stackalloc T[n + 1];
        for (long unit = start; unit < end; unit++)
        {
            (long batch, long rest) = Math.DivRem(unit, places);
            for (int axis = n - 1; axis >= 0; axis--)
            {
                (rest, long at) = Math.DivRem(rest, spatial[axis]);
                position[n - 1 - axis] = Coordinate(at, spatial[axis]);
            }
            position[n] = T.One;
            T* matrix = args.Input<T>(0) + batch * n * (n + 1), target = args.Output<T>(0) + unit * n;
            for (int i = 0; i < n; i++)
            {
                T sum = T.Zero;
                for (int j = 0; j <= n; j++) sum += matrix[i * (n + 1) + j] * position[j];
                target[i] = sum;
            }
        }
    }

    private T Coordinate(long at, long length) => T.CreateTruncating(alignCorners
        ? length == 1 ? -1.0 : 2.0 * at / (length - 1) - 1
        : (2.0 * at + 1) / length - 1);
}
