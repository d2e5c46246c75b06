using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>Inputs: data, starts, ends, axes (optional: the first ones), steps (optional: 1). Negative positions count from the end; all are clamped.</summary>
public sealed record Slice : MovingOp
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact data = context.Tensor(0);
        if (data.Shape is not { } shape) return [new TensorFact(data.Type)];
        int[]? axes = Axes(context, shape.Rank);
        if (axes is null) return [new TensorFact(data.Type, FreshDim.Shape("slice", shape.Rank))];
        bool known = Contents.TryGet(context, 1, out ImmutableArray<Dim> starts) & Contents.TryGet(context, 2, out ImmutableArray<Dim> ends);
        long[]? steps = Steps(context, axes.Length);
        known &= steps is not null;
        if (known && (starts.Length != axes.Length || ends.Length != axes.Length || steps!.Length != axes.Length))
            throw new InvalidModelException($"{starts.Length} starts, {ends.Length} ends, {axes.Length} axes and {steps!.Length} steps");
        Shape result = shape;
        for (int i = 0; i < axes.Length; i++)
            result = result.With(axes[i], known ? Length(shape[axes[i]], starts[i], ends[i], steps![i]) : FreshDim.Of("slice"));
        return [known && shape.Rank == 1 ? OfContents(data, result, starts[0], steps![0]) : new TensorFact(data.Type, result)];
    }

    /// <summary>The elements that a slice takes of an axis of a known length.</summary>
    public static (long Start, long Count) Range(long dim, long start, long end, long step)
    {
        if (step == 0) throw new InvalidModelException("a step is 0");
        start = start < 0 ? start + dim : start;
        end = end < 0 ? Math.Max(end, long.MinValue + dim) + dim : end;
        if (step > 0)
        {
            start = Math.Clamp(start, 0, dim);
            return (start, Math.Max(0, CeilDiv(Math.Clamp(end, 0, dim) - start, step)));
        }
        start = Math.Clamp(start, -1, dim - 1);
        return (start, Math.Max(0, step == long.MinValue ? 1 : CeilDiv(start - Math.Clamp(end, -1, dim - 1), -step)));

        static long CeilDiv(long a, long b) => a <= 0 ? 0 : (a - 1) / b + 1;
    }

    private static Dim Length(Dim dim, Dim start, Dim end, long step)
    {
        if (dim.IsKnown && start.IsKnown && end.IsKnown) return Range(dim.Value, start.Value, end.Value, step).Count;
        if (step == -1 && start == -1 && end.TryGetValue(out long last) && last < int.MinValue + 1L) return dim;
        if (step < 1) return FreshDim.Of("slice");
        Dim first = Position(dim, start), stop = Position(dim, end);
        Dim count = stop - first;
        return step == 1 ? count : Dim.CeilDiv(count, step);
    }

    /// <summary>A position from the start of the axis. An axis of symbolic length is taken to have an element at least.</summary>
    private static Dim Position(Dim dim, Dim at)
    {
        if (!at.TryGetValue(out long value))
        {
            if (!(-at).ToString().Contains('-')) return dim + at; // minus a sum of dims: counted from the end
            return dim.IsKnown ? Dim.Min(at, dim) : at;
        }
        if (value < 0) return value <= int.MinValue ? 0 : dim + value;
        return value <= 1 ? value : value >= int.MaxValue ? dim : Dim.Min(value, dim);
    }

    private static int[]? Axes(InferContext context, int rank)
    {
        if (!context.Has(3)) return Contents.Length(context.Tensor(1)) is { } count ? Mapping.Positions(count) : null;
        return context.TryGetInts(3, out long[] axes) ? ShapeRules.Axes(axes, rank) : null;
    }

    private static long[]? Steps(InferContext context, int count)
    {
        if (!context.Has(4)) return [.. Enumerable.Repeat(1L, count)];
        return context.TryGetInts(4, out long[] steps) ? steps : null;
    }

    private static TensorFact OfContents(TensorFact data, Shape shape, Dim start, long step)
    {
        if (!data.TryGetDims(out ImmutableArray<Dim> contents) || !start.IsKnown || !shape[0].IsKnown) return new TensorFact(data.Type, shape);
        long at = start.Value < 0 ? start.Value + contents.Length : start.Value;
        at = Math.Clamp(at, step < 0 ? -1 : 0, step < 0 ? contents.Length - 1 : contents.Length);
        return Contents.Fact(data.Type, shape, [.. Enumerable.Range(0, (int)shape[0].Value).Select(i => contents[(int)(at + i * step)])]);
    }
}

