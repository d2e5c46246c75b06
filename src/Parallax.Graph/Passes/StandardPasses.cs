namespace Parallax.Graphs.Passes;

/// <summary>The pipeline that every model goes through once, when it is loaded.</summary>
public static class StandardPasses
{
    public static IReadOnlyList<IPass> All(IConstantEvaluator evaluator) =>
    [
        new FoldKnownContents(),
        new WidenNarrowFloats(),
        new FoldConstants(evaluator),
    ];
}
