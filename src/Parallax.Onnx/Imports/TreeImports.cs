using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Graphs.Ops;

namespace Parallax.Onnx.Imports;

/// <summary>Decision trees: the tables of versions 1 and 3, in which leaves are nodes, and those of version 5, in which they are apart.</summary>
internal static class TreeImports
{
    internal static ImmutableArray<ValueId> TreeEnsemble(ImportNode n)
    {
        long[] features = Ints(n, "nodes_featureids"), trues = Ints(n, "nodes_truenodeids"), falses = Ints(n, "nodes_falsenodeids");
        long[] trueLeafs = Ints(n, "nodes_trueleafs"), falseLeafs = Ints(n, "nodes_falseleafs"), missing = n.Ints("nodes_missing_value_tracks_true") ?? [];
        double[] splits = Doubles(n, "nodes_splits"), weights = Doubles(n, "leaf_weights");
        byte[] modes = (n.Tensor("nodes_modes") ?? throw n.Invalid("attribute 'nodes_modes' is missing")).Span<byte>().ToArray();
        long[] targets = Ints(n, "leaf_targetids");
        RequireLength(n, features.Length, trues.Length, falses.Length, trueLeafs.Length, falseLeafs.Length, splits.Length, modes.Length);
        RequireLength(n, weights.Length, targets.Length);
        var members = new Queue<ImmutableArray<double>>(Sets(n.Tensor("membership_values") is null ? [] : Doubles(n, "membership_values")));
        var decisions = ImmutableArray.CreateBuilder<TreeDecision>(features.Length);
        for (int i = 0; i < features.Length; i++)
        {
            if (modes[i] > (byte)TreeMode.Member) throw n.Invalid($"nodes_modes[{i}] is {modes[i]}");
            ImmutableArray<double> set = modes[i] != (byte)TreeMode.Member ? default
                : members.TryDequeue(out ImmutableArray<double> next) ? next : throw n.Invalid("membership_values has fewer sets than there are nodes of mode BRANCH_MEMBER");
            decisions.Add(new TreeDecision(checked((int)features[i]), (TreeMode)modes[i], splits[i], Link(trues[i], trueLeafs[i]), Link(falses[i], falseLeafs[i]),
                i < missing.Length && missing[i] != 0, set));
        }
        var model = new TreeEnsemble(decisions.ToImmutable(), [.. targets.Zip(weights, (t, w) => ImmutableArray.Create(new TreeWeight(checked((int)t), w)))],
            [.. Ints(n, "tree_roots").Select(r => checked((int)r))], checked((int)n.Int("n_targets", 1)), Aggregate(n, n.Int("aggregate_function", 1)), []);
        ValueId scores = n.Add("", Checked(n, model), n.Inputs[0]);
        long transform = n.Int("post_transform", 0);
        if (transform is < 0 or > 4) throw n.Invalid($"post_transform {transform} is not known");
        if (transform != 0 && n.InputTensor(0).Type == DType.Float64) throw n.Unsupported("a post_transform of float64 scores");
        return [MachineLearningImports.Finish(n, scores, (ScoreTransform)transform)];

        static int Link(long node, long isLeaf) => isLeaf != 0 ? ~checked((int)node) : checked((int)node);
    }

    internal static ImmutableArray<ValueId> Regressor(ImportNode n)
    {
        int targets = checked((int)n.Int("n_targets", 1));
        long aggregate = Array.IndexOf(["AVERAGE", "SUM", "MIN", "MAX"], n.String("aggregate_function", "SUM"));
        TreeEnsemble model = FromTable(n, "target", Ints(n, "target_ids"), targets, Aggregate(n, aggregate), BaseValues(n));
        return [MachineLearningImports.Finish(n, Run(n, model), MachineLearningImports.Transform(n))];
    }

    internal static ImmutableArray<ValueId> Classifier(ImportNode n)
    {
        Tensor labels = MachineLearningImports.Labels(n, "classlabels_int64s", "classlabels_strings");
        long[] classes = Ints(n, "class_ids");
        // Where all leaves speak of one class, its score tells two classes apart.
        bool isBinary = labels.ElementCount <= 2 && classes.Distinct().Count() == 1;
        ImmutableArray<double> baseValues = BaseValues(n);
        if (isBinary && baseValues.Length > 1) baseValues = [baseValues[checked((int)classes[0])]];
        TreeEnsemble model = FromTable(n, "class", isBinary ? new long[classes.Length] : classes, isBinary ? 1 : checked((int)labels.ElementCount), TreeAggregate.Sum, baseValues);
        bool isProbability = model.Leaves.All(leaf => leaf.All(w => w.Weight >= 0));
        return n.AddMany("classify", new Classify(labels, MachineLearningImports.Transform(n), isProbability), 2, Run(n, model));
    }

