using System.Collections.Immutable;
using System.Text;

namespace Parallax.Graphs.Ops;

/// <summary>An operator that moves elements without looking at them: it takes every element type.</summary>
public abstract record MovingOp : Op
{
    public sealed override bool AcceptsNarrowFloats => true;

    public sealed override Cost Cost(ReadOnlySpan<Fact?> inputs, ReadOnlySpan<Fact?> outputs) => new(0, CostOf.Bytes(outputs) * 2);
}

/// <summary>Axis <c>i</c> of the result is axis <c>Permutation[i]</c> of the input; the default is the reverse order.</summary>
public sealed record Transpose(ImmutableArray<int> Permutation = default) : MovingOp
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact data = context.Tensor(0);
        if (data.Shape is not { } shape) return [new TensorFact(data.Type, Permutation.IsDefault ? null : FreshDim.Shape("transpose", Permutation.Length))];
        return [Contents.Reshaped(data, new Shape(For(shape.Rank).Map(axis => shape[axis])))];
    }

    /// <summary>The permutation for a rank, checked.</summary>
    public ImmutableArray<int> For(int rank)
    {
        if (Permutation.IsDefault) return [.. Enumerable.Range(0, rank).Reverse()];
        if (Permutation.Length != rank || !Permutation.Order().SequenceEqual(Enumerable.Range(0, rank)))
            throw new InvalidModelException($"[{string.Join(", ", Permutation)}] is no permutation of {rank} axes");
        return Permutation;
    }

    protected override bool PrintMembers(StringBuilder builder)
    {
        if (Permutation.IsDefault) return false;
        builder.Append($"{nameof(Permutation)} = [{string.Join(", ", Permutation)}]");
        return true;
    }

    public bool Equals(Transpose? other) => other is not null && Permutation.IsDefault == other.Permutation.IsDefault
        && (Permutation.IsDefault || Permutation.AsSpan().SequenceEqual(other.Permutation.AsSpan()));

    public override int GetHashCode() => Permutation.IsDefault ? 0 : Permutation.Aggregate(17, HashCode.Combine);
}

/// <summary>The inputs one behind the other along <paramref name="Axis"/>.</summary>
public sealed record Concat(long Axis) : MovingOp
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        if (context.InputCount == 0) throw new InvalidModelException("needs at least one input");
        TensorFact first = context.Tensor(0);
        Shape? result = first.Shape;
        for (int i = 1; i < context.InputCount; i++)
        {
            TensorFact next = context.Tensor(i);
            if (first.Type != DType.Undefined && next.Type != DType.Undefined && next.Type != first.Type)
                throw new InvalidModelException($"input {i} must be {first.Type} as input 0, got {next}");
            result = result is { } a && next.Shape is { } b ? Joined(a, b) : null;
        }
        return [result is { Rank: 1 } line ? WithContents(context, first.Type, line) : new TensorFact(first.Type, result)];
    }

    private Shape Joined(Shape a, Shape b)
    {
        int axis = ShapeRules.Axis(Axis, a.Rank);
        if (a.Rank != b.Rank) throw new InvalidModelException($"shapes {a} and {b} differ in rank");
        var dims = new Dim[a.Rank];
        for (int i = 0; i < dims.Length; i++)
        {
            if (i != axis && a[i].IsKnown && b[i].IsKnown && a[i] != b[i]) throw new InvalidModelException($"shapes {a} and {b} differ in axis {i}, not only in axis {axis}");
            dims[i] = i == axis ? a[i] + b[i] : a[i].IsKnown ? a[i] : b[i].IsKnown ? b[i] : a[i];
        }
        return new Shape([.. dims]);
    }

    private static TensorFact WithContents(InferContext context, DType type, Shape shape)
    {
        var contents = ImmutableArray.CreateBuilder<Dim>();
        for (int i = 0; i < context.InputCount; i++)
        {
            if (!Contents.TryGet(context, i, out ImmutableArray<Dim> part)) return new TensorFact(type, shape);
            contents.AddRange(part);
        }
        return Contents.Fact(type, shape, contents.ToImmutable());
    }
}

