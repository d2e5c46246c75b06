using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>What a sample outside of the data is.</summary>
public enum SamplePadding
{
    Zeros,
    Border,
    Reflection,
}

/// <summary>
/// Inputs: data [N, C, H, W] or [N, C, D, H, W], grid [N, .., 2 or 3] of positions x, y (, z) from -1 to 1. The data at the positions.
/// </summary>
/// <param name="AlignCorners">Whether -1 and 1 are the centers of the corner pixels rather than their outer edges.</param>
public sealed record GridSample(ResizeMode Mode, SamplePadding Padding, bool AlignCorners) : Op
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact data = context.Tensor(0);
        if (context.Shape(0, 4, 5) is not { } shape || context.Shape(1, 4, 5) is not { } grid) return [new TensorFact(data.Type)];
        if (grid.Rank != shape.Rank || grid[grid.Rank - 1].IsKnown && grid[grid.Rank - 1] != shape.Rank - 2)
            throw new InvalidModelException($"a grid of shape {grid} does not fit data of shape {shape}");
        return [new TensorFact(data.Type, new Shape([shape[0], shape[1], .. grid.Dims[1..^1]]))];
    }

    public override Cost Cost(ReadOnlySpan<Fact?> inputs, ReadOnlySpan<Fact?> outputs) =>
        new(CostOf.Elements(outputs[0]) * (Mode == ResizeMode.Cubic ? 16 : 4), CostOf.Bytes(inputs) + CostOf.Bytes(outputs));
}

/// <summary>Inputs: matrices [N, 2, 3] or [N, 3, 4], size [N, C, H, W] or [N, C, D, H, W]. The positions of a <see cref="GridSample"/> after an affine map.</summary>
public sealed record AffineGrid(bool AlignCorners) : Op
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact theta = context.Tensor(0);
        context.Shape(0, 3, 3);
        if (!Contents.TryGet(context, 1, out ImmutableArray<Dim> size))
            return [new TensorFact(theta.Type, Contents.Length(context.Tensor(1)) is { } rank ? FreshDim.Shape("grid", rank).With(rank - 1, rank - 2) : null)];
        if (size.Length is not (4 or 5)) throw new InvalidModelException($"size must have 4 or 5 elements, got {size.Length}");
        return [new TensorFact(theta.Type, new Shape([size[0], .. size[2..], size.Length - 2]))];
    }
}

/// <summary>Inputs: data [N, C, H, W], regions [R, 4] as x1, y1, x2, y2, batch of each region. Each region averaged (or its maximum taken) in a fixed number of bins.</summary>
/// <param name="HalfPixel">Whether regions are shifted by half a pixel, and may be smaller than one.</param>
public sealed record RoiAlign(long Height, long Width, int SamplingRatio, float Scale, bool TakeMax, bool HalfPixel) : Op
{
    public override ImmutableArray<Fact> Infer(InferContext context) => [RegionOutput.Of(context, 4, Height, Width)];
}

/// <summary>Inputs: data [N, C, H, W], regions [R, 5] as batch, x1, y1, x2, y2. The maximum of each of a fixed number of bins of each region.</summary>
public sealed record MaxRoiPool(long Height, long Width, float Scale) : Op
{
    public override ImmutableArray<Fact> Infer(InferContext context) => [RegionOutput.Of(context, 5, Height, Width)];
}

file static class RegionOutput
{
    internal static TensorFact Of(InferContext context, int columns, long height, long width)
    {
        TensorFact data = context.Tensor(0);
        Shape? shape = context.Shape(0, 4, 4), regions = context.Shape(1, 2, 2);
        if (height <= 0 || width <= 0) throw new InvalidModelException($"the pooled shape must be positive, got {height}x{width}");
        if (regions is { } given && given[1].IsKnown && given[1] != columns) throw new InvalidModelException($"regions must be [R, {columns}], got {given}");
        return new TensorFact(data.Type, [regions?[0] ?? FreshDim.Of("regions"), shape?[1] ?? FreshDim.Of("channels"), height, width]);
    }
}
