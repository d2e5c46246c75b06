using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>What scales belong to: checks that quantizing and dequantizing share.</summary>
internal static class ScaleRules
{
    /// <summary>A scale is a scalar, has one element per index along the axis, or, blocked, the data's dims with fewer along the axis.</summary>
    internal static void Check(InferContext context, long axis, long block)
    {
        if (context.Tensor(0).Shape is not { IsKnown: true } data || context.Tensor(1).Shape is not { IsKnown: true } scale) return;
        if (context.Has(2) && context.Tensor(2).Shape is { IsKnown: true } zero && zero.Elements != scale.Elements)
            throw new InvalidModelException($"the zero point {zero} must have the shape of the scale {scale}");
        if (block == 0 && scale.Elements == 1) return;
        int at = ShapeRules.Axis(axis, data.Rank);
        if (block == 0 ? scale.Rank != 1 || scale[0] != data[at] : scale.Rank != data.Rank || scale[at] != Dim.CeilDiv(data[at], block))
            throw new InvalidModelException($"scale {scale} does not fit {data} along axis {at}{(block == 0 ? "" : $" in blocks of {block}")}");
    }
}

/// <summary>Inputs: data, scale, zero point (optional, of the result's type). y = saturate(round(x / scale) + zero point), computed in float32.</summary>
/// <param name="Axis">Where the scales lie, unless there is only one.</param>
/// <param name="BlockSize">Elements along the axis that share a scale; 0: the scale is not blocked.</param>
/// <param name="Type">The result's type where there is no zero point; undefined: uint8.</param>
/// <param name="Saturate">Results of float8: whether what is out of range becomes the largest finite value.</param>
public sealed record QuantizeLinear(long Axis = 1, long BlockSize = 0, DType Type = DType.Undefined, bool Saturate = true) : Op
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        ScaleRules.Check(context, Axis, BlockSize);
        DType type = context.Has(2) ? context.Tensor(2).Type : Type == DType.Undefined ? DType.UInt8 : Type;
        return [new TensorFact(type, context.Tensor(0).Shape)];
    }
}

/// <summary>Inputs: data, scale, zero point (optional, of the data's type). y = (x - zero point) * scale, computed in float32.</summary>
/// <param name="Axis">Where the scales lie, unless there is only one.</param>
/// <param name="BlockSize">Elements along the axis that share a scale; 0: the scale is not blocked.</param>
/// <param name="Type">The result's type; undefined: that of the scale.</param>
public sealed record DequantizeLinear(long Axis = 1, long BlockSize = 0, DType Type = DType.Undefined) : Op
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        ScaleRules.Check(context, Axis, BlockSize);
        DType scale = context.Tensor(1).Type;
        return [new TensorFact(Type != DType.Undefined ? Type : scale == DType.Float8E8M0 ? DType.Float32 : scale, context.Tensor(0).Shape)];
    }
}

/// <summary>Input: float32 data. Outputs: the data as uint8, the scale and the zero point that were found for it.</summary>
public sealed record DynamicQuantizeLinear : Op
{
    public override ImmutableArray<Fact> Infer(InferContext context) =>
        [new TensorFact(DType.UInt8, context.Tensor(0).Shape), new TensorFact(DType.Float32, Shape.Scalar), new TensorFact(DType.UInt8, Shape.Scalar)];
}
