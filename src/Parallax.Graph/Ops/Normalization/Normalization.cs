using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>
/// BatchNormalization of data [batch, channels, ...]: inputs data, scale, bias, mean, variance, the last four [channels]. In training mode
/// mean and variance are the batch's own, and outputs 1 and 2 are the running ones, <c>given * momentum + own * (1 - momentum)</c>.
/// </summary>
public sealed record BatchNormalization(float Epsilon = 1e-5f, float Momentum = 0.9f, bool Training = false) : Op
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact data = context.Tensor(0);
        if (context.Shape(0) is { Rank: > 1 } shape)
            for (int i = 1; i < 5; i++) context.Expect(i, [shape[1]]);
        return Training
            ? [data.WithoutContents(), context.Tensor(3).WithoutContents(), context.Tensor(4).WithoutContents()]
            : [data.WithoutContents()];
    }
}

/// <summary>InstanceNormalization of data [batch, channels, spatial...]: each plane on its own; inputs data, scale, bias.</summary>
public sealed record InstanceNormalization(float Epsilon = 1e-5f) : Op
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        if (context.Shape(0, minRank: 3) is { } shape)
            for (int i = 1; i < 3; i++) context.Expect(i, [shape[1]]);
        return ShapeRules.SameAs(context);
    }
}

/// <summary>
/// LayerNormalization over the axis and all after it. Inputs data, scale, bias (optional), which broadcast to the data, and a residual of its shape
/// (optional), which is added to the result; outputs the result, and on demand mean and inverse standard deviation in <paramref name="StashType"/>.
/// </summary>
public sealed record LayerNormalization(long Axis = -1, float Epsilon = 1e-5f, DType StashType = DType.Float32) : Op
{
    public const int ResidualInput = 3;

    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact data = context.Tensor(0);
        if (data.Shape is not { } shape) return [data.WithoutContents(), new TensorFact(StashType), new TensorFact(StashType)];
        int axis = ShapeRules.Axis(Axis, shape.Rank);
        for (int i = 1; i < 3; i++) context.ExpectBroadcast(i, shape);
        context.Expect(ResidualInput, shape);
        var stash = new TensorFact(StashType, new Shape(shape.Dims.Map((d, i) => i < axis ? d : 1)));
        return [data.WithoutContents(), stash, stash];
    }
}

/// <summary>RMSNormalization over the axis and all after it: data / sqrt(mean(data²) + epsilon) * scale.</summary>
public sealed record RMSNormalization(long Axis = -1, float Epsilon = 1e-5f) : Op
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        if (context.Shape(0) is not { } shape) return ShapeRules.SameAs(context);
        ShapeRules.Axis(Axis, shape.Rank);
        context.ExpectBroadcast(1, shape);
        return ShapeRules.SameAs(context);
    }
}

/// <summary>GroupNormalization of data [batch, channels, spatial...]: inputs data, scale, bias.</summary>
/// <param name="AffinePerGroup">Whether scale and bias have an element per group (opset 18) instead of one per channel.</param>
public sealed record GroupNormalization(long Groups, float Epsilon = 1e-5f, bool AffinePerGroup = false) : Op
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        if (context.Shape(0, minRank: 2) is { } shape && (Groups < 1 || shape[1].TryGetValue(out long channels) && channels % Groups != 0))
            throw new InvalidModelException($"{shape[1]} channels cannot be cut into {Groups} groups");
        for (int i = 1; i < 3 && context.Shape(0) is { } data; i++) context.Expect(i, [AffinePerGroup ? Groups : data[1]]);
        return ShapeRules.SameAs(context);
    }
}

/// <summary>LpNormalization: data over its norm (p 1 or 2) along the axis; zero where the norm is zero.</summary>
public sealed record LpNormalization(long Axis = -1, long P = 2) : Op
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        if (P is not (1 or 2)) throw new InvalidModelException($"p must be 1 or 2, got {P}");
        if (context.Shape(0) is { } shape) ShapeRules.Axis(Axis, shape.Rank);
        return ShapeRules.SameAs(context);
    }
}

/// <summary>LRN of data [batch, channels, ...]: data / (bias + alpha / size * sum of squares over <paramref name="Size"/> channels around)^beta.</summary>
public sealed record LocalResponseNormalization(long Size, float Alpha = 1e-4f, float Beta = 0.75f, float Bias = 1) : Op
{
    public override string Name => "LRN";

    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        if (Size < 1) throw new InvalidModelException($"size must be 1 or more, got {Size}");
        context.Shape(0, minRank: 2);
        return ShapeRules.SameAs(context);
    }

    public override Cost Cost(ReadOnlySpan<Fact?> inputs, ReadOnlySpan<Fact?> outputs) =>
        new(CostOf.Elements(inputs[0]) * (Size + 10), CostOf.Bytes(inputs) + CostOf.Bytes(outputs));
}

/// <summary>MeanVarianceNormalization: (data - mean) / standard deviation, both over the axes.</summary>
public sealed record MeanVarianceNormalization(ImmutableArray<long> Axes) : Op
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        if (context.Shape(0) is { } shape) ShapeRules.Axes(Axes.AsSpan(), shape.Rank);
        return ShapeRules.SameAs(context);
    }
}
