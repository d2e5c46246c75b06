using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>An operator that draws random numbers: the same ones in every run where it has a seed.</summary>
/// <param name="Seed">Null: other numbers in every run.</param>
public abstract record RandomOp(uint? Seed) : Op
{
    public sealed override bool IsDeterministic => Seed is not null;
}

/// <summary>Numbers of a distribution: uniform in [First, Second), or normal with mean First and deviation Second.</summary>
/// <param name="Type">Element type; undefined: that of input 0.</param>
/// <param name="Dims">Dims of the result; default: those of input 0.</param>
public sealed record RandomNumbers(bool Normal, float First, float Second, DType Type, ImmutableArray<long> Dims, uint? Seed) : RandomOp(Seed)
{
    public override string Name => Normal ? "RandomNormal" : "RandomUniform";

    public override bool AcceptsNarrowFloats => true;

    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        if (!Dims.IsDefault) return [new TensorFact(Type, Shape.Of(Dims.AsSpan()))];
        TensorFact like = context.Tensor(0);
        return [new TensorFact(Type == DType.Undefined ? like.Type : Type, like.Shape)];
    }
}

/// <summary>1 with the probability that input 0 gives, else 0.</summary>
/// <param name="Type">Element type; undefined: that of input 0.</param>
public sealed record Bernoulli(DType Type, uint? Seed) : RandomOp(Seed)
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact p = context.Tensor(0);
        return [new TensorFact(Type == DType.Undefined ? p.Type : Type, p.Shape)];
    }
}

/// <summary>Classes drawn from input 0 [batch, classes], the logarithms of unnormalized probabilities.</summary>
public sealed record Multinomial(long Samples, DType Type, uint? Seed) : RandomOp(Seed)
{
    public override ImmutableArray<Fact> Infer(InferContext context) =>
        [new TensorFact(Type, context.Shape(0, 2, 2) is { } shape ? new Shape([shape[0], Samples]) : null)];
}

/// <summary>
/// Inputs: data, ratio (scalar, default 1/2), training mode (bool scalar, default false). Outputs: the data, where training with elements dropped and the
/// others scaled up; the mask of what was kept.
/// </summary>
public sealed record Dropout(uint? Seed) : RandomOp(Seed)
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact x = context.Tensor(0).WithoutContents();
        return context.OutputCount < 2 ? [x] : [x, x with { Type = DType.Bool }];
    }
}
