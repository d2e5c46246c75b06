using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>What pooling makes of the elements that a window sees; padding is never an element.</summary>
public enum PoolKind
{
    Max,
    Average,

    /// <summary>The p-th root of the sum of |x|^p.</summary>
    Lp,
}

/// <summary>
/// MaxPool, AveragePool and LpPool over data [batch, channels, spatial...]. Max has a second output on demand: int64 positions of the
/// largest elements in the whole flattened input.
/// </summary>
/// <param name="CountIncludePad">Whether an average counts the padding (never what lies beyond it) as zeros.</param>
/// <param name="ColumnMajorIndices">Whether positions count the first spatial axis fastest.</param>
public sealed record Pool(PoolKind Kind, SpatialWindow Window, bool CountIncludePad = false, double P = 2, bool ColumnMajorIndices = false) : Op
{
    public override string Name => $"{Kind}Pool";

    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact data = context.Tensor(0);
        Shape? result = context.Shape(0, minRank: 3) is { } shape ? Window.Output(shape, shape[0], shape[1]) : null;
        return Kind == PoolKind.Max
            ? [new TensorFact(data.Type, result), new TensorFact(DType.Int64, result)]
            : [new TensorFact(data.Type, result)];
    }

    public override Cost Cost(ReadOnlySpan<Fact?> inputs, ReadOnlySpan<Fact?> outputs)
    {
        Dim taps = 1;
        foreach (long size in Window.Kernel) taps *= size;
        return new Cost(CostOf.Elements(outputs[0]) * taps, CostOf.Bytes(inputs) + CostOf.Bytes(outputs));
    }
}

/// <summary>GlobalMaxPool, GlobalAveragePool and GlobalLpPool: one result per batch and channel, spatial dims 1.</summary>
public sealed record GlobalPool(PoolKind Kind, double P = 2) : Op
{
    public override string Name => $"Global{Kind}Pool";

    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact data = context.Tensor(0);
        if (context.Shape(0, minRank: 2) is not { } shape) return [new TensorFact(data.Type)];
        return [new TensorFact(data.Type, new Shape(shape.Dims.Map((d, i) => i < 2 ? d : 1)))];
    }

    public override Cost Cost(ReadOnlySpan<Fact?> inputs, ReadOnlySpan<Fact?> outputs) =>
        new(CostOf.Elements(inputs[0]), CostOf.Bytes(inputs) + CostOf.Bytes(outputs));
}

/// <summary>
/// MaxUnpool: zeros, and each element of input 0 at the position that input 1 (int64) gives. Positions count in the shape that undoes
/// <paramref name="Window"/>; input 2 (optional) may ask for a larger one, whose rest is zeros.
/// </summary>
public sealed record MaxUnpool(SpatialWindow Window) : Op
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact data = context.Tensor(0);
        if (context.Shape(0, minRank: 3) is not { } shape) return [new TensorFact(data.Type)];
        context.Expect(1, shape);
        if (!context.Has(2)) return [new TensorFact(data.Type, Unpooled(shape))];
        if (!context.Tensor(2).TryGetDims(out ImmutableArray<Dim> dims)) return [new TensorFact(data.Type)];
        if (dims.Length != shape.Rank) throw new InvalidModelException($"output_shape must have {shape.Rank} entries, got {dims.Length}");
        return [new TensorFact(data.Type, new Shape(dims))];
    }

    /// <summary>The smallest shape that pools to <paramref name="shape"/>.</summary>
    public Shape Unpooled(Shape shape)
    {
        int rank = shape.Rank - 2;
        Window.Check(rank);
        var dims = ImmutableArray.CreateBuilder<Dim>(shape.Rank);
        dims.AddRange(shape[0], shape[1]);
        for (int i = 0; i < rank; i++)
        {
            (long begin, long end) = Window.PadsOf(i, 0);
            dims.Add((shape[i + 2] - 1) * Window.Stride(i) + Window.Kernel[i] - begin - end);
        }
        return new Shape(dims.MoveToImmutable());
    }
}
