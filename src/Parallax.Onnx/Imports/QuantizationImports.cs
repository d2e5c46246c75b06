using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Graphs.Ops;

namespace Parallax.Onnx.Imports;

internal static class QuantizationImports
{
    private const string Microsoft = "com.microsoft";

    internal static readonly OpImport[] All =
    [
        new("QuantizeLinear", 10.., Quantize),
        new("DequantizeLinear", 10.., Dequantize),
        new("QuantizeLinear", 1.., Quantize, Microsoft),
        new("DequantizeLinear", 1.., Dequantize, Microsoft),
        new("DynamicQuantizeLinear", 11.., n => new DynamicQuantizeLinear()),
        new("MatMulInteger", 10.., n => new IntegerMatMul(Requantizes: false)),
        new("QLinearMatMul", 10.., n => new IntegerMatMul(Requantizes: true)),
        new("ConvInteger", 10.., n => new IntegerConv(n.Window(), n.Int("group", 1), Requantizes: false)),
        new("QLinearConv", 10.., n => new IntegerConv(n.Window(), n.Int("group", 1), Requantizes: true)),
        .. QuantizedMicrosoftImports.All,
    ];

    private static QuantizeLinear Quantize(ImportNode n) =>
        new(n.Int("axis", 1), n.Int("block_size", 0), n.DType("output_dtype", DType.Undefined), n.Bool("saturate", true));

    private static DequantizeLinear Dequantize(ImportNode n) => new(n.Int("axis", 1), n.Int("block_size", 0), n.DType("output_dtype", DType.Undefined));
}
