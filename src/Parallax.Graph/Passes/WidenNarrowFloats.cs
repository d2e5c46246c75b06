using System.Collections.Immutable;
using Parallax.Graphs.Ops;

namespace Parallax.Graphs.Passes;

/// <summary>
/// <c>op(x: float16) = cast16(op(cast32(x)))</c>, likewise for bfloat16: arithmetic is done in float32 and rounded once.
/// Operators that only move, compare or convert elements are left alone.
/// </summary>
public sealed class WidenNarrowFloats : IPass
{
    public string Name => "widen-narrow-floats";

    public Patch? TryRewrite(Graph graph, Node node)
    {
        if (node.Op.AcceptsNarrowFloats || node.Op.IsView || node.Op.IsControlFlow) return null;
        if (!node.Inputs.Any(i => IsNarrow(graph.TensorFact(i)))) return null;
        var patch = new Patch(graph);
        var inputs = ImmutableArray.CreateBuilder<ValueId>(node.Inputs.Length);
        foreach (ValueId input in node.Inputs)
            inputs.Add(IsNarrow(graph.TensorFact(input)) ? patch.Add($"{node.Name}/widen{inputs.Count}", new Cast(DType.Float32), input) : input);
        ImmutableArray<ValueId> outputs = patch.Add(node.Name, node.Op, inputs.MoveToImmutable(), [.. node.Outputs.Select(o => o.IsNone ? null : graph[o].Name)]);
        for (int i = 0; i < outputs.Length; i++)
        {
            if (outputs[i].IsNone) continue;
            DType wanted = graph.TensorFact(node.Outputs[i])!.Type, got = ((TensorFact)patch.Fact(outputs[i])).Type;
            patch.Replace(node.Outputs[i], got == wanted ? outputs[i] : patch.Add($"{node.Name}/narrow{i}", new Cast(wanted), outputs[i]));
        }
        return patch;
    }

    private static bool IsNarrow(TensorFact? fact) => fact?.Type is DType.Float16 or DType.BFloat16;
}
