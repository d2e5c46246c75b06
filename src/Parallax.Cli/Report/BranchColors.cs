using Parallax.Planning;

namespace Parallax.Cli.Report;

/// <summary>The kinds of branches that the report tells apart by color; the class of a page's style, and what the legend says.</summary>
internal static class BranchColors
{
    internal static string Of(PlanBranch branch) => branch.Kind switch
    {
        OpClass.Dense or OpClass.FewRows or OpClass.Convolution or OpClass.Depthwise or OpClass.Attention => "product",
        OpClass.Softmax or OpClass.Normalization or OpClass.Reduction or OpClass.Pooling => "reduction",
        OpClass.Movement or OpClass.Rearrangement or OpClass.Resampling => "movement",
        OpClass.View => "view",
        OpClass.ControlFlow => "control",
        _ => "element",
    };

    internal static string Meaning(string color) => color switch
    {
        "product" => "convolutions, products, attention",
        "reduction" => "reductions, normalizations, pooling",
        "movement" => "movement, resampling",
        "view" => "views",
        "control" => "control flow",
        _ => "elementwise",
    };
}
