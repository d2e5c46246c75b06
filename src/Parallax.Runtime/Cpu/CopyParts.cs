using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Kernels.Copy;

namespace Parallax.Runtime.Cpu;

/// <summary>The operators that are nothing but strided copies, as such. Shapes are static, and elements have whole bytes.</summary>
internal static class CopyParts
{
    internal static CopyPart[] Of(Transpose op, OperandFacts x) => Permuted(x, x.Dims(0), op.For(x.Dims(0).Length).AsSpan());

    internal static CopyPart[] Of(Concat op, OperandFacts x)
    {
        long[] dims = x.OutputDims(0), strides = Shape.Strides(dims);
        int axis = ShapeRules.Axis(op.Axis, dims.Length);
        var parts = new CopyPart[x.Inputs.Length];
        long start = 0;
        for (int i = 0; i < parts.Length; i++)
        {
            long[] part = x.Dims(i);
            parts[i] = new CopyPart(i, 0, new StridedCopy(Bytes(x), part, Shape.Strides(part), strides, targetStart: start * strides[axis]));
            start += part[axis];
        }
        return parts;
    }

    internal static CopyPart[] Of(Split op, OperandFacts x)
    {
        long[] dims = x.Dims(0), strides = Shape.Strides(dims);
        int axis = ShapeRules.Axis(op.Axis, dims.Length);
        long[] lengths = [.. Enumerable.Range(0, x.Outputs.Length).Select(i => x.Wants(i) ? x.OutputDims(i)[axis] : -1)];
        if (lengths.Contains(-1)) // the length of a part that nobody wants still counts
            lengths = [.. op.Infer(new InferContext([.. x.Inputs], x.Outputs.Length)).Select(f => ((TensorFact)f).Shape!.Value[axis].Value)];
        var parts = new List<CopyPart>();
        long start = 0;
        for (int i = 0; i < x.Outputs.Length; start += lengths[i++])
            if (x.Wants(i)) parts.Add(new CopyPart(0, i, new StridedCopy(Bytes(x), x.OutputDims(i), strides, Shape.Strides(x.OutputDims(i)), sourceStart: start * strides[axis])));
        return [.. parts];
    }

    internal static CopyPart[] Of(Slice _, OperandFacts x)
    {
        long[] dims = x.Dims(0), target = x.OutputDims(0), strides = Shape.Strides(dims);
        long[] starts = Ints(x, 1), ends = Ints(x, 2), steps = x.TryGetInts(4, out long[] given) ? given : [.. starts.Select(_ => 1L)];
        int[] axes = x.TryGetInts(3, out long[] named) ? ShapeRules.Axes(named, dims.Length) : Mapping.Positions(starts.Length);
        long[] source = [.. strides];
        long start = 0;
        for (int i = 0; i < axes.Length; i++)
        {
            long first = Slice.Range(dims[axes[i]], starts[i], ends[i], steps[i]).Start;
            start += first * strides[axes[i]];
            // A step so large that only one element is taken may overflow a stride that is never used.
            source[axes[i]] = target[axes[i]] <= 1 ? 0 : strides[axes[i]] * steps[i];
        }
        return [new CopyPart(0, 0, new StridedCopy(Bytes(x), target, source, Shape.Strides(target), sourceStart: start))];
    }

    internal static CopyPart[] Of(Tile _, OperandFacts x)
    {
        long[] dims = x.Dims(0), own = Shape.Strides(dims), repeats = Ints(x, 1), strides = Shape.Strides(x.OutputDims(0));
        int rank = dims.Length;
        long[] all = new long[2 * rank], source = new long[2 * rank], target = new long[2 * rank];
        for (int i = 0; i < rank; i++)
        {
            (all[2 * i], source[2 * i], target[2 * i]) = (repeats[i], 0, strides[i] * dims[i]);
            (all[2 * i + 1], source[2 * i + 1], target[2 * i + 1]) = (dims[i], own[i], strides[i]);
        }
        return [new CopyPart(0, 0, new StridedCopy(Bytes(x), all, source, target))];
    }

    internal static CopyPart[] Of(DepthToSpace op, OperandFacts x)
    {
        long[] d = x.Dims(0);
        long depth = d[1] / op.Block / op.Block;
        return op.Order == DepthOrder.Dcr
            ? Permuted(x, [d[0], op.Block, op.Block, depth, d[2], d[3]], [0, 3, 4, 1, 5, 2])
            : Permuted(x, [d[0], depth, op.Block, op.Block, d[2], d[3]], [0, 1, 4, 2, 5, 3]);
    }

    internal static CopyPart[] Of(SpaceToDepth op, OperandFacts x)
    {
        long[] d = x.Dims(0);
        return Permuted(x, [d[0], d[1], d[2] / op.Block, op.Block, d[3] / op.Block, op.Block], [0, 3, 5, 1, 2, 4]);
    }

    internal static CopyPart[] Of(Expand _, OperandFacts x)
    {
        long[] dims = x.OutputDims(0), from = x.Dims(0), own = Shape.Strides(from), strides = new long[dims.Length];
        for (int i = 0; i < from.Length; i++)
            if (from[i] != 1) strides[dims.Length - from.Length + i] = own[i];
        return [new CopyPart(0, 0, new StridedCopy(Bytes(x), dims, strides, Shape.Strides(dims)))];
    }

    private static CopyPart[] Permuted(OperandFacts x, long[] dims, ReadOnlySpan<int> permutation) =>
        [new CopyPart(0, 0, StridedCopy.Transpose(Bytes(x), dims, permutation))];

    private static int Bytes(OperandFacts x) => x.Type(0).ElementBytes();

    /// <summary>Contents that the shapes were inferred from, and that are therefore known.</summary>
    internal static long[] Ints(OperandFacts x, int input) =>
        x.TryGetInts(input, out long[] values) ? values : throw new InvalidOperationException($"input {input} decides the shape and is not known");
}
