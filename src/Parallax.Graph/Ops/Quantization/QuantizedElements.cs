using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>
/// Add, Sub or Mul of 8-bit data, computed on the real numbers that it stands for and rounded once. Inputs: A, its scale and zero, B, its scale and zero, scale and
/// zero of the result; scales and zero points are scalars. A and B are broadcast as in NumPy.
/// </summary>
public sealed record QuantizedBinary(BinaryFunction Function) : Op
{
    public override string Name => $"QLinear{Function}";

    /// <summary>The codes that the result may take.</summary>
    public CodeRange Range { get; init; } = CodeRange.OfType;

    public override ImmutableArray<Fact> Infer(InferContext context) =>
        [new TensorFact(context.Tensor(7).Type, ShapeRules.Broadcast(context.Tensor(0).Shape, context.Tensor(3).Shape))];
}

/// <summary>
/// The mean of 8-bit data over all axes from <paramref name="FirstAxis"/> on, computed on the real numbers that it stands for and rounded once. Inputs: data, its
/// scale and zero, scale and zero of the result; scales and zero points are scalars.
/// </summary>
/// <param name="KeepDims">Whether the axes stay, with length 1.</param>
public sealed record QuantizedMean(int FirstAxis, bool KeepDims) : Op
{
    public override string Name => "QLinearReduceMean";

    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        Shape? shape = context.Shape(0, minRank: FirstAxis);
        return [new TensorFact(context.Tensor(4).Type, shape is { } data ? Reduce.Reduced(data, [.. Enumerable.Range(FirstAxis, data.Rank - FirstAxis)], KeepDims) : null)];
    }

    public override Cost Cost(ReadOnlySpan<Fact?> inputs, ReadOnlySpan<Fact?> outputs) =>
        new(CostOf.Elements(inputs[0]), CostOf.Bytes(inputs) + CostOf.Bytes(outputs));
}

/// <summary>Inputs: 8-bit data, and 256 bytes of an 8-bit type. Each element becomes the entry at its byte, read as an unsigned number.</summary>
public sealed record TableLookup : Op
{
    public const int Entries = 256;

    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        context.Expect(1, [Entries]);
        return [new TensorFact(context.Tensor(1).Type, context.Tensor(0).Shape)];
    }
}
