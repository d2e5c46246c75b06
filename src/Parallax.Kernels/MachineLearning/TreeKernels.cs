using System.Numerics;

namespace Parallax.Kernels.MachineLearning;

/// <summary>Decision trees as tables; <see cref="True"/> and <see cref="False"/> below zero are complements of leaves.</summary>
public sealed class TreeTables
{
    public required int[] Feature { get; init; }

    /// <summary>0: at most, 1: less, 2: at least, 3: greater, 4: equal, 5: unequal, 6: member of <see cref="Members"/>.</summary>
    public required byte[] Mode { get; init; }

    public required double[] Split { get; init; }

    public required int[] True { get; init; }

    public required int[] False { get; init; }

    public required bool[] MissingIsTrue { get; init; }

    public required double[][] Members { get; init; }

    public required int[] Roots { get; init; }

    /// <summary>Leaf l has the weights from <c>LeafStart[l]</c> to <c>LeafStart[l + 1]</c>.</summary>
    public required int[] LeafStart { get; init; }

    public required int[] Target { get; init; }

    public required double[] Weight { get; init; }

    public required int Targets { get; init; }

    /// <summary>0: average, 1: sum, 2: minimum, 3: maximum.</summary>
    public required int Aggregate { get; init; }

    public required double[] BaseValues { get; init; }
}

/// <summary>Makes kernels of decision trees.</summary>
public static class TreeKernels
{
    /// <summary>Input 0: rows [N x F]; output 0: [N x targets], both of <paramref name="type"/>.</summary>
    public static Kernel Create(DType type, TreeTables trees, long rows, long features)
    {
        foreach (int feature in trees.Feature)
            if (feature < 0 || feature >= features) throw new InvalidInputException($"a tree looks at feature {feature} of {features}");
        return type switch
        {
            DType.Float32 => new TreeKernel<float>(trees, rows, features),
            DType.Float64 => new TreeKernel<double>(trees, rows, features),
            _ => throw new UnsupportedModelException($"trees over {type} are not computed", [$"TreeEnsemble of {type}"]),
        };
    }
}

internal sealed unsafe class TreeKernel<T>(TreeTables trees, long rows, long features) : Kernel where T : unmanaged, INumber<T>
{
    private const int VisitsPerBlock = 4096; // some 10 microseconds

    private readonly long rowsPerBlock = Math.Max(1, VisitsPerBlock / Math.Max(1, trees.Roots.Length * 8));

    public override string Name => $"trees_f{8 * sizeof(T)}_{trees.Roots.Length}";

    public override long WorkerScratchBytes => trees.Targets * sizeof(double);

    public override int BlockCount(int phase) => checked((int)((rows + rowsPerBlock - 1) / rowsPerBlock));

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        double* scores = (double*)args.WorkerScratch;
        for (long row = block * rowsPerBlock; row < Math.Min(rows, (block + 1) * rowsPerBlock); row++)
        {
            Score(args.Input<T>(0) + row * features, scores);
            T* output = args.Output<T>(0) + row * trees.Targets;
            for (int t = 0; t < trees.Targets; t++) output[t] = T.CreateTruncating(scores[t]);
        }
    }

    private void Score(T* row, double* scores)
    {
        double start = trees.Aggregate switch { 2 => double.PositiveInfinity, 3 => double.NegativeInfinity, _ => 0 };
        new Span<double>(scores, trees.Targets).Fill(start);
        foreach (int root in trees.Roots)
        {
            int leaf = ~Descend(root, row);
            for (int w = trees.LeafStart[leaf]; w < trees.LeafStart[leaf + 1]; w++)
            {
                ref double score = ref scores[trees.Target[w]];
                score = trees.Aggregate switch { 2 => Math.Min(score, trees.Weight[w]), 3 => Math.Max(score, trees.Weight[w]), _ => score + trees.Weight[w] };
            }
        }
        for (int t = 0; t < trees.Targets; t++)
        {
            if (trees.Aggregate == 0) scores[t] /= trees.Roots.Length;
            else if (double.IsInfinity(start) && scores[t] == start) scores[t] = 0; // no leaf spoke of this target
            if (trees.BaseValues.Length > 0) scores[t] += trees.BaseValues[t];
        }
    }

    private int Descend(int node, T* row)
    {
        while (node >= 0)
        {
            double value = double.CreateTruncating(row[trees.Feature[node]]);
            node = Holds(node, value) || (trees.MissingIsTrue[node] && double.IsNaN(value)) ? trees.True[node] : trees.False[node];
        }
        return node;
    }

    private bool Holds(int node, double value) => trees.Mode[node] switch
    {
        0 => value <= trees.Split[node],
        1 => value < trees.Split[node],
        2 => value >= trees.Split[node],
        3 => value > trees.Split[node],
        4 => value == trees.Split[node],
        5 => value != trees.Split[node],
        _ => Array.IndexOf(trees.Members[node], value) >= 0 && !double.IsNaN(value),
    };
}
