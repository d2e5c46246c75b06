using Parallax.Graphs.Ops;

namespace Parallax.Onnx.Imports;

internal static class MatrixImports
{
    internal static readonly OpImport[] All =
    [
        new("MatMul", 1.., n => new MatMul()),
        new("FusedMatMul", 1.., n => new MatMul(n.Bool("transA", false), n.Bool("transB", false), n.Float("alpha", 1f)), "com.microsoft"),
        new("Gemm", 1.., n => new Gemm(n.Float("alpha", 1f), n.Float("beta", 1f), n.Bool("transA", false), n.Bool("transB", false))),
        new("Einsum", 12.., EinsumLowering.Expand),
        new("Det", 11.., n => new Det()),
    ];
}
