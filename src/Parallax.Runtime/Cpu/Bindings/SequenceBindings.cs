using Parallax.Graphs.Ops;
using Parallax.Runtime.Cpu.Hosts;

namespace Parallax.Runtime.Cpu.Bindings;

internal static class SequenceBindings
{
    internal static readonly Binding[] All =
    [
        Binding.Host<SequenceConstruct>((_, x) => SequenceHost.Construct(x)),
        Binding.Host<SequenceEmpty>((op, _) => [new TensorSequence(op.Type, [])]),
        Binding.Host<SequenceInsert>((_, x) => SequenceHost.Insert(x)),
        Binding.Host<SequenceErase>((_, x) => SequenceHost.Erase(x)),
        Binding.Host<SequenceAt>((_, x) => SequenceHost.At(x)),
        Binding.Host<SequenceLength>((_, x) => SequenceHost.Length(x)),
        Binding.Host<SplitToSequence>(SequenceHost.Split),
        Binding.Host<ConcatFromSequence>(SequenceHost.Concat),
        Binding.Host<MakeOptional>((_, x) => SequenceHost.MakeOptional(x)),
        Binding.Host<OptionalHasElement>((_, x) => SequenceHost.HasElement(x)),
        Binding.Host<OptionalGetElement>((_, x) => SequenceHost.GetElement(x)),
    ];
}
