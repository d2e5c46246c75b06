using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>Einstein's summation: the product of the inputs by named axes, summed over the axes that the result does not name.</summary>
public sealed record Einsum(string Equation) : Op
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        DType type = context.Tensor(0).Type;
        if (Shapes(context.Inputs) is not { } shapes) return [new TensorFact(type)];
        EinsumEquation equation = EinsumEquation.Parse(Equation, [.. shapes.Select(s => s.Rank)]);
        Dictionary<int, Dim> dims = Dims(equation, shapes);
        return [new TensorFact(type, new Shape([.. equation.Output.Select(label => dims[label])]))];
    }

    /// <summary>A multiply-accumulate for every point of all axes and operand behind the first.</summary>
    public override Cost Cost(ReadOnlySpan<Fact?> inputs, ReadOnlySpan<Fact?> outputs)
    {
        if (Shapes([.. inputs]) is not { } shapes) return base.Cost(inputs, outputs);
        Dim points = Dims(EinsumEquation.Parse(Equation, [.. shapes.Select(s => s.Rank)]), shapes).Values.Aggregate((Dim)1, (a, b) => a * b);
        return new Cost(points * Math.Max(1, shapes.Length - 1), CostOf.Bytes(inputs) + CostOf.Bytes(outputs));
    }

    private static Shape[]? Shapes(ImmutableArray<Fact?> inputs) => inputs.All(f => f is TensorFact { Shape: not null })
        ? [.. inputs.Select(f => ((TensorFact)f!).Shape!.Value)]
        : null;

    private Dictionary<int, Dim> Dims(EinsumEquation equation, Shape[] shapes)
    {
        var dims = new Dictionary<int, Dim>();
        for (int i = 0; i < shapes.Length; i++)
            for (int axis = 0; axis < shapes[i].Rank; axis++)
            {
                int label = equation.Operands[i][axis];
                if (!dims.TryGetValue(label, out Dim known) || known == 1) dims[label] = shapes[i][axis];
                else if (shapes[i][axis] is { IsKnown: true } dim && dim != 1)
                {
                    if (known.IsKnown && known != dim) throw new InvalidModelException($"equation '{Equation}': an axis has {known} and {dim} elements");
                    dims[label] = dim;
                }
            }
        return dims;
    }
}