    /// <summary>Trees on float32 or float64 rows; the scores as float32.</summary>
    private static ValueId Run(ImportNode n, TreeEnsemble model)
    {
        if (n.InputTensor(0).Type != DType.Float64) return n.Add("trees", model, MachineLearningImports.Rows(n));
        return n.Add("float", new Cast(DType.Float32), n.Add("trees", model, n.Inputs[0]));
    }

    private static TreeEnsemble FromTable(ImportNode n, string kind, long[] targetIds, int targets, TreeAggregate aggregate, ImmutableArray<double> baseValues)
    {
        long[] trees = Ints(n, "nodes_treeids"), nodes = Ints(n, "nodes_nodeids"), features = Ints(n, "nodes_featureids");
        long[] trues = Ints(n, "nodes_truenodeids"), falses = Ints(n, "nodes_falsenodeids"), missing = n.Ints("nodes_missing_value_tracks_true") ?? [];
        string[] modes = n.Strings("nodes_modes") ?? throw n.Invalid("attribute 'nodes_modes' is missing");
        double[] splits = Doubles(n, "nodes_values");
        RequireLength(n, trees.Length, nodes.Length, features.Length, trues.Length, falses.Length, modes.Length, splits.Length);
        if (!baseValues.IsEmpty && baseValues.Length != targets) throw n.Invalid($"has {baseValues.Length} base values for {targets} targets");
        var links = new Dictionary<(long Tree, long Node), int>();
        TreeMode[] parsed = [.. modes.Select(m => Mode(n, m))];
        int decisionCount = 0, leafCount = 0;
        for (int i = 0; i < trees.Length; i++)
            if (!links.TryAdd((trees[i], nodes[i]), parsed[i] == TreeMode.Leaf ? ~leafCount++ : decisionCount++)) throw n.Invalid($"node {nodes[i]} of tree {trees[i]} is there twice");
        var decisions = ImmutableArray.CreateBuilder<TreeDecision>(decisionCount);
        var children = new HashSet<(long, long)>();
        for (int i = 0; i < trees.Length; i++)
        {
            if (parsed[i] == TreeMode.Leaf) continue;
            decisions.Add(new TreeDecision(checked((int)features[i]), parsed[i], splits[i], Link(i, trues[i]), Link(i, falses[i]), i < missing.Length && missing[i] != 0));
            children.Add((trees[i], trues[i]));
            children.Add((trees[i], falses[i]));
        }
        ImmutableArray<int> roots = [.. Enumerable.Range(0, trees.Length).Where(i => !children.Contains((trees[i], nodes[i]))).DistinctBy(i => trees[i]).Select(i => links[(trees[i], nodes[i])])];
        return Checked(n, new TreeEnsemble(decisions.ToImmutable(), Leaves(n, kind, targetIds, links, leafCount), roots, targets, aggregate, baseValues));

        int Link(int from, long to) => links.TryGetValue((trees[from], to), out int link) ? link : throw n.Invalid($"node {nodes[from]} of tree {trees[from]} leads to node {to}, which is not there");
    }

    private static ImmutableArray<ImmutableArray<TreeWeight>> Leaves(ImportNode n, string kind, long[] targetIds, Dictionary<(long, long), int> links, int leafCount)
    {
        long[] trees = Ints(n, $"{kind}_treeids"), nodes = Ints(n, $"{kind}_nodeids");
        double[] weights = Doubles(n, $"{kind}_weights");
        RequireLength(n, trees.Length, nodes.Length, weights.Length, targetIds.Length);
        var leaves = new List<TreeWeight>[leafCount];
        for (int i = 0; i < leafCount; i++) leaves[i] = [];
        for (int i = 0; i < trees.Length; i++)
        {
            if (!links.TryGetValue((trees[i], nodes[i]), out int link)) throw n.Invalid($"a weight is for node {nodes[i]} of tree {trees[i]}, which is not there");
            if (link < 0) leaves[~link].Add(new TreeWeight(checked((int)targetIds[i]), weights[i]));
        }
        return [.. leaves.Select(l => l.ToImmutableArray())];
    }

