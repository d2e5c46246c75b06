using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>
/// <c>activation(X * W + B + residual)</c>: cross-correlation of X [N, C, spatial...] with W [M, C/groups, kernel...] over any number of spatial axes.
/// Input 2, the bias B [M], and input 3, the residual of the result's shape, are optional.
/// </summary>
/// <param name="Window">An empty kernel is taken from W.</param>
public sealed record Conv(SpatialWindow Window, long Groups = 1) : Op, IFusible
{
    public Activation Activation { get; init; }

    public bool ResidualAfterActivation { get; init; }

    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        DType type = context.Tensor(0).Type;
        Shape? weights = context.Shape(1, 3);
        if (context.Shape(0, 3) is not { } x) return [new TensorFact(type)];
        if (weights is not { } w) return [new TensorFact(type, new Shape([x[0], .. Enumerable.Range(0, x.Rank - 1).Select(i => Dim.Symbol($"conv_{i}"))]))];
        if (w.Rank != x.Rank) throw new InvalidModelException($"X {x} and W {w} must have the same rank");
        if (x[1].TryGetValue(out long channels) && w[1].TryGetValue(out long perGroup) && channels != perGroup * Groups)
            throw new InvalidModelException($"input 'w' must be [{w[0]}x{(channels % Groups == 0 ? $"{channels / Groups}" : "?")}x...] for {channels} channels in {Groups} groups, got {w}");
        if (w[0].TryGetValue(out long outputs) && outputs % Groups != 0) throw new InvalidModelException($"{outputs} output channels do not split into {Groups} groups");
        return [new TensorFact(type, WindowOver(w).Output(x, x[0], w[0]))];
    }

    /// <summary>MACs per group: every result sums C/groups x kernel products.</summary>
    public override Cost Cost(ReadOnlySpan<Fact?> inputs, ReadOnlySpan<Fact?> outputs)
    {
        if (inputs[1] is not TensorFact { Shape: { } w }) return base.Cost(inputs, outputs);
        Dim taps = new Shape(w.Dims[1..]).Elements;
        return new Cost(CostOf.Elements(outputs[0]) * taps, CostOf.Bytes(inputs) + CostOf.Bytes(outputs));
    }

    /// <summary>The window with its kernel filled in from the weights' shape, and checked against it.</summary>
    public SpatialWindow WindowOver(Shape weights)
    {
        long[] kernel = new Shape(weights.Dims[2..]).ToArray();
        if (!Window.Kernel.IsEmpty && !Window.Kernel.AsSpan().SequenceEqual(kernel))
            throw new InvalidModelException($"kernel_shape is {string.Join('x', Window.Kernel)}, the weights are {weights}");
        return Window.WithKernel([.. kernel]);
    }
}
