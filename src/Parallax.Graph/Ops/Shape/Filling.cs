using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>A tensor of the shape that input 0 holds, every element <paramref name="Value"/> (a tensor of one element).</summary>
public sealed record ConstantOfShape(Tensor Value) : Op
{
    public override bool AcceptsNarrowFloats => true;

    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact wanted = context.Tensor(0);
        context.Shape(0, 1, 1);
        if (!Contents.TryGet(context, 0, out ImmutableArray<Dim> dims))
            return [new TensorFact(Value.DType, Contents.Length(wanted) is { } rank ? FreshDim.Shape("filled", rank) : null)];
        foreach (Dim dim in dims)
            if (dim.TryGetValue(out long length) && length < 0) throw new InvalidModelException($"dim {length} in the shape [{string.Join(", ", dims)}]");
        var shape = new Shape(dims);
        if (shape.Rank <= 1 && shape.Elements.TryGetValue(out long count) && count <= TensorFact.MaxKnownElements && TensorFact.Of(Value).TryGetDims(out ImmutableArray<Dim> value))
            return [Contents.Fact(Value.DType, shape, [.. Enumerable.Repeat(value[0], (int)count)])];
        return [new TensorFact(Value.DType, shape)];
    }
}

/// <summary>Inputs: data, shape to broadcast with (both ways, as NumPy's arithmetic does).</summary>
public sealed record Expand : Op
{
    public override bool AcceptsNarrowFloats => true;

    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact data = context.Tensor(0), wanted = context.Tensor(1);
        context.Shape(1, 1, 1);
        if (!Contents.TryGet(context, 1, out ImmutableArray<Dim> dims))
        {
            int? rank = data.Rank is { } own && Contents.Length(wanted) is { } length ? Math.Max(own, length) : null;
            return [new TensorFact(data.Type, rank is { } known ? FreshDim.Shape("expand", known) : null)];
        }
        if (dims.Any(d => d.TryGetValue(out long length) && length < 0)) throw new InvalidModelException($"the shape [{string.Join(", ", dims)}] has a negative dim");
        Shape? shape = ShapeRules.Broadcast(data.Shape, new Shape(dims));
        if (shape is { Rank: <= 1 } small && small.Elements.TryGetValue(out long count) && count <= TensorFact.MaxKnownElements
            && data.TryGetDims(out ImmutableArray<Dim> contents) && (contents.Length == 1 || contents.Length == count))
            return [Contents.Fact(data.Type, small, contents.Length == count ? contents : [.. Enumerable.Repeat(contents[0], (int)count)])];
        return [new TensorFact(data.Type, shape)];
    }
}

/// <summary>Ones on diagonal <paramref name="Diagonal"/> of a matrix shaped as the input, zeros elsewhere; of the input's type unless <paramref name="Type"/> is given.</summary>
public sealed record EyeLike(DType? Type = null, long Diagonal = 0) : Op
{
    public override bool AcceptsNarrowFloats => true;

    public override ImmutableArray<Fact> Infer(InferContext context) =>
        [new TensorFact(Type ?? context.Tensor(0).Type, context.Shape(0, 2, 2) ?? FreshDim.Shape("eye", 2))];
}

/// <summary>ONNX's Range. Scalar inputs: start, limit (excluded), delta.</summary>
public sealed record NumberRange : Op
{
    public override string Name => "Range";

    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        DType type = context.Tensor(0).Type;
        if (Contents.TryGetScalar(context, 0, out Dim start) && Contents.TryGetScalar(context, 1, out Dim limit) && Contents.TryGetScalar(context, 2, out Dim delta))
            return [OfIntegers(type, start, limit, delta)];
        if (context.Tensor(0).TryGetScalar(out double first) && context.Tensor(1).TryGetScalar(out double end) && context.Tensor(2).TryGetScalar(out double step))
        {
            CheckStep(step != 0);
            double count = Math.Max(0, Math.Ceiling((end - first) / step));
            if (!(count <= long.MaxValue / 16)) throw new InvalidModelException($"a range from {first} to {end} in steps of {step} does not end");
            return [new TensorFact(type, [(long)count])];
        }
        return [new TensorFact(type, [FreshDim.Of("range")])];
    }

    private static TensorFact OfIntegers(DType type, Dim start, Dim limit, Dim delta)
    {
        CheckStep(delta != 0);
        Dim count = Dim.CeilDiv(limit - start, delta);
        // A sum of dims is never negative; where something is subtracted, the range may be empty.
        if (!count.TryGetValue(out long length)) return new TensorFact(type, [count.ToString().Contains('-') ? Dim.Max(0, count) : count]);
        length = Math.Max(0, length);
        if (length > TensorFact.MaxKnownElements) return new TensorFact(type, [length]);
        var contents = ImmutableArray.CreateBuilder<Dim>((int)length);
        for (long i = 0; i < length; i++) contents.Add(start + delta * i);
        return Contents.Fact(type, [length], contents.MoveToImmutable());
    }

    private static void CheckStep(bool moves)
    {
        if (!moves) throw new InvalidModelException("delta must not be 0");
    }
}
