using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Graphs.Passes;

namespace Parallax.Tests.Graphs.Passes;

/// <summary>Folds nothing.</summary>
internal sealed class NoEvaluator : IConstantEvaluator
{
    public Tensor?[]? Evaluate(Node node, ImmutableArray<Tensor?> inputs) => null;
}
