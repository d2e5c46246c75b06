using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>The first input under another shape of the same elements.</summary>
public abstract record ViewOp : Op
{
    public sealed override bool IsView => true;

    public sealed override bool AcceptsNarrowFloats => true;

    public sealed override Cost Cost(ReadOnlySpan<Fact?> inputs, ReadOnlySpan<Fact?> outputs) => default;
}

/// <summary>The input itself, of any kind.</summary>
public sealed record Identity : ViewOp
{
    public override ImmutableArray<Fact> Infer(InferContext context) =>
        [context.Input(0) is TensorFact { Constant: { } constant } ? TensorFact.Of(constant) : context.Input(0)];
}

/// <summary>
/// Inputs: data, target shape. In the target, 0 copies the dim of the data at its place (a zero where <paramref name="AllowZero"/>),
/// and one -1 stands for what is left.
/// </summary>
public sealed record Reshape(bool AllowZero = false) : ViewOp
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact data = context.Tensor(0), target = context.Tensor(1);
        context.Shape(1, 1, 1);
        if (!Contents.TryGet(context, 1, out ImmutableArray<Dim> wanted))
            return [new TensorFact(data.Type, Contents.Length(target) is { } rank ? FreshDim.Shape("reshape", rank) : null)];
        Shape shape = Resolve(data.Shape, wanted);
        if (data.Shape is { IsKnown: true } from && shape.IsKnown && from.Elements != shape.Elements)
            throw new InvalidModelException($"{from} has {from.Elements} elements, the new shape {shape} has {shape.Elements}");
        return [Contents.Reshaped(data, shape)];
    }

    private Shape Resolve(Shape? data, ImmutableArray<Dim> wanted)
    {
        var dims = new Dim[wanted.Length];
        int open = -1;
        for (int i = 0; i < dims.Length; i++)
        {
            dims[i] = wanted[i];
            if (!wanted[i].TryGetValue(out long value)) continue;
            if (value < -1) throw new InvalidModelException($"dim {value} in the new shape [{string.Join(", ", wanted)}]");
            if (value == -1)
            {
                if (open >= 0) throw new InvalidModelException($"more than one -1 in the new shape [{string.Join(", ", wanted)}]");
                open = i;
            }
            else if (value == 0 && !AllowZero)
            {
                if (data is { } shape && i >= shape.Rank)
                    throw new InvalidModelException($"the new shape [{string.Join(", ", wanted)}] copies dim {i} of a tensor of shape {shape}");
                dims[i] = data is { } copied ? copied[i] : FreshDim.Of("reshape");
            }
        }
        if (open >= 0) dims[open] = data is { } from ? Rest(from, dims, open) : FreshDim.Of("reshape");
        return new Shape([.. dims]);
    }

    /// <summary>The elements of <paramref name="from"/> over the product of the other dims. Equal dims cancel first, so sums such as seq + 1 divide too.</summary>
    private static Dim Rest(Shape from, Dim[] dims, int open)
    {
        List<Dim> above = [.. from.Dims];
        Dim below = 1;
        for (int i = 0; i < dims.Length; i++)
            if (i != open && !above.Remove(dims[i])) below *= dims[i];
        Dim product = 1;
        foreach (Dim dim in above) product *= dim;
        if (Dim.TryDivide(product, below, out Dim quotient)) return quotient;
        if (product.IsKnown && below.IsKnown) throw new InvalidModelException($"{from} does not divide into the new shape [{string.Join(", ", dims)}]");
        return Dim.FloorDiv(product, below);
    }
}

/// <summary>A matrix: the dims before <paramref name="Axis"/> (which may be the rank) by those from it on.</summary>
public sealed record Flatten(long Axis = 1) : ViewOp
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact data = context.Tensor(0);
        if (data.Shape is not { } shape) return [new TensorFact(data.Type, FreshDim.Shape("flatten", 2))];
        int axis = Axis == shape.Rank ? shape.Rank : ShapeRules.Axis(Axis, shape.Rank);
        return [new TensorFact(data.Type, [new Shape(shape.Dims[..axis]).Elements, new Shape(shape.Dims[axis..]).Elements])];
    }
}

/// <summary>Inputs: data, axes to remove (optional: all of length 1).</summary>
public sealed record Squeeze : ViewOp
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact data = context.Tensor(0);
        if (data.Shape is not { } shape) return [new TensorFact(data.Type)];
        if (!context.Has(1))
            return [Contents.Reshaped(data, shape.Dims.Any(d => !d.IsKnown) ? null : new Shape([.. shape.Dims.Where(d => d != 1)]))];
        if (!context.TryGetInts(1, out long[] axes))
            return [new TensorFact(data.Type, Contents.Length(context.Tensor(1)) is { } count ? FreshDim.Shape("squeeze", shape.Rank - count) : null)];
        int[] gone = ShapeRules.Axes(axes, shape.Rank);
        foreach (int axis in gone)
            if (shape[axis].TryGetValue(out long dim) && dim != 1) throw new InvalidModelException($"axis {axis} of {shape} is not 1");
        return [Contents.Reshaped(data, new Shape([.. shape.Dims.Where((_, i) => Array.IndexOf(gone, i) < 0)]))];
    }
}

/// <summary>Inputs: data, axes of the result that are new and of length 1.</summary>
public sealed record Unsqueeze : ViewOp
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact data = context.Tensor(0);
        if (data.Shape is not { } shape) return [new TensorFact(data.Type)];
        if (!context.TryGetInts(1, out long[] axes))
            return [new TensorFact(data.Type, Contents.Length(context.Tensor(1)) is { } count ? FreshDim.Shape("unsqueeze", shape.Rank + count) : null)];
        int[] added = ShapeRules.Axes(axes, shape.Rank + axes.Length);
        var dims = ImmutableArray.CreateBuilder<Dim>();
        for (int i = 0, next = 0; i < shape.Rank + added.Length; i++)
            dims.Add(Array.IndexOf(added, i) >= 0 ? 1 : shape[next++]);
        return [Contents.Reshaped(data, new Shape(dims.ToImmutable()))];
    }
}