/// <summary>
/// Inputs: data, lengths of the parts along <paramref name="Axis"/> (optional). Without lengths: <paramref name="Parts"/> parts (0: as many
/// as outputs) of equal length, the last one shorter where it does not divide.
/// </summary>
public sealed record Split(long Axis = 0, int Parts = 0) : MovingOp
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact data = context.Tensor(0);
        int count = Parts > 0 ? Parts : context.OutputCount;
        if (data.Shape is not { } shape) return [.. Enumerable.Repeat<Fact>(new TensorFact(data.Type), count)];
        int axis = ShapeRules.Axis(Axis, shape.Rank);
        Dim[] lengths = context.Has(1) ? Given(context, shape[axis]) : Equal(shape[axis], count);
        bool follow = data.TryGetDims(out ImmutableArray<Dim> contents) && contents.Length == shape.Elements && lengths.All(l => l.IsKnown);
        var facts = ImmutableArray.CreateBuilder<Fact>();
        int start = 0;
        foreach (Dim length in lengths)
        {
            facts.Add(follow
                ? Contents.Fact(data.Type, shape.With(axis, length), contents.Slice(start, (int)length.Value))
                : new TensorFact(data.Type, shape.With(axis, length)));
            if (follow) start += (int)length.Value;
        }
        return facts.ToImmutable();
    }

    private static Dim[] Given(InferContext context, Dim whole)
    {
        if (!Contents.TryGet(context, 1, out ImmutableArray<Dim> lengths)) return [.. Enumerable.Range(0, context.OutputCount).Select(_ => FreshDim.Of("split"))];
        Dim sum = 0;
        foreach (Dim length in lengths)
        {
            if (length.TryGetValue(out long known) && known < 0) throw new InvalidModelException($"a part has length {known}");
            sum += length;
        }
        if (sum.IsKnown && whole.IsKnown && sum != whole) throw new InvalidModelException($"parts [{string.Join(", ", lengths)}] do not add up to {whole}");
        return [.. lengths];
    }

    private static Dim[] Equal(Dim whole, int count)
    {
        Dim length = Dim.CeilDiv(whole, count);
        var lengths = new Dim[count];
        for (int i = 0; i < count; i++) lengths[i] = whole.IsKnown ? Dim.Min(length, Dim.Max(0, whole - length * i)) : i < count - 1 ? length : whole - length * i;
        return lengths;
    }
}

/// <summary>Inputs: data, how often each axis is repeated.</summary>
public sealed record Tile : MovingOp
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact data = context.Tensor(0);
        if (data.Shape is not { } shape) return [new TensorFact(data.Type, Contents.Length(context.Tensor(1)) is { } rank ? FreshDim.Shape("tile", rank) : null)];
        if (!Contents.TryGet(context, 1, out ImmutableArray<Dim> repeats)) return [new TensorFact(data.Type, FreshDim.Shape("tile", shape.Rank))];
        if (repeats.Any(r => r.TryGetValue(out long times) && times < 0)) throw new InvalidModelException($"repeats [{string.Join(", ", repeats)}] must not be negative");
        if (repeats.Length != shape.Rank) throw new InvalidModelException($"{repeats.Length} repeats for a tensor of shape {shape}");
        return [new TensorFact(data.Type, new Shape([.. shape.Dims.Select((dim, i) => dim * repeats[i])]))];
    }
}

/// <summary>Which of the channels' parts come first in <see cref="DepthToSpace"/>.</summary>
public enum DepthOrder
{
    /// <summary>Depth, column, row: channel = (row * block + column) * depth + d.</summary>
    Dcr,

    /// <summary>Column, row, depth: channel = (d * block + row) * block + column.</summary>
    Crd,
}

/// <summary>NCHW; blocks of channels become blocks of pixels.</summary>
public sealed record DepthToSpace(int Block, DepthOrder Order = DepthOrder.Dcr) : MovingOp
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact data = context.Tensor(0);
        if (context.Shape(0, 4, 4) is not { } s) return [new TensorFact(data.Type, FreshDim.Shape("depth", 4))];
        if (Block < 1) throw new InvalidModelException($"blocksize {Block} must be positive");
        if (s[1].IsKnown && s[1].Value % ((long)Block * Block) != 0) throw new InvalidModelException($"{s[1]} channels do not divide into blocks of {Block}x{Block}");
        return [new TensorFact(data.Type, [s[0], Dim.FloorDiv(s[1], (long)Block * Block), s[2] * Block, s[3] * Block])];
    }
}

/// <summary>NCHW; blocks of pixels become blocks of channels.</summary>
public sealed record SpaceToDepth(int Block) : MovingOp
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact data = context.Tensor(0);
        if (context.Shape(0, 4, 4) is not { } s) return [new TensorFact(data.Type, FreshDim.Shape("space", 4))];
        if (Block < 1) throw new InvalidModelException($"blocksize {Block} must be positive");
        for (int axis = 2; axis < 4; axis++)
            if (s[axis].IsKnown && s[axis].Value % Block != 0) throw new InvalidModelException($"axis {axis} of {s} does not divide into blocks of {Block}");
        return [new TensorFact(data.Type, [s[0], s[1] * ((long)Block * Block), Dim.FloorDiv(s[2], Block), Dim.FloorDiv(s[3], Block)])];
    }
}
