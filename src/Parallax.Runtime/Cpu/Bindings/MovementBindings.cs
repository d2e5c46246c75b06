using Parallax.Graphs.Ops;
using Parallax.Kernels;
using Parallax.Kernels.Copy;

namespace Parallax.Runtime.Cpu.Bindings;

internal static class MovementBindings
{
    internal static readonly Binding[] All =
    [
        Binding.Moving<Transpose>((op, x) => new CopyKernel("transpose", new CopyPart(0, 0, StridedCopy.Transpose(Bytes(x), x.Dims(0), op.For(x.Dims(0).Length).AsSpan())))),
        Binding.Moving<Concat>(Join),
        Binding.Moving<Split>(Part),
        Binding.Moving<Slice>(Cut),
        Binding.Moving<Pad>(Surround),
        Binding.Moving<Tile>(Repeat),
        Binding.Moving<DepthToSpace>(Spread),
        Binding.Moving<SpaceToDepth>(Gather),
        Binding.Moving<CenterCropPad>(Center),
        Binding.Moving<Trilu>((op, x) => Triangle(op, x)),
        Binding.Moving<ReverseSequence>(Reverse),
        Binding.Kernel<Col2Im>(Fold),
    ];

    private static int Bytes(PrepareContext x) => x.Type(0).ElementBytes();

    private static Kernel Join(Concat op, PrepareContext x)
    {
        long[] dims = x.OutputDims(0), strides = Shape.Strides(dims);
        int axis = Graphs.ShapeRules.Axis(op.Axis, dims.Length);
        var parts = new CopyPart[x.Inputs.Length];
        long start = 0;
        for (int i = 0; i < parts.Length; i++)
        {
            long[] part = x.Dims(i);
            parts[i] = new CopyPart(i, 0, new StridedCopy(Bytes(x), part, Shape.Strides(part), strides, targetStart: start * strides[axis]));
            start += part[axis];
        }
        return new CopyKernel("concat", parts);
    }

    private static Kernel Part(Split op, PrepareContext x)
    {
        long[] dims = x.Dims(0), strides = Shape.Strides(dims);
        int axis = Graphs.ShapeRules.Axis(op.Axis, dims.Length);
        long[] lengths = [.. Enumerable.Range(0, x.Outputs.Length).Select(i => x.Wants(i) ? x.OutputDims(i)[axis] : -1)];
        if (lengths.Contains(-1)) // the length of a part that nobody wants still counts
            lengths = [.. op.Infer(new Graphs.InferContext([.. x.Inputs], x.Outputs.Length)).Select(f => ((Graphs.TensorFact)f).Shape!.Value[axis].Value)];
        var parts = new List<CopyPart>();
        long start = 0;
        for (int i = 0; i < x.Outputs.Length; start += lengths[i++])
            if (x.Wants(i)) parts.Add(new CopyPart(0, i, new StridedCopy(Bytes(x), x.OutputDims(i), strides, Shape.Strides(x.OutputDims(i)), sourceStart: start * strides[axis])));
        return new CopyKernel("split", parts.ToArray());
    }

    private static Kernel Cut(Slice op, PrepareContext x)
    {
        long[] dims = x.Dims(0), target = x.OutputDims(0), strides = Shape.Strides(dims);
        long[] starts = Ints(x, 1), ends = Ints(x, 2), steps = x.TryGetInts(4, out long[] given) ? given : [.. starts.Select(_ => 1L)];
        int[] axes = x.TryGetInts(3, out long[] named) ? Graphs.ShapeRules.Axes(named, dims.Length) : [.. Enumerable.Range(0, starts.Length)];
        long[] source = [.. strides];
        long start = 0;
        for (int i = 0; i < axes.Length; i++)
        {
            long first = Slice.Range(dims[axes[i]], starts[i], ends[i], steps[i]).Start;
            start += first * strides[axes[i]];
            // A step so large that only one element is taken may overflow a stride that is never used.
            source[axes[i]] = target[axes[i]] <= 1 ? 0 : strides[axes[i]] * steps[i];
        }
        return new CopyKernel("slice", new CopyPart(0, 0, new StridedCopy(Bytes(x), target, source, Shape.Strides(target), sourceStart: start)));
    }

    private static Kernel Surround(Pad op, PrepareContext x)
    {
        long[] dims = x.Dims(0), strides = Shape.Strides(dims), target = x.OutputDims(0), pads = Ints(x, 1);
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

    private static Kernel Repeat(Tile op, PrepareContext x)
    {
        long[] dims = x.Dims(0), own = Shape.Strides(dims), repeats = Ints(x, 1), strides = Shape.Strides(x.OutputDims(0));
        int rank = dims.Length;
        long[] all = new long[2 * rank], source = new long[2 * rank], target = new long[2 * rank];
        for (int i = 0; i < rank; i++)
        {
            (all[2 * i], source[2 * i], target[2 * i]) = (repeats[i], 0, strides[i] * dims[i]);
            (all[2 * i + 1], source[2 * i + 1], target[2 * i + 1]) = (dims[i], own[i], strides[i]);
        }
        return new CopyKernel("tile", new CopyPart(0, 0, new StridedCopy(Bytes(x), all, source, target)));
    }

    private static Kernel Spread(DepthToSpace op, PrepareContext x)
    {
        long[] d = x.Dims(0);
        long depth = d[1] / op.Block / op.Block;
        return op.Order == DepthOrder.Dcr
            ? Permuted("depth_to_space", x, [d[0], op.Block, op.Block, depth, d[2], d[3]], [0, 3, 4, 1, 5, 2])
            : Permuted("depth_to_space", x, [d[0], depth, op.Block, op.Block, d[2], d[3]], [0, 1, 4, 2, 5, 3]);
    }

    private static Kernel Gather(SpaceToDepth op, PrepareContext x)
    {
        long[] d = x.Dims(0);
        return Permuted("space_to_depth", x, [d[0], d[1], d[2] / op.Block, op.Block, d[3] / op.Block, op.Block], [0, 3, 5, 1, 2, 4]);
    }

    private static Kernel Permuted(string name, PrepareContext x, long[] dims, int[] permutation) =>
        new CopyKernel(name, new CopyPart(0, 0, StridedCopy.Transpose(Bytes(x), dims, permutation)));

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
        long[] image = Ints(x, 1), block = Ints(x, 2), dims = x.OutputDims(0);
        var axes = new BlockAxis[image.Length];
        for (int i = 0; i < axes.Length; i++)
        {
            (long dilation, long stride, long before, long after) = op.Axis(i, axes.Length);
            axes[i] = new BlockAxis(image[i], block[i], dilation, stride, before, (image[i] + before + after - dilation * (block[i] - 1) - 1) / stride + 1);
        }
        return TypeDispatch.ForNumber(x.Type(0), new Col2ImFactory(axes, dims[0] * dims[1]));
    }

    /// <summary>Contents that the shapes were inferred from, and that are therefore known.</summary>
    private static long[] Ints(PrepareContext x, int input) =>
        x.TryGetInts(input, out long[] values) ? values : throw new InvalidOperationException($"input {input} decides the shape and is not known");
}
