using System.Collections.Immutable;
using Parallax.Graphs.Ops;
using Parallax.Kernels;
using Parallax.Kernels.MachineLearning;
using Parallax.Runtime.Cpu.Hosts;

namespace Parallax.Runtime.Cpu.Bindings;

internal static class MachineLearningBindings
{
    internal static readonly Binding[] All =
    [
        Binding.Host<LabelEncoder>(LabelHost.Encode),
        Binding.Host<OneHotEncoder>(LabelHost.OneHot),
        Binding.Host<TransformScores>(LabelHost.Transform),
        Binding.Host<Classify>(LabelHost.Classify),
        Binding.Host<SvmRegressor>(SvmHost.Run),
        Binding.Host<SvmClassifier>(SvmHost.Run),
        Binding.Kernel<TreeEnsemble>(CreateTrees),
    ];

    private static Kernel CreateTrees(TreeEnsemble op, PrepareContext x) => TreeKernels.Create(x.Type(0), new TreeTables
    {
        Feature = [.. op.Decisions.Select(d => d.Feature)],
        Mode = [.. op.Decisions.Select(d => (byte)d.Mode)],
        Split = [.. op.Decisions.Select(d => d.Split)],
        True = [.. op.Decisions.Select(d => d.True)],
        False = [.. op.Decisions.Select(d => d.False)],
        MissingIsTrue = [.. op.Decisions.Select(d => d.MissingIsTrue)],
        Members = [.. op.Decisions.Select(d => d.Members.IsDefault ? Array.Empty<double>() : [.. d.Members])],
        Roots = [.. op.Roots],
        LeafStart = Starts(op.Leaves),
        Target = [.. op.Leaves.SelectMany(l => l).Select(w => w.Target)],
        Weight = [.. op.Leaves.SelectMany(l => l).Select(w => w.Weight)],
        Targets = op.Targets,
        Aggregate = (int)op.Aggregate,
        BaseValues = [.. op.BaseValues],
    }, x.Dims(0)[0], x.Dims(0)[1]);

    private static int[] Starts(ImmutableArray<ImmutableArray<TreeWeight>> leaves)
    {
        var starts = new int[leaves.Length + 1];
        for (int i = 0; i < leaves.Length; i++) starts[i + 1] = starts[i] + leaves[i].Length;
        return starts;
    }
}
