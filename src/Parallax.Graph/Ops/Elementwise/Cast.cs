using System.Collections.Immutable;
namespace Parallax.Graphs.Ops;
public sealed record Cast(DType To, bool Saturate = true) : Op
{
    public override bool AcceptsNarrowFloats => true;
    public override ImmutableArray<Fact> Infer(InferContext context) => [context.Tensor(0) with { Type = To, Constant = null }];
}
