using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>
/// Convolution of images whose taps are moved: inputs X [N, C, H, W], W [M, C/groups, kh, kw], offsets [N, offset groups * kh * kw * 2, oh, ow] (down, then right),
/// and optionally a bias [M] and a mask [N, offset groups * kh * kw, oh, ow] that scales what a tap reads. Taps between elements read the bilinear mean, zero outside.
/// </summary>
/// <param name="Window">An empty kernel is taken from W.</param>
/// <param name="OffsetGroups">Groups of input channels that share offsets and mask.</param>
public sealed record DeformConv(SpatialWindow Window, long Groups = 1, long OffsetGroups = 1) : Op
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        if (context.Shape(0, 4) is not { } x || context.Shape(1, 4) is not { } w) return [new TensorFact(context.Tensor(0).Type)];
        if (x.Rank != 4) throw new UnsupportedModelException($"DeformConv over {x.Rank - 2} axes is not supported", ["DeformConv over other than 2 axes"]);
        if (OffsetGroups < 1 || x[1].TryGetValue(out long channels) && channels % OffsetGroups != 0)
            throw new InvalidModelException($"{x[1]} channels cannot be cut into {OffsetGroups} offset groups");
        var fact = (TensorFact)new Conv(Window, Groups).Infer(new InferContext([context.Tensor(0), context.Tensor(1)], 1))[0];
        Dim numbers = w[2] * w[3] * OffsetGroups, rows = fact.Shape!.Value[2], columns = fact.Shape!.Value[3];
        context.Expect(2, [x[0], numbers * 2, rows, columns]);
        context.Expect(3, [w[0]]);
        context.Expect(4, [x[0], numbers, rows, columns]);
        return [fact];
    }

    /// <summary>A convolution's, and four reads for every tap of every input channel.</summary>
    public override Cost Cost(ReadOnlySpan<Fact?> inputs, ReadOnlySpan<Fact?> outputs)
    {
        if (inputs[0] is not TensorFact { Shape: { } x } || inputs[2] is not TensorFact { Shape: { } offsets }) return base.Cost(inputs, outputs);
        Cost product = new Conv(Window, Groups).Cost(inputs[..2], outputs);
        return product with { Macs = product.Macs + Dim.FloorDiv(offsets.Elements * x[1] * 2, OffsetGroups), Bytes = CostOf.Bytes(inputs) + CostOf.Bytes(outputs) };
    }

    /// <summary>The window with its kernel filled in from the weights' shape.</summary>
    public SpatialWindow WindowOver(Shape weights) => new Conv(Window, Groups).WindowOver(weights);
}
