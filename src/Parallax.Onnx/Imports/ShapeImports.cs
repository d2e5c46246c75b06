using System.Collections.Immutable;
using Parallax.Graphs.Ops;

namespace Parallax.Onnx.Imports;

internal static class ShapeImports
{
    internal static readonly OpImport[] All =
    [
        new("Identity", 1.., n => new Identity()),
        new("Reshape", ..4, n => WithInput(n, "shape", new Reshape())),
        new("Reshape", 5.., n => new Reshape(n.Bool("allowzero", false))),
        new("Flatten", 1.., n => new Flatten(n.Int("axis", 1))),
        new("Squeeze", ..12, n => WithInput(n, "axes", new Squeeze())),
        new("Squeeze", 13.., n => new Squeeze()),
        new("Unsqueeze", ..12, n => WithInput(n, "axes", new Unsqueeze())),
        new("Unsqueeze", 13.., n => new Unsqueeze()),
        new("Shape", 1.., n => new ShapeOf(n.Int("start", 0), n.Has("end") ? n.Int("end") : null)),
        new("Size", 1.., n => new SizeOf()),
        new("Constant", 1.., n => [n.Constant(ConstantRule.Read(n))]),
        new("ConstantOfShape", 9.., n => new ConstantOfShape(n.Tensor("value") ?? Tensor.From([0f], [1]))),
        new("Expand", 8.., n => new Expand()),
        new("EyeLike", 9.., n => new EyeLike(n.Has("dtype") ? n.DType("dtype", DType.Float32) : null, n.Int("k", 0))),
        new("Range", 11.., n => new NumberRange()),
    ];

    /// <summary>The operator, with the attribute of old opsets as input 1.</summary>
    private static Graphs.Op WithInput(ImportNode n, string attribute, Graphs.Op op)
    {
        n.RemoveInputsFrom(1);
        n.AttributeToInput(attribute, 1);
        return op;
    }
}

/// <summary>ONNX's Constant: the tensor that one of its attributes holds.</summary>
public static class ConstantRule
{
    /// <summary>The constant, from whichever attribute the node has.</summary>
    /// <exception cref="InvalidModelException">It has none.</exception>
    public static Tensor Read(ImportNode node)
    {
        if (node.Tensor("value") is { } tensor) return tensor;
        if (node.Tensor("sparse_value") is { } dense) return dense;
        if (node.Has("value_float")) return Tensor.Scalar(node.Float("value_float"));
        if (node.Has("value_int")) return Tensor.Scalar(node.Int("value_int"));
        if (node.Has("value_string")) return Tensor.FromStrings([node.String("value_string")], []);
        if (node.Floats("value_floats") is { } floats) return Tensor.From(floats, [floats.Length]);
        if (node.Ints("value_ints") is { } ints) return Tensor.From(ints, [ints.Length]);
        if (node.Strings("value_strings") is { } strings) return Tensor.FromStrings(strings, [strings.Length]);
        throw node.Invalid("has none of the attributes that hold a value");
    }
}
