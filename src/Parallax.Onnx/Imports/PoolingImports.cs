using Parallax.Graphs.Ops;

namespace Parallax.Onnx.Imports;

internal static class PoolingImports
{
    internal static readonly OpImport[] All =
    [
        new("MaxPool", 1.., n => new Pool(PoolKind.Max, n.Window(), ColumnMajorIndices: n.Bool("storage_order", false))),
        new("AveragePool", 1.., n => new Pool(PoolKind.Average, n.Window(), n.Bool("count_include_pad", false))),
        new("LpPool", 1..1, n => new Pool(PoolKind.Lp, n.Window(), P: n.Float("p", 2f))),
        new("LpPool", 2.., n => new Pool(PoolKind.Lp, n.Window(), P: n.Int("p", 2))),
        new("GlobalMaxPool", 1.., n => new GlobalPool(PoolKind.Max)),
        new("GlobalAveragePool", 1.., n => new GlobalPool(PoolKind.Average)),
        new("GlobalLpPool", 1..1, n => new GlobalPool(PoolKind.Lp, n.Float("p", 2f))),
        new("GlobalLpPool", 2.., n => new GlobalPool(PoolKind.Lp, n.Int("p", 2))),
        new("MaxUnpool", 9.., n => new MaxUnpool(n.Window())),
    ];
}
