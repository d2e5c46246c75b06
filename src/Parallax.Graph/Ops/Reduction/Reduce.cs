using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>
/// ReduceSum and its kin. Inputs: data, axes (int64, optional; absent or empty means all axes, or none with <paramref name="NoopWithEmptyAxes"/>).
/// A reduction over no axes still squares, takes logarithms and so on.
/// </summary>
public sealed record Reduce(ReduceKind Kind, bool KeepDims = true, bool NoopWithEmptyAxes = false) : Op
{
    public override string Name => $"Reduce{Kind}";

    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact data = context.Tensor(0);
        if (data.Shape is not { } shape || !TryGetAxes(context, out long[] given)) return [new TensorFact(data.Type)];
        int[] axes = Axes(given, shape.Rank);
        Shape result = Reduced(shape, axes, KeepDims);
        return data.TryGetDims(out ImmutableArray<Dim> dims) && TryFold(dims, axes.Length > 0, out ImmutableArray<Dim> known)
            ? [TensorFact.OfKnown(data.Type, result, known)]
            : [new TensorFact(data.Type, result)];
    }

    public override Cost Cost(ReadOnlySpan<Fact?> inputs, ReadOnlySpan<Fact?> outputs) =>
        new(CostOf.Elements(inputs[0]), CostOf.Bytes(inputs) + CostOf.Bytes(outputs));

    /// <summary>The axes that a list stands for, each at or above 0.</summary>
    public int[] Axes(ReadOnlySpan<long> given, int rank) => given.Length > 0
        ? ShapeRules.Axes(given, rank)
        : NoopWithEmptyAxes ? [] : Mapping.Positions(rank);

    /// <summary>A shape without (or with 1 in place of) the reduced axes.</summary>
    internal static Shape Reduced(Shape shape, int[] axes, bool keepDims)
    {
        var dims = ImmutableArray.CreateBuilder<Dim>(shape.Rank);
        for (int i = 0; i < shape.Rank; i++)
        {
            bool reduced = Array.IndexOf(axes, i) >= 0;
            if (!reduced) dims.Add(shape[i]);
            else if (keepDims) dims.Add(1);
        }
        return new Shape(dims.ToImmutable());
    }

    private static bool TryGetAxes(InferContext context, out long[] axes)
    {
        axes = [];
        return !context.Has(1) || context.TryGetInts(1, out axes) || context.Tensor(1).Shape is { } shape && shape.Elements == 0;
    }

    private bool TryFold(ImmutableArray<Dim> dims, bool reduces, out ImmutableArray<Dim> result)
    {
        result = default;
        if (dims.IsEmpty || Kind is not (ReduceKind.Sum or ReduceKind.Prod or ReduceKind.Max or ReduceKind.Min)) return false;
        if (!reduces)
        {
            result = dims;
            return true;
        }
        result = [dims.Aggregate((a, b) => Kind switch
        {
            ReduceKind.Sum => a + b,
            ReduceKind.Prod => a * b,
            ReduceKind.Max => Dim.Max(a, b),
            _ => Dim.Min(a, b),
        })];
        return true;
    }
}

/// <summary>ArgMax and ArgMin: position of the extreme element along an axis, as int64; of equal ones the first, or the last.</summary>
public sealed record ArgReduce(bool Largest, long Axis = 0, bool KeepDims = true, bool SelectLastIndex = false) : Op
{
    public override string Name => Largest ? "ArgMax" : "ArgMin";

    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        if (context.Shape(0) is not { } shape) return [new TensorFact(DType.Int64)];
        int axis = shape.Rank == 0 ? 0 : ShapeRules.Axis(Axis, shape.Rank);
        if (shape.Rank > 0 && shape[axis] == 0) throw new InvalidModelException($"axis {axis} of {shape} has no elements to choose from");
        return [new TensorFact(DType.Int64, Reduce.Reduced(shape, [axis], KeepDims))];
    }

    public override Cost Cost(ReadOnlySpan<Fact?> inputs, ReadOnlySpan<Fact?> outputs) =>
        new(CostOf.Elements(inputs[0]), CostOf.Bytes(inputs) + CostOf.Bytes(outputs));
}
