using Parallax.Graphs.Ops;
using Parallax.Runtime.Cpu.Hosts;

namespace Parallax.Runtime.Cpu.Bindings;

internal static class ControlFlowBindings
{
    internal static readonly Binding[] All =
    [
        Binding.Host<If>(ControlFlowHost.Run),
        Binding.Host<Loop>(ControlFlowHost.Run),
        Binding.Host<Scan>(ScanHost.Run),
        Binding.Host<SequenceMap>(ControlFlowHost.Run),
    ];
}
