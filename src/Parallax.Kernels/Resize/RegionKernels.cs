using System.Numerics;
using Parallax.Kernels.Copy;

namespace Parallax.Kernels.Resize;

/// <summary>What pooling of regions works on: data [N, C, H, W], result [R, C, height, width].</summary>
/// <param name="Scale">From the regions' coordinates to the data's.</param>
public sealed record RegionPooling(long[] Data, long[] Target, float Scale)
{
    internal long Channels => Data[1];

    internal long Rows => Data[2];

    internal long Columns => Data[3];

    internal long Plane => Data[2] * Data[3];

    internal long Bins => Target[2] * Target[3];

    internal void CheckBatch(long batch, long region)
    {
        if (batch < 0 || batch >= Data[0]) throw new InvalidInputException($"region {region} is in image {batch} of {Data[0]}");
    }
}

/// <summary>Averages or maximizes bilinear samples of each bin of each region (arXiv 1703.06870). A unit is a region.</summary>
public sealed unsafe class RoiAlignKernel<T>(RegionPooling pooling, int samplingRatio, bool takeMax, bool halfPixel)
    : UnitKernel(takeMax ? "roi_align_max" : "roi_align_avg", pooling.Target[0], Shape.Count(pooling.Target.AsSpan(1)) * sizeof(T) * 16) where T : unmanaged, IFloatingPointIeee754<T>
{
    private struct Corners
    {
        internal long P00, P01, P10, P11;
        internal T W00, W01, W10, W11;
    }

    protected override void RunUnits(long start, long end, in KernelArgs args)
    {
        for (long region = start; region < end; region++)
        {
            long batch = args.Input<long>(2)[region];
            pooling.CheckBatch(batch, region);
            Pool(args.Input<T>(0) + batch * pooling.Channels * pooling.Plane, args.Input<T>(1) + region * 4,
                args.Output<T>(0) + region * pooling.Channels * pooling.Bins, region);
        }
    }

    private void Pool(T* data, T* box, T* target, long region)
    {
        T scale = T.CreateTruncating(pooling.Scale), offset = T.CreateTruncating(halfPixel ? 0.5 : 0);
        T left = box[0] * scale - offset, top = box[1] * scale - offset, width = box[2] * scale - offset - left, height = box[3] * scale - offset - top;
        if (!T.IsFinite(width) || !T.IsFinite(height) || !T.IsFinite(left) || !T.IsFinite(top)) throw new InvalidInputException($"region {region} is not finite");
        if (!halfPixel) (width, height) = (T.Max(width, T.One), T.Max(height, T.One));
        T binWidth = width / T.CreateTruncating(pooling.Target[3]), binHeight = height / T.CreateTruncating(pooling.Target[2]);
        long across = samplingRatio > 0 ? samplingRatio : long.CreateSaturating(T.Ceiling(binWidth)), down = samplingRatio > 0 ? samplingRatio : long.CreateSaturating(T.Ceiling(binHeight));
        for (long bin = 0; bin < pooling.Bins; bin++)
        {
            (long row, long column) = Math.DivRem(bin, pooling.Target[3]);
            Clear(target + bin);
            bool first = true;
            for (long i = 0; i < down; i++)
                for (long j = 0; j < across; j++, first = false)
                    Sample(data, target + bin, Around(At(top, row, binHeight, i, down), At(left, column, binWidth, j, across)), first);
            if (!takeMax && down * across > 1) Divide(target + bin, T.CreateTruncating(down * across));
        }
    }

    private static T At(T start, long bin, T size, long sample, long samples) =>
        start + T.CreateTruncating(bin) * size + (T.CreateTruncating(sample) + T.CreateTruncating(0.5)) * size / T.CreateTruncating(samples);

    private Corners Around(T y, T x)
    {
        T rows = T.CreateTruncating(pooling.Rows), columns = T.CreateTruncating(pooling.Columns);
        if (!(y >= -T.One && y <= rows && x >= -T.One && x <= columns) || pooling.Plane == 0) return default;
        long y0 = Split(ref y, pooling.Rows), x0 = Split(ref x, pooling.Columns);
        long y1 = Math.Min(y0 + 1, pooling.Rows - 1), x1 = Math.Min(x0 + 1, pooling.Columns - 1), width = pooling.Columns;
        return new Corners
        {
            P00 = y0 * width + x0, P01 = y0 * width + x1, P10 = y1 * width + x0, P11 = y1 * width + x1,
            W00 = (T.One - y) * (T.One - x), W01 = (T.One - y) * x, W10 = y * (T.One - x), W11 = y * x,
        };
    }

    /// <summary>The pixel below a position; leaves the fraction above it.</summary>
    private static long Split(ref T position, long length)
    {
        position = T.Max(position, T.Zero);
        long low = Math.Min(long.CreateTruncating(position), length - 1);
        position = low == length - 1 ? T.Zero : position - T.CreateTruncating(low);
        return low;
    }

    private void Sample(T* data, T* target, in Corners c, bool first)
    {
        if (pooling.Plane == 0) return;
        for (long channel = 0; channel < pooling.Channels; channel++, data += pooling.Plane, target += pooling.Bins)
        {
            T a = c.W00 * data[c.P00], b = c.W01 * data[c.P01], d = c.W10 * data[c.P10], e = c.W11 * data[c.P11];
            // The maximum is over the weighted corners, not over interpolated values: so ONNX defines it.
            if (!takeMax) *target += a + b + d + e;
            else if (T.Max(T.Max(a, b), T.Max(d, e)) is var most) *target = first ? most : T.Max(*target, most);
        }
    }

    private void Clear(T* target)
    {
        for (long channel = 0; channel < pooling.Channels; channel++) target[channel * pooling.Bins] = T.Zero;
    }

    private void Divide(T* target, T count)
    {
        for (long channel = 0; channel < pooling.Channels; channel++) target[channel * pooling.Bins] /= count;
    }
}

