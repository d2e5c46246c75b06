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
        Binding.Moving<CenterCropPad>(Center),
        Binding.Moving<Trilu>((op, x) => Triangle(op, x)),
        Binding.Moving<ReverseSequence>(Reverse),
        Binding.Kernel<Col2Im>(Fold),
    ];

    private static int Bytes(PrepareContext x) => x.Type(0).ElementBytes();

    private static Kernel Surround(Pad op, PrepareContext x)
    {
        long[] dims = x.Dims(0), strides = Shape.Strides(dims), target = x.OutputDims(0), pads = CopyParts.Ints(x, 1);
        int[] axes = x.TryGetInts(3, out long[] given) ? Graphs.ShapeRules.Axes(given, dims.Length) : [.. Enumerable.Range(0, dims.Length)];
        if (x.Has(2)) x.Require(2, x.Type(0), 1);
        var before = new long[dims.Length];
        for (int i = 0; i < axes.Length; i++) before[axes[i]] = pads[i];
        long[][] tables = [.. dims.Select((dim, axis) => Table(target[axis], i => Source(op.Mode, i - before[axis], dim), strides[axis]))];
        return TableCopyKernel.Create($"pad_{op.Mode.ToString().ToLowerInvariant()}", Bytes(x), tables, op.Mode == PadMode.Constant && x.Has(2) ? 2 : -1);
    }

    /// <summary>The element of an axis that a position in or around it takes.</summary>
    private static long Source(PadMode mode, long at, long dim)
    {
        if (at >= 0 && at < dim) return at;
        if (mode == PadMode.Constant) return TableCopyKernel.Outside;
        if (dim == 0) throw new InvalidInputException($"an axis of length 0 cannot be padded in mode {mode}");
        if (mode == PadMode.Edge) return Math.Clamp(at, 0, dim - 1);
        if (mode == PadMode.Wrap) return (at % dim + dim) % dim;
        long period = Math.Max(1, 2 * (dim - 1)), folded = (at % period + period) % period;
        return Math.Min(folded, period - folded) is var mirrored && dim > 1 ? mirrored : 0;
    }

    private static Kernel Center(CenterCropPad op, PrepareContext x)
    {
        long[] dims = x.Dims(0), strides = Shape.Strides(dims), target = x.OutputDims(0);
        long[][] tables = [.. dims.Select((dim, axis) => Table(target[axis], i => Source(PadMode.Constant, i + Shift(dim, target[axis]), dim), strides[axis]))];
        return TableCopyKernel.Create("center_crop_pad", Bytes(x), tables);

        // What is odd is cut from, or added to, the end.
        static long Shift(long dim, long wanted) => wanted < dim ? (dim - wanted) / 2 : -((wanted - dim) / 2);
    }

    private static long[] Table(long length, Func<long, long> source, long stride)
    {
        var table = new long[length];
        for (long i = 0; i < length; i++) table[i] = source(i) is var at && at == TableCopyKernel.Outside ? at : at * stride;
        return table;
    }

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
