using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>A function of each element of input 0.</summary>
/// <param name="Alpha">First parameter of the function; 0 where it has none.</param>
/// <param name="Beta">Second parameter of the function; 0 where it has none.</param>
public sealed record Unary(UnaryFunction Function, float Alpha = 0f, float Beta = 0f) : Op
{
    public override string Name => Function.ToString();

    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact x = context.Tensor(0);
        if (Function.IsPredicate()) return [new TensorFact(DType.Bool, x.Shape)];
        if (Function is UnaryFunction.Neg or UnaryFunction.Abs or UnaryFunction.Relu && x.TryGetDims(out ImmutableArray<Dim> known)
            && ShapeArithmetic.Map(known, Follow) is { } values)
            return [TensorFact.OfKnown(x.Type, x.Shape!.Value, values)];
        return ShapeRules.SameAs(context);
    }

    private Dim? Follow(Dim x) => Function switch
    {
        UnaryFunction.Neg => -x,
        UnaryFunction.Abs => x.TryGetValue(out long value) ? Math.Abs(value) : null,
        _ => x.TryGetValue(out long value) ? Math.Max(value, 0) : null,
    };
}

/// <summary>Input 0 limited to [input 1, input 2]; both are optional scalars of its type. The maximum wins where it is below the minimum.</summary>
public sealed record Clip : Op
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        for (int bound = 1; bound < Math.Min(3, context.InputCount); bound++)
            if (context.OptionalTensor(bound) is { Shape: { IsKnown: true } shape } fact && shape.Elements != 1)
                throw new InvalidModelException($"input {bound} must be a scalar, got {fact}");
        return ShapeRules.SameAs(context);
    }
}