/// <summary>What <see cref="Pad"/> puts outside of the data.</summary>
public enum PadMode
{
    Constant,
    Reflect,
    Edge,
    Wrap,
}

/// <summary>
/// Inputs: data, pads (before each axis, then behind each; negative ones cut), value (optional: zero), axes (optional: all).
/// </summary>
public sealed record Pad(PadMode Mode = PadMode.Constant) : MovingOp
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact data = context.Tensor(0);
        if (data.Shape is not { } shape) return [new TensorFact(data.Type)];
        if (!Contents.TryGet(context, 1, out ImmutableArray<Dim> pads) || context.Has(3) && !context.TryGetInts(3, out _))
            return [new TensorFact(data.Type, FreshDim.Shape("pad", shape.Rank))];
        int[] axes = context.TryGetInts(3, out long[] given) ? ShapeRules.Axes(given, shape.Rank) : Mapping.Positions(shape.Rank);
        if (pads.Length != 2 * axes.Length) throw new InvalidModelException($"{pads.Length} pads for {axes.Length} axes");
        for (int i = 0; i < axes.Length; i++)
        {
            Dim length = shape[axes[i]] + pads[i] + pads[axes.Length + i];
            if (length.TryGetValue(out long known) && known < 0) throw new InvalidModelException($"pads {pads[i]} and {pads[axes.Length + i]} leave {known} of axis {axes[i]} of {shape}");
            shape = shape.With(axes[i], length);
        }
        return [new TensorFact(data.Type, shape)];
    }
}

/// <summary>Inputs: data, lengths of the axes. Cuts or zero-pads both sides equally; what is odd is cut from, or added to, the end.</summary>
public sealed record CenterCropPad(ImmutableArray<long> Axes = default) : MovingOp
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact data = context.Tensor(0);
        if (data.Shape is not { } shape) return [new TensorFact(data.Type)];
        int[] axes = For(shape.Rank);
        if (!Contents.TryGet(context, 1, out ImmutableArray<Dim> lengths)) return [new TensorFact(data.Type, FreshDim.Shape("center", shape.Rank))];
        if (lengths.Length != axes.Length) throw new InvalidModelException($"{lengths.Length} lengths for {axes.Length} axes");
        if (lengths.Any(l => l.TryGetValue(out long length) && length < 0)) throw new InvalidModelException($"lengths [{string.Join(", ", lengths)}] must not be negative");
        for (int i = 0; i < axes.Length; i++) shape = shape.With(axes[i], lengths[i]);
        return [new TensorFact(data.Type, shape)];
    }

    /// <summary>The axes for a rank.</summary>
    public int[] For(int rank) => Axes.IsDefault ? Mapping.Positions(rank) : ShapeRules.Axes(Axes.AsSpan(), rank);
}

/// <summary>Inputs: matrices, diagonal (optional: 0). Zeros below (<paramref name="Upper"/>) or above the diagonal.</summary>
public sealed record Trilu(bool Upper = true) : MovingOp
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        context.Shape(0, 2);
        return ShapeRules.SameAs(context);
    }
}

