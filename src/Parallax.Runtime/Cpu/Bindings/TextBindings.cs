using Parallax.Graphs.Ops;
using Parallax.Kernels.Text;
using Parallax.Runtime.Cpu.Hosts;

namespace Parallax.Runtime.Cpu.Bindings;

internal static class TextBindings
{
    internal static readonly Binding[] All =
    [
        Binding.Host<StringNormalizer>(TextHost.Normalize),
        Binding.Host<StringConcat>((_, x) => [StringOps.Concat(x.Tensor(0), x.Tensor(1))]),
        Binding.Host<StringSplit>(TextHost.Split),
        Binding.Host<RegexFullMatch>(TextHost.Match),
        Binding.Host<TfIdfVectorizer>(TextHost.Count),
    ];
}
