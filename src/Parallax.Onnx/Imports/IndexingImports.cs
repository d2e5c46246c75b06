using Parallax.Graphs;
using Parallax.Graphs.Ops;

namespace Parallax.Onnx.Imports;

internal static class IndexingImports
{
    internal static readonly OpImport[] All =
    [
        new("Gather", 1.., n => new Gather(n.Int("axis", 0))),
        new("GatherElements", 11.., n => new GatherElements(n.Int("axis", 0))),
        new("GatherND", 11.., n => new GatherND((int)n.Int("batch_dims", 0))),
        new("Scatter", 9.., n => new ScatterElements(n.Int("axis", 0))),
        new("ScatterElements", 11.., n => new ScatterElements(n.Int("axis", 0), Reduction(n))),
        new("ScatterND", 11.., n => new ScatterND(Reduction(n))),
        new("TensorScatter", 24.., n => new TensorScatter(n.Int("axis", -2), IsCircular(n))),
        new("OneHot", 9.., n => new OneHot(n.Int("axis", -1))),
        new("Compress", 9.., n => new Compress(n.Has("axis") ? n.Int("axis") : null)),
        new("NonZero", 9.., n => new NonZero()),
        new("Unique", 11.., n => new Unique(n.Has("axis") ? n.Int("axis") : null, n.Bool("sorted", true))),
        new("TopK", ..9, OldTopK),
        new("TopK", 10.., n => new TopK(n.Int("axis", -1), n.Bool("largest", true))),
        new("CumSum", 11.., n => new Cumulative(CumulativeKind.Sum, n.Bool("exclusive", false), n.Bool("reverse", false))),
        new("CumProd", 26.., n => new Cumulative(CumulativeKind.Product, n.Bool("exclusive", false), n.Bool("reverse", false))),
        new("NonMaxSuppression", 10.., n => new NonMaxSuppression(n.Bool("center_point_box", false))),
    ];

    private static Op OldTopK(ImportNode n)
    {
        n.SetInput(1, Tensor.From([n.Int("k")], [1]));
        return new TopK(n.Int("axis", -1));
    }

    private static ScatterReduction Reduction(ImportNode n) => n.String("reduction", "none") switch
    {
        "none" => ScatterReduction.Replace,
        "add" => ScatterReduction.Add,
        "mul" => ScatterReduction.Mul,
        "min" => ScatterReduction.Min,
        "max" => ScatterReduction.Max,
        string other => throw n.Invalid($"reduction '{other}' is unknown"),
    };

    private static bool IsCircular(ImportNode n) => n.String("mode", "linear") switch
    {
        "linear" => false,
        "circular" => true,
        string other => throw n.Invalid($"mode '{other}' is unknown"),
    };
}