    /// <summary>Throws where a link or target leads nowhere, or decisions form a cycle: such a tree would never end.</summary>
    private static TreeEnsemble Checked(ImportNode n, TreeEnsemble model)
    {
        if (model.Leaves.Any(leaf => leaf.Any(w => w.Target < 0 || w.Target >= model.Targets))) throw n.Invalid($"a leaf is for a target that is none of {model.Targets}");
        var state = new byte[model.Decisions.Length]; // 0 new, 1 on the path, 2 done
        var path = new Stack<(int Node, int Next)>();
        foreach (int root in model.Roots)
        {
            Enter(root);
            while (path.TryPop(out (int Node, int Next) top))
            {
                if (top.Next == 2)
                {
                    state[top.Node] = 2;
                    continue;
                }
                path.Push((top.Node, top.Next + 1));
                Enter(top.Next == 0 ? model.Decisions[top.Node].True : model.Decisions[top.Node].False);
            }
        }
        return model;

        void Enter(int link)
        {
            if (link < 0 ? ~link >= model.Leaves.Length : link >= state.Length) throw n.Invalid($"a tree leads to {(link < 0 ? "leaf" : "node")} {(link < 0 ? ~link : link)}, which is not there");
            if (link < 0 || state[link] == 2) return;
            if (state[link] == 1) throw n.Invalid($"the tree has a cycle through node {link}");
            state[link] = 1;
            path.Push((link, 0));
        }
    }

    private static TreeMode Mode(ImportNode n, string mode) => mode switch
    {
        "BRANCH_LEQ" => TreeMode.LessOrEqual,
        "BRANCH_LT" => TreeMode.Less,
        "BRANCH_GTE" => TreeMode.GreaterOrEqual,
        "BRANCH_GT" => TreeMode.Greater,
        "BRANCH_EQ" => TreeMode.Equal,
        "BRANCH_NEQ" => TreeMode.NotEqual,
        "LEAF" => TreeMode.Leaf,
        _ => throw n.Invalid($"nodes_modes has '{mode}'"),
    };

    private static TreeAggregate Aggregate(ImportNode n, long function) =>
        function is >= 0 and <= 3 ? (TreeAggregate)function : throw n.Invalid("aggregate_function is not known");

    private static ImmutableArray<double> BaseValues(ImportNode n) => n.Has("base_values") || n.Has("base_values_as_tensor") ? [.. Doubles(n, "base_values")] : [];

    /// <summary>Sets that end in NaN each.</summary>
    private static IEnumerable<ImmutableArray<double>> Sets(double[] values)
    {
        var set = ImmutableArray.CreateBuilder<double>();
        foreach (double value in values)
        {
            if (!double.IsNaN(value))
            {
                set.Add(value);
                continue;
            }
            yield return set.ToImmutable();
            set.Clear();
        }
    }

    private static long[] Ints(ImportNode n, string attribute) => n.Ints(attribute) ?? throw n.Invalid($"attribute '{attribute}' is missing");

    /// <summary>Numbers given as a tensor, under the name or with <c>_as_tensor</c> behind it, or as a list of floats.</summary>
    private static double[] Doubles(ImportNode n, string attribute)
    {
        Tensor? tensor = n.Has($"{attribute}_as_tensor") ? n.Tensor($"{attribute}_as_tensor") : attribute is "nodes_splits" or "leaf_weights" or "membership_values" ? n.Tensor(attribute) : null;
        return tensor switch
        {
            { DType: DType.Float64 } => tensor.Span<double>().ToArray(),
            { DType: DType.Float32 } => Array.ConvertAll(tensor.Span<float>().ToArray(), v => (double)v),
            { DType: DType.Float16 } => Array.ConvertAll(tensor.Span<Half>().ToArray(), v => (double)v),
            null => Array.ConvertAll(n.Floats(attribute) ?? throw n.Invalid($"attribute '{attribute}' is missing"), v => (double)v),
            _ => throw n.Invalid($"attribute '{attribute}' must hold floats, got {tensor}"),
        };
    }

    private static void RequireLength(ImportNode n, params ReadOnlySpan<int> lengths)
    {
        foreach (int length in lengths)
            if (length != lengths[0]) throw n.Invalid($"the tables of its trees have {lengths[0]} and {length} rows");
    }
}