/// <summary>Inputs: data, lengths by batch. Reverses the first <c>lengths[b]</c> elements along <paramref name="TimeAxis"/> of each batch.</summary>
public sealed record ReverseSequence(int BatchAxis = 1, int TimeAxis = 0) : MovingOp
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        if (BatchAxis == TimeAxis || BatchAxis is not (0 or 1) || TimeAxis is not (0 or 1))
            throw new InvalidModelException($"batch_axis {BatchAxis} and time_axis {TimeAxis} must be 0 and 1");
        context.Shape(0, 2);
        context.Shape(1, 1, 1);
        return ShapeRules.SameAs(context);
    }
}

/// <summary>
/// Inputs: columns [N, C * block, L], image shape, block shape. Adds each block to its place in the image, as the transpose of a
/// convolution's unfolding does.
/// </summary>
public sealed record Col2Im(ImmutableArray<long> Dilations, ImmutableArray<long> Pads, ImmutableArray<long> Strides) : Op
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact data = context.Tensor(0);
        Shape? columns = context.Shape(0, 3, 3);
        if (!Contents.TryGet(context, 1, out ImmutableArray<Dim> image) || !context.TryGetInts(2, out long[] block))
            return [new TensorFact(data.Type, Contents.Length(context.Tensor(1)) is { } rank ? FreshDim.Shape("image", rank + 2) : null)];
        if (image.Length != block.Length) throw new InvalidModelException($"image shape [{string.Join(", ", image)}] and block shape [{string.Join(", ", block)}] differ in rank");
        CheckLists(image, block);
        long blockElements = Parallax.Shape.Count(block);
        if (columns is not { } shape) return [new TensorFact(data.Type, new Shape([FreshDim.Of("batch"), FreshDim.Of("channels"), .. image]))];
        if (shape[1].IsKnown && (blockElements <= 0 || shape[1].Value % blockElements != 0)) throw new InvalidModelException($"axis 1 of {shape} is no multiple of the block's {blockElements} elements");
        if (Windows(image, block) is { } windows && shape[2].TryGetValue(out long length) && length != windows)
            throw new InvalidModelException($"axis 2 of {shape} must be {windows}, the places of the block in the image");
        return [new TensorFact(data.Type, new Shape([shape[0], Dim.FloorDiv(shape[1], blockElements), .. image]))];
    }

    /// <summary>Dilation, stride and pads of an axis, with their defaults.</summary>
    public (long Dilation, long Stride, long PadBefore, long PadAfter) Axis(int axis, int rank) => (
        Dilations.IsDefaultOrEmpty ? 1 : Dilations[axis], Strides.IsDefaultOrEmpty ? 1 : Strides[axis],
        Pads.IsDefaultOrEmpty ? 0 : Pads[axis], Pads.IsDefaultOrEmpty ? 0 : Pads[rank + axis]);

    private void CheckLists(ImmutableArray<Dim> image, long[] block)
    {
        (ImmutableArray<long> List, int Length, string Name)[] lists =
            [(Dilations, block.Length, "dilations"), (Strides, block.Length, "strides"), (Pads, 2 * block.Length, "pads")];
        foreach ((ImmutableArray<long> list, int length, string name) in lists)
            if (!list.IsDefaultOrEmpty && list.Length != length) throw new InvalidModelException($"{list.Length} {name} for {block.Length} axes");
        for (int i = 0; i < block.Length; i++)
        {
            (long dilation, long stride, _, _) = Axis(i, block.Length);
            if (block[i] < 1 || dilation < 1 || stride < 1 || image[i].TryGetValue(out long length) && length < 0)
                throw new InvalidModelException($"axis {i} has image length {image[i]}, block length {block[i]}, dilation {dilation} and stride {stride}");
        }
    }

    private long? Windows(ImmutableArray<Dim> image, long[] block)
    {
        long product = 1;
        for (int i = 0; i < block.Length; i++)
        {
            if (!image[i].TryGetValue(out long length)) return null;
            (long dilation, long stride, long before, long after) = Axis(i, block.Length);
            product *= (length + before + after - dilation * (block[i] - 1) - 1) / stride + 1;
        }
        return product;
    }
}
