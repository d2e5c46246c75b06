using Parallax.Planning;
using Xunit;

namespace Parallax.Tests.Planning;

public class TreeTests
{
    private static readonly TreeOptions Options = new();

    private static (float[][] Rows, double[] Targets) Draw(int count, int seed, Func<float[], double> function, double noise = 0)
    {
        var random = new Random(seed);
        float[][] rows = [.. Enumerable.Range(0, count).Select(_ => (float[])[(float)random.NextDouble() * 10, random.Next(5), (float)random.NextDouble()])];
        return (rows, [.. rows.Select(r => function(r) + noise * (random.NextDouble() - 0.5))]);
    }

    /// <summary>The part of the targets' variance on fresh rows that the trees leave.</summary>
    private static double LeftOver(BoostedTrees trees, Func<float[], double> function)
    {
        (float[][] rows, double[] targets) = Draw(500, 99, function);
        double mean = targets.Average();
        return rows.Select((r, i) => Math.Pow(trees.Evaluate(r) - targets[i], 2)).Sum() / targets.Sum(t => Math.Pow(t - mean, 2));
    }

    [Theory]
    [InlineData("steps")]
    [InlineData("product")]
    [InlineData("wave")]
    public void Trees_learn_known_functions(string name)
    {
        Func<float[], double> function = name switch
        {
            "steps" => r => Math.Floor(r[0] / 2) + (r[1] > 2 ? 3 : 0),
            "product" => r => r[0] * r[1] / 5,
            _ => r => Math.Sin(r[0]) + r[2],
        };
        (float[][] rows, double[] targets) = Draw(600, 1, function, noise: 0.1);
        BoostedTrees trees = TreeTrainer.Train(rows, targets, [.. Enumerable.Range(0, 100)], Options);
        Assert.InRange(LeftOver(trees, function), 0, 0.05);
    }

    [Fact]
    public void Noise_stops_the_training_early()
    {
        (float[][] rows, double[] targets) = Draw(300, 1, _ => 0, noise: 1);
        BoostedTrees trees = TreeTrainer.Train(rows, targets, [.. Enumerable.Range(0, 100)], Options);
        Assert.InRange(trees.Roots.Length, 0, Options.MaxTrees / 4);
        (rows, targets) = Draw(300, 1, r => r[0]);
        Assert.True(TreeTrainer.Train(rows, targets, [.. Enumerable.Range(0, 100)], Options).Roots.Length > trees.Roots.Length);
    }

    [Fact]
    public void Validation_rows_do_not_shape_the_trees()
    {
        (float[][] rows, double[] targets) = Draw(300, 1, r => r[0]);
        int[] held = [.. Enumerable.Range(0, 60)];
        double[] other = [.. targets.Select((t, i) => i < 60 ? t + 1e-9 : t)];
        Assert.Equal(TreeTrainer.Train(rows, targets, held, Options).Nodes.Take(23), TreeTrainer.Train(rows, other, held, Options).Nodes.Take(23));
    }

    [Fact]
    public void The_same_seed_gives_the_same_trees_and_another_seed_others()
    {
        (float[][] rows, double[] targets) = Draw(300, 1, r => r[0] * r[1]);
        BoostedTrees once = TreeTrainer.Train(rows, targets, [], Options), twice = TreeTrainer.Train(rows, targets, [], Options);
        Assert.True(once.Nodes.SequenceEqual(twice.Nodes) && once.Roots.SequenceEqual(twice.Roots));
        Assert.False(once.Nodes.SequenceEqual(TreeTrainer.Train(rows, targets, [], Options with { Seed = 2 }).Nodes));
    }

    [Fact]
    public void Few_or_equal_samples_give_trees_that_do_nothing()
    {
        Assert.Empty(TreeTrainer.Train([], [], [], Options).Roots);
        Assert.Equal(0, TreeTrainer.Train([[1, 2], [1, 2], [1, 2]], [0, 0, 0], [], Options).Evaluate([1, 2]));
        BoostedTrees one = TreeTrainer.Train([[1, 2], [3, 4]], [5, 5], [], Options with { RowFraction = 1 });
        Assert.InRange(one.Evaluate([1, 2]), 4, 5); // a mean, drawn towards nothing
    }
}
