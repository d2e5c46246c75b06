using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>A function of each pair of elements of inputs 0 and 1, with NumPy's broadcasting.</summary>
public sealed record Binary(BinaryFunction Function) : Op
{
    public override string Name => Function.ToString();

    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact a = context.Tensor(0), b = context.Tensor(1);
        RequireSameTypes(a, b);
        Shape? shape = ShapeRules.Broadcast(a.Shape, b.Shape);
        if (Function == BinaryFunction.PRelu && shape is { IsKnown: true } result && a.Shape is { IsKnown: true } && result != a.Shape)
            throw new InvalidModelException($"the slope {b} does not broadcast to {a}");
        DType type = Function.IsComparison() ? DType.Bool : a.Type == DType.Undefined && Function != BinaryFunction.Pow ? b.Type : a.Type;
        if (shape is { Rank: <= 1 } small && a.TryGetDims(out ImmutableArray<Dim> left) && b.TryGetDims(out ImmutableArray<Dim> right)
            && ShapeArithmetic.Zip(left, right, (l, r) => ShapeArithmetic.Apply(Function, l, r)) is { } known)
            return [TensorFact.OfKnown(type, small, known)];
        return [new TensorFact(type, shape)];
    }

    private void RequireSameTypes(TensorFact a, TensorFact b)
    {
        if (Function == BinaryFunction.Pow || a.Type == b.Type || a.Type == DType.Undefined || b.Type == DType.Undefined) return;
        throw new InvalidModelException($"both inputs must have one type, got {a} and {b}");
    }
}

/// <summary>Elements of input 1 where the bool input 0 holds, elements of input 2 elsewhere, with NumPy's broadcasting of all three.</summary>
public sealed record Where : Op
{
    public override bool AcceptsNarrowFloats => true;

    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact condition = context.Tensor(0), a = context.Tensor(1), b = context.Tensor(2);
        if (condition.Type is not (DType.Bool or DType.Undefined)) throw new InvalidModelException($"input 0 must be bool, got {condition}");
        if (a.Type != b.Type && a.Type != DType.Undefined && b.Type != DType.Undefined)
            throw new InvalidModelException($"inputs 1 and 2 must have one type, got {a} and {b}");
        DType type = a.Type == DType.Undefined ? b.Type : a.Type;
        Shape? shape = ShapeRules.Broadcast(condition.Shape, ShapeRules.Broadcast(a.Shape, b.Shape));
        return Select(condition, a, b) is { } known && shape is { Rank: <= 1 } small
            ? [TensorFact.OfKnown(type, small, known)]
            : [new TensorFact(type, shape)];
    }

    private static ImmutableArray<Dim>? Select(TensorFact condition, TensorFact a, TensorFact b)
    {
        if (!ShapeArithmetic.TryGetBools(condition, out ImmutableArray<Dim> choices) || !a.TryGetDims(out ImmutableArray<Dim> left) || !b.TryGetDims(out ImmutableArray<Dim> right))
            return null;
        int length = Math.Max(choices.Length, Math.Max(left.Length, right.Length));
        if (Math.Min(choices.Length, Math.Min(left.Length, right.Length)) == 0) return [];
        var result = ImmutableArray.CreateBuilder<Dim>(length);
        for (int i = 0; i < length; i++)
        {
            ImmutableArray<Dim> side = choices[choices.Length == 1 ? 0 : i] != 0 ? left : right;
            result.Add(side[side.Length == 1 ? 0 : i]);
        }
        return result.MoveToImmutable();
    }
}
