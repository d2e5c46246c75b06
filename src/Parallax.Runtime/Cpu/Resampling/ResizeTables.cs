using Parallax.Graphs.Ops;
using Parallax.Kernels.Copy;
using Parallax.Kernels.Resize;

namespace Parallax.Runtime.Cpu.Resampling;

/// <summary>From a <see cref="Resize"/> to tables of neighbours and weights, one axis at a time; the formulas are those of ONNX's specification, in float64.</summary>
/// <param name="Start">First end of the region along the axis, for TfCropAndResize.</param>
/// <param name="End">Second end of the region.</param>
internal readonly record struct ResizeTables(Resize Op, long InLength, ResizedAxis Axis, double Start, double End)
{
    /// <summary>A table for each axis of the data.</summary>
    /// <exception cref="InvalidModelException">The region that the coordinates need is not there, or not as they need it.</exception>
    internal static ResizeTables[] Of(Resize op, OperandFacts x)
    {
        long[] dims = x.Dims(0);
        Tensor? scales = x.Has(2) ? Resize.Given(x.Inputs[2])?.Constant : null;
        long[]? sizes = x.Has(3) && Resize.Given(x.Inputs[3]) is { } fact && fact.TryGetInts(out long[] known) ? known : null;
        ResizedAxis[] axes = op.Resolve(dims, scales, sizes) ?? throw new InvalidOperationException("neither scales nor sizes are known");
        (double Start, double End)[] region = Region(op, x, dims.Length);
        return [.. axes.Select((axis, i) => new ResizeTables(op, dims[i], axis, region[i].Start, region[i].End))];
    }

    /// <summary>The region of every axis; all of it where the operator's input does not say.</summary>
    private static (double, double)[] Region(Resize op, OperandFacts x, int rank)
    {
        var region = new (double, double)[rank];
        Array.Fill(region, (0, 1));
        if (op.Coordinates != ResizeCoordinates.TfCropAndResize) return region;
        Tensor roi = x.Constant(1) ?? throw new InvalidModelException("coordinates tf_crop_and_resize need a region");
        double[] ends = roi.DType switch
        {
            DType.Float32 => Array.ConvertAll(roi.Span<float>().ToArray(), v => (double)v),
            DType.Float64 => roi.Span<double>().ToArray(),
            DType.Float16 => Array.ConvertAll(roi.Span<Half>().ToArray(), v => (double)v),
            _ => throw new InvalidModelException($"the region must be float, got {roi}"),
        };
        int[] axes = op.For(rank);
        if (ends.Length != 2 * axes.Length) throw new InvalidModelException($"the region has {ends.Length} numbers for {axes.Length} axes");
        for (int i = 0; i < axes.Length; i++) region[axes[i]] = (ends[i], ends[axes.Length + i]);
        return region;
    }

    /// <summary>Source offsets for nearest neighbours, in units of <paramref name="stride"/>.</summary>
    internal long[] Nearest(long stride)
    {
        var table = new long[Axis.Length];
        for (long x = 0; x < table.Length; x++)
            table[x] = IsOutside(Position(x)) ? TableCopyKernel.Outside : NearestTo(Position(x)) * stride;
        return table;
    }

    internal AxisWeights Weights()
    {
        int taps = TapsAndFirst(out int before);
        var indices = new int[Axis.Length * taps];
        var weights = new double[indices.Length];
        var bias = new double[Axis.Length];
        for (int x = 0; x < Axis.Length; x++)
        {
            double position = Position(x);
            if (IsOutside(position))
            {
                bias[x] = Op.Extrapolation;
                continue;
            }
            long floor = (long)Math.Floor(position);
            FillWeights(weights.AsSpan(x * taps, taps), position - floor, before);
            for (int k = 0; k < taps; k++)
            {
                long at = floor - before + k;
                if (Op.ExcludeOutside && (at < 0 || at >= InLength)) weights[x * taps + k] = 0;
                indices[x * taps + k] = (int)Math.Clamp(at, 0, InLength - 1);
            }
            if (Op.ExcludeOutside) Normalize(weights.AsSpan(x * taps, taps));
        }
        return new AxisWeights(InLength, taps, indices, weights, bias.Any(b => b != 0) ? bias : []);
    }

    private double Position(long x)
    {
        double scale = Axis.Scale, scaled = Axis.Scaled;
        switch (Op.Coordinates)
        {
            case ResizeCoordinates.AlignCorners:
                return scaled == 1 ? 0 : x * (double)(InLength - 1) / (scaled - 1);
            case ResizeCoordinates.Asymmetric:
                return x / scale;
            case ResizeCoordinates.PytorchHalfPixel:
                return scaled == 1 ? -0.5 : (x + 0.5) / scale - 0.5;
            case ResizeCoordinates.TfHalfPixelForNearest:
                return (x + 0.5) / scale;
            case ResizeCoordinates.HalfPixelSymmetric:
                return InLength / 2.0 * (1 - Axis.Length / scaled) + (x + 0.5) / scale - 0.5;
            case ResizeCoordinates.TfCropAndResize:
                return (scaled == 1 ? (End - Start) * (InLength - 1) / 2 : x * (End - Start) * (InLength - 1) / (scaled - 1)) + Start * (InLength - 1);
            default:
                return (x + 0.5) / scale - 0.5;
        }
    }

    private bool IsOutside(double position) => Op.Coordinates == ResizeCoordinates.TfCropAndResize && (position < 0 || position > InLength - 1);

    private long NearestTo(double position)
    {
        double floor = Math.Floor(position), ratio = position - floor;
        bool up = ratio > 0 && Op.Rounding switch
        {
            ResizeRounding.PreferFloor => ratio > 0.5,
            ResizeRounding.PreferCeil => ratio >= 0.5,
            ResizeRounding.Floor => false,
            _ => true,
        };
        return Math.Clamp((long)floor + (up ? 1 : 0), 0, InLength - 1);
    }

    private bool IsWidened => Op.Antialias && Axis.Scale < 1;

    /// <summary>How many neighbours weigh in, and how many of them come before the one at the floor of a position.</summary>
    private int TapsAndFirst(out int before)
    {
        int reach = Op.Mode == ResizeMode.Linear ? 1 : 2;
        before = IsWidened ? (int)Math.Ceiling(reach / Axis.Scale) : reach - 1;
        return IsWidened ? 2 * before + 2 : 2 * reach;
    }

    private void FillWeights(Span<double> weights, double ratio, int before)
    {
        double scale = IsWidened ? Axis.Scale : 1;
        for (int k = 0; k < weights.Length; k++)
        {
            double distance = Math.Abs(k - before - ratio) * scale;
            weights[k] = Op.Mode == ResizeMode.Linear ? Math.Max(0, 1 - distance) : Cubic(distance, Op.CubicA);
        }
        if (IsWidened) Normalize(weights);
    }

    /// <summary>Keys' cubic convolution kernel (IEEE ASSP 29, 1981).</summary>
    private static double Cubic(double x, double a) => x <= 1
        ? ((a + 2) * x - (a + 3)) * x * x + 1
        : x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;

    private static void Normalize(Span<double> weights)
    {
        double sum = 0;
        foreach (double weight in weights) sum += weight;
        if (sum == 0) return;
        foreach (ref double weight in weights) weight /= sum;
    }
}
