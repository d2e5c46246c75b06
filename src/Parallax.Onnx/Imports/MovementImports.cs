using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Graphs.Ops;

namespace Parallax.Onnx.Imports;

internal static class MovementImports
{
    internal static readonly OpImport[] All =
    [
        new("Transpose", 1.., n => new Transpose(n.Ints("perm") is { } perm ? [.. perm.Select(axis => (int)axis)] : default)),
        new("Concat", ..3, n => new Concat(n.Int("axis", 1))),
        new("Concat", 4.., n => new Concat(n.Int("axis"))),
        new("Split", ..12, OldSplit),
        new("Split", 13..17, n => new Split(n.Int("axis", 0))),
        new("Split", 18.., n => new Split(n.Int("axis", 0), (int)n.Int("num_outputs", 0))),
        new("Slice", ..9, OldSlice),
        new("Slice", 10.., n => new Slice()),
        new("Pad", ..10, OldPad),
        new("Pad", 11.., n => new Pad(Mode(n))),
        new("Tile", ..5, OldTile),
        new("Tile", 6.., n => new Tile()),
        new("DepthToSpace", 1.., n => new DepthToSpace((int)n.Int("blocksize"), Order(n))),
        new("SpaceToDepth", 1.., n => new SpaceToDepth((int)n.Int("blocksize"))),
        new("CenterCropPad", 18.., n => new CenterCropPad(n.Ints("axes") is { } axes ? [.. axes] : default)),
        new("Trilu", 14.., n => new Trilu(n.Bool("upper", true))),
        new("ReverseSequence", 10.., n => new ReverseSequence((int)n.Int("batch_axis", 1), (int)n.Int("time_axis", 0))),
        new("Col2Im", 18.., n => new Col2Im(List(n, "dilations"), List(n, "pads"), List(n, "strides"))),
    ];

    private static ImmutableArray<long> List(ImportNode n, string attribute) => n.Ints(attribute) is { } values ? [.. values] : default;

    private static Op OldSplit(ImportNode n)
    {
        n.AttributeToInput("split", 1);
        return new Split(n.Int("axis", 0));
    }

    private static Op OldSlice(ImportNode n)
    {
        if (n.Ints("starts") is null || n.Ints("ends") is null) throw n.Invalid("attributes 'starts' and 'ends' are missing");
        n.AttributeToInput("starts", 1);
        n.AttributeToInput("ends", 2);
        n.AttributeToInput("axes", 3);
        return new Slice();
    }

    /// <summary>Opset 1 calls the attribute <c>paddings</c>, opset 2 <c>pads</c>.</summary>
    private static Op OldPad(ImportNode n)
    {
        string attribute = n.Has("pads") ? "pads" : "paddings";
        if (!n.Has(attribute)) throw n.Invalid("attribute 'pads' is missing");
        n.AttributeToInput(attribute, 1);
        if (n.Has("value")) n.SetInput(2, FloatLike(n, n.Float("value")));
        return new Pad(Mode(n));
    }

    private static Tensor FloatLike(ImportNode n, float value) => n.InputTensor(0).Type switch
    {
        DType.Float64 => Tensor.Scalar((double)value),
        DType.Float16 => Tensor.Scalar((Half)value),
        _ => Tensor.Scalar(value),
    };

    private static PadMode Mode(ImportNode n) => n.String("mode", "constant") switch
    {
        "constant" => PadMode.Constant,
        "reflect" => PadMode.Reflect,
        "edge" => PadMode.Edge,
        "wrap" => PadMode.Wrap,
        string other => throw n.Invalid($"mode '{other}' is unknown"),
    };

    private static DepthOrder Order(ImportNode n) => n.String("mode", "DCR") switch
    {
        "DCR" => DepthOrder.Dcr,
        "CRD" => DepthOrder.Crd,
        string other => throw n.Invalid($"mode '{other}' is unknown"),
    };

    /// <summary>Opset 1 repeats one axis; inputs: data, tiles, axis.</summary>
    private static Op OldTile(ImportNode n)
    {
        if (n.InputTensor(0).Shape is not { } shape || !n.InputTensor(1).TryGetScalar(out double tiles) || !n.InputTensor(2).TryGetScalar(out double axis))
            throw n.Unsupported("tiles and axis of opset 1 that are not constants");
        var repeats = new long[shape.Rank];
        Array.Fill(repeats, 1);
        repeats[ShapeRules.Axis((long)axis, shape.Rank)] = (long)tiles;
        n.RemoveInputsFrom(1);
        n.SetInput(1, Tensor.From(repeats, [repeats.Length]));
        return new Tile();
    }
}