/// <summary>The maximum of the pixels of each bin of each region [batch, x1, y1, x2, y2]; 0 for empty bins. A unit is one channel of a region.</summary>
public sealed unsafe class MaxRoiPoolKernel<T>(RegionPooling pooling)
    : UnitKernel("max_roi_pool", pooling.Target[0] * pooling.Channels, pooling.Bins * sizeof(T) * 16) where T : unmanaged, IFloatingPointIeee754<T>
{
    protected override void RunUnits(long start, long end, in KernelArgs args)
    {
        for (long unit = start; unit < end; unit++)
        {
            (long region, long channel) = Math.DivRem(unit, pooling.Channels);
            T* box = args.Input<T>(1) + region * 5;
            long batch = long.CreateSaturating(box[0]);
            pooling.CheckBatch(batch, region);
            long left = Scaled(box[1]), top = Scaled(box[2]), right = Scaled(box[3]), bottom = Scaled(box[4]);
            T* data = args.Input<T>(0) + (batch * pooling.Channels + channel) * pooling.Plane, target = args.Output<T>(0) + unit * pooling.Bins;
            for (long bin = 0; bin < pooling.Bins; bin++)
            {
                (long row, long column) = Math.DivRem(bin, pooling.Target[3]);
                (long y0, long y1) = Range(top, bottom, row, pooling.Target[2], pooling.Rows);
                (long x0, long x1) = Range(left, right, column, pooling.Target[3], pooling.Columns);
                target[bin] = Max(data, y0, y1, x0, x1);
            }
        }
    }

    private long Scaled(T coordinate) => Math.Clamp(long.CreateSaturating(T.Round(coordinate * T.CreateTruncating(pooling.Scale), MidpointRounding.AwayFromZero)), -(1 << 30), 1 << 30);

    private static (long, long) Range(long start, long end, long bin, long bins, long length)
    {
        double size = Math.Max(end - start + 1, 1) / (double)bins;
        return (Math.Clamp((long)Math.Floor(bin * size) + start, 0, length), Math.Clamp((long)Math.Ceiling((bin + 1) * size) + start, 0, length));
    }

    private T Max(T* data, long y0, long y1, long x0, long x1)
    {
        if (y1 <= y0 || x1 <= x0) return T.Zero;
        T most = data[y0 * pooling.Columns + x0];
        for (long y = y0; y < y1; y++)
            for (long x = x0; x < x1; x++) most = T.Max(most, data[y * pooling.Columns + x]);
        return most;
    }
}
