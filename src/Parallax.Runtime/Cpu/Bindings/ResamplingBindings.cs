using Parallax.Graphs.Ops;
using Parallax.Kernels;
using Parallax.Kernels.Copy;
using Parallax.Kernels.Resize;
using Parallax.Runtime.Cpu.Resampling;

namespace Parallax.Runtime.Cpu.Bindings;

internal static class ResamplingBindings
{
    internal static readonly Binding[] All =
    [
        Binding.Kernel<Resize>(Scale),
        Binding.Kernel<GridSample>(Sample),
        Binding.Kernel<AffineGrid>(Place),
        Binding.Kernel<RoiAlign>(Align),
        Binding.Kernel<MaxRoiPool>(Pool),
    ];

    private static Kernel Scale(Resize op, PrepareContext x)
    {
        long[] dims = x.Dims(0), strides = Shape.Strides(dims);
        Tensor? scales = x.Has(2) ? Resize.Given(x.Inputs[2])?.Constant : null;
        long[]? sizes = x.Has(3) && Resize.Given(x.Inputs[3]) is { } fact && fact.TryGetInts(out long[] known) ? known : null;
        ResizedAxis[] axes = op.Resolve(dims, scales, sizes) ?? throw new InvalidOperationException("neither scales nor sizes are known");
        (double Start, double End)[] region = Region(op, x, dims.Length);
        ResizeTables[] tables = [.. axes.Select((axis, i) => new ResizeTables(op, dims[i], axis, region[i].Start, region[i].End))];
        if (op.Mode == ResizeMode.Nearest)
            return TableCopyKernel.Create("resize_nearest", x.Type(0).ElementBytes(), [.. tables.Select((t, i) => t.Nearest(strides[i]))], fillValue: Bytes(op.Extrapolation, x.Type(0)));
        if (Shape.Count(x.OutputDims(0)) == 0) return CopyKernel.Bytes(0);
        return TypeDispatch.ForNumber(x.Type(0), new SeparableFactory(op.Mode == ResizeMode.Linear ? "linear" : "cubic", dims, [.. tables.Select(t => t.Weights())]));
    }

    /// <summary>The region of every axis; all of it where the operator's input does not say.</summary>
    private static (double, double)[] Region(Resize op, PrepareContext x, int rank)
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

    private static byte[] Bytes(float value, DType type) => type switch
    {
        DType.Float32 => BitConverter.GetBytes(value),
        DType.Float64 => BitConverter.GetBytes((double)value),
        DType.Float16 => BitConverter.GetBytes((Half)value),
        DType.BFloat16 => BitConverter.GetBytes(BFloat16.Round(value).Bits),
        _ when type.IsInteger() => BitConverter.GetBytes((long)value)[..type.ElementBytes()],
        _ when value == 0 => new byte[type.ElementBytes()],
        _ => throw new UnsupportedModelException($"extrapolation of {type}", [$"Resize: extrapolation of {type}"]),
    };

    private static Kernel Sample(GridSample op, PrepareContext x)
    {
        long[] data = x.Dims(0), target = x.OutputDims(0);
        if (x.Dims(1)[0] != data[0]) throw new InvalidModelException($"grid {Shape.ToString(x.Dims(1))} and data {Shape.ToString(data)} differ in the batch");
        x.RequireSameType(1);
        var mode = (SampleMode)op.Mode;
        var padding = (SampleOutside)op.Padding;
        return x.Type(0) switch
        {
            DType.Float32 => new GridSampleKernel<float>(data, target, mode, padding, op.AlignCorners),
            DType.Float64 => new GridSampleKernel<double>(data, target, mode, padding, op.AlignCorners),
            _ => throw new UnsupportedModelException($"GridSample of {x.Type(0)}", [$"GridSample of {x.Type(0)}"]),
        };
    }

    private static Kernel Place(AffineGrid op, PrepareContext x)
    {
        long[] dims = x.OutputDims(0), spatial = dims[1..^1];
        if (x.Dims(0)[0] != dims[0] || x.Dims(0)[1] != spatial.Length || x.Dims(0)[2] != spatial.Length + 1)
            throw new InvalidModelException($"matrices must be [{dims[0]}x{spatial.Length}x{spatial.Length + 1}], got {Shape.ToString(x.Dims(0))}");
        return x.Type(0) == DType.Float64 ? new AffineGridKernel<double>(dims[0], spatial, op.AlignCorners) : new AffineGridKernel<float>(dims[0], spatial, op.AlignCorners);
    }

    private static Kernel Align(RoiAlign op, PrepareContext x)
    {
        x.RequireSameType(1);
        x.Require(2, DType.Int64, x.Dims(1)[0]);
        var pooling = new RegionPooling(x.Dims(0), x.OutputDims(0), op.Scale);
        return x.Type(0) == DType.Float64
            ? new RoiAlignKernel<double>(pooling, op.SamplingRatio, op.TakeMax, op.HalfPixel)
            : new RoiAlignKernel<float>(pooling, op.SamplingRatio, op.TakeMax, op.HalfPixel);
    }

    private static Kernel Pool(MaxRoiPool op, PrepareContext x)
    {
        x.RequireSameType(1);
        var pooling = new RegionPooling(x.Dims(0), x.OutputDims(0), op.Scale);
        return x.Type(0) == DType.Float64 ? new MaxRoiPoolKernel<double>(pooling) : new MaxRoiPoolKernel<float>(pooling);
    }
}
