using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Onnx.Imports;

namespace Parallax.Onnx;

/// <summary>How one ONNX operator of a range of opset versions becomes nodes of the graph.</summary>
public sealed record OpImport
{
    /// <summary>A rule that gives one node with the file's inputs (as the rule left them) and outputs.</summary>
    public OpImport(string name, Range opsets, Func<ImportNode, Op> create, string domain = "")
    {
        (Name, Opsets, Domain, Create) = (name, opsets, domain, create);
    }

    /// <summary>A rule that adds nodes itself and returns the values that stand for the outputs.</summary>
    public OpImport(string name, Range opsets, Func<ImportNode, ImmutableArray<ValueId>> expand, string domain = "")
    {
        (Name, Opsets, Domain, Expand) = (name, opsets, domain, expand);
    }

    public string Name { get; }

    /// <summary>Opset versions of the domain, both ends inclusive: <c>13..</c>, <c>..12</c>, <c>9..10</c>.</summary>
    public Range Opsets { get; }

    public string Domain { get; }

    public Func<ImportNode, Op>? Create { get; }

    public Func<ImportNode, ImmutableArray<ValueId>>? Expand { get; }

    public bool Covers(int opset) => opset >= Opsets.Start.Value && (Opsets.End.IsFromEnd || opset <= Opsets.End.Value);
}

/// <summary>Every ONNX operator that can be imported.</summary>
public static class OpCatalog
{
    // Keys are strings because the code of such a lookup exists; that for other keys would be compiled at every start.
    private static readonly ILookup<string, OpImport> Entries = new[]
    {
        ElementwiseImports.All,
        QuantizationImports.All,
        MatrixImports.All,
        ConvolutionImports.All,
        PoolingImports.All,
        ReductionImports.All,
        NormalizationImports.All,
        RecurrentImports.All,
        AttentionImports.All,
        ShapeImports.All,
        MovementImports.All,
        IndexingImports.All,
        ResamplingImports.All,
        ImageImports.All,
        SignalImports.All,
        ControlFlowImports.All,
        SequenceImports.All,
        TextImports.All,
        RandomImports.All,
        LossImports.All,
        MachineLearningImports.All,
    }.SelectMany(family => family).ToLookup(entry => Key(entry.Domain, entry.Name));

    /// <summary>The rule for an operator, or null. The domain <c>ai.onnx</c> is the empty one.</summary>
    public static OpImport? Find(string domain, string name, int opset) =>
        Entries[Key(OpsetTable.Canonical(domain), name)].FirstOrDefault(entry => entry.Covers(opset));

    private static string Key(string domain, string name) => $"{domain}\0{name}";
}
