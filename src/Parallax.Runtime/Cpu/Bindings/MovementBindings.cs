using Parallax.Graphs.Ops;
using Parallax.Kernels;
using Parallax.Kernels.Copy;

namespace Parallax.Runtime.Cpu.Bindings;

internal static class MovementBindings
{
    internal static readonly Binding[] All =
    [
        Binding.Moving<Transpose>((op, x) => new CopyKernel("transpose", CopyParts.Of(op, x))),
        Binding.Moving<Concat>((op, x) => new CopyKernel("concat", CopyParts.Of(op, x))),
        Binding.Moving<Split>((op, x) => new CopyKernel("split", CopyParts.Of(op, x))),
        Binding.Moving<Slice>((op, x) => new CopyKernel("slice", CopyParts.Of(op, x))),
        Binding.Moving<Pad>(Surround),
        Binding.Moving<Tile>((op, x) => new CopyKernel("tile", CopyParts.Of(op, x))),
        Binding.Moving<DepthToSpace>((op, x) => new CopyKernel("depth_to_space", CopyParts.Of(op, x))),
        Binding.Moving<SpaceToDepth>((op, x) => new CopyKernel("space_to_depth", CopyParts.Of(op, x))),
        Binding.Moving<CenterCropPad>((op, x) => Tables("center_crop_pad", CopyTables.Of(op, x), x)),
        Binding.Moving<Trilu>((op, x) => Triangle(op, x)),
        Binding.Moving<ReverseSequence>(Reverse),
        Binding.Kernel<Col2Im>(Fold),
    ];

    private static int Bytes(PrepareContext x) => x.Type(0).ElementBytes();

    private static Kernel Surround(Pad op, PrepareContext x)
    {
        if (x.Has(2)) x.Require(2, x.Type(0), 1);
        return Tables($"pad_{op.Mode.ToString().ToLowerInvariant()}", CopyTables.Of(op, x), x);
    }

    /// <summary>The kernel for a copy by tables.</summary>
    internal static Kernel Tables(string name, CopyTables copy, PrepareContext x) => TableCopyKernel.Create(name, Bytes(x), copy.Axes, copy.FillInput, copy.FillValue);

    private static Kernel Triangle(Trilu op, PrepareContext x)
    {
        long[] dims = x.Dims(0);
        if (x.Has(1)) x.Require(1, DType.Int64, 1);
        return new TriluKernel(Bytes(x), op.Upper, x.Has(1), Shape.Count(dims.AsSpan(0, dims.Length - 2)), dims[^2], dims[^1]);
    }

    private static Kernel Reverse(ReverseSequence op, PrepareContext x)
    {
        long[] dims = x.Dims(0);
        x.Require(1, DType.Int64, dims[op.BatchAxis]);
        return new ReverseSequenceKernel(dims[0], dims[1], Shape.Count(dims.AsSpan(2)) * Bytes(x), timeIsFirst: op.TimeAxis == 0);
    }

    private static Kernel Fold(Col2Im op, PrepareContext x)
    {
        long[] image = CopyParts.Ints(x, 1), block = CopyParts.Ints(x, 2), dims = x.OutputDims(0);
        var axes = new BlockAxis[image.Length];
        for (int i = 0; i < axes.Length; i++)
        {
            (long dilation, long stride, long before, long after) = op.Axis(i, axes.Length);
            axes[i] = new BlockAxis(image[i], block[i], dilation, stride, before, (image[i] + before + after - dilation * (block[i] - 1) - 1) / stride + 1);
        }
        return TypeDispatch.ForNumber(x.Type(0), new Col2ImFactory(axes, dims[0] * dims[1]));
    }
}
