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
        if (op.Mode == ResizeMode.Nearest) return MovementBindings.Tables("resize_nearest", CopyTables.Of(op, x), x);
        if (Shape.Count(x.OutputDims(0)) == 0) return CopyKernel.Bytes(0);
        AxisWeights[] weights = [.. ResizeTables.Of(op, x).Select(t => t.Weights())];
        return TypeDispatch.ForNumber(x.Type(0), new SeparableFactory(op.Mode == ResizeMode.Linear ? "linear" : "cubic", x.Dims(0), weights));
    }

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
