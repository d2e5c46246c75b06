using Parallax.Onnx;
using Parallax.Runtime;
using Xunit;
using static Parallax.Tests.Cpu.ToyModel;

namespace Parallax.Tests.Cpu;

/// <summary>Operators of ai.onnx.ml and Einsum, run as models.</summary>
public sealed class MachineLearningTests
{
    private static Tensor Run(InferenceSession session, string output, params (string Name, Tensor Value)[] inputs)
    {
        using RunResult result = session.Run(inputs.ToDictionary(i => i.Name, i => (Datum)i.Value));
        return result[output].Clone();
    }

    [Theory]
    [InlineData("bhid,bhjd->bhij", "2x3x4x5;2x3x6x5")]
    [InlineData("bhij,bhjd->bihd", "2x3x4x6;2x3x6x5")]
    [InlineData("abc,cde->abde", "2x3x4;4x5x2")]
    [InlineData("abc,bca->", "2x3x4;3x4x2")]
    [InlineData("i,j->ji", "3;4")]
    [InlineData("...ij,...jk->...ik", "2x3x4;2x4x5")]
    [InlineData("ij,jk,kl", "2x3;3x4;4x2")]
    [InlineData("ij,ij->i", "3x4;3x4")]
    [InlineData("ijk->ik", "3x4x2")]
    public void EinsumIsTheSameLoweredAndDirect(string equation, string shapes)
    {
        long[][] dims = [.. shapes.Split(';').Select(s => s.Split('x').Select(long.Parse).ToArray())];
        var random = new Random(8);
        (string, Tensor)[] inputs = [.. dims.Select((d, i) => ($"x{i}", Tensor.From(Enumerable.Range(0, (int)Shape.Count(d)).Select(_ => (float)random.Next(-3, 4)).ToArray(), d)))];
        string names = string.Join(',', inputs.Select(i => i.Item1));
        NodeProto node = Node("Einsum", names, "y", new AttributeProto("equation", equation));
        // Without shapes in the file the ranks are unknown, and the operator stays whole.
        using InferenceSession lowered = Load(Graph([.. dims.Select((d, i) => Value($"x{i}", DType.Float32, [.. d.Select(v => (DimensionProto)v)]))], "y", node));
        using InferenceSession direct = Load(Graph([.. dims.Select((_, i) => Unshaped($"x{i}", DType.Float32))], "y", node));
        Tensor expected = Run(direct, "y", inputs), actual = Run(lowered, "y", inputs);
        Assert.Contains(direct.Graph.Nodes, n => n.Op.Name == "Einsum");
        Assert.Equal(dims.Length == 1, lowered.Graph.Nodes.Any(n => n.Op.Name == "Einsum"));
        Assert.Equal(expected.Dims.ToArray(), actual.Dims.ToArray());
        Assert.Equal(expected.Span<float>().ToArray(), actual.Span<float>().ToArray()); // small integers: exact in any order
    }

    [Fact]
    public void ATreeClassifierGivesLabelsAndScores()
    {
        // x0 <= 1 ? A: (x1 <= 5 ? B : C), each with its weight.
        GraphProto graph = Graph([Value("x", DType.Float32, "n", 2)], "label,score", MlNode("TreeEnsembleClassifier", "x", "label,score",
            new("nodes_treeids", new long[5]), new("nodes_nodeids", [0L, 1, 2, 3, 4]), new("nodes_featureids", [0L, 0, 1, 0, 0]),
            new("nodes_modes", ["BRANCH_LEQ", "LEAF", "BRANCH_LEQ", "LEAF", "LEAF"]), new("nodes_values", [1f, 0, 5, 0, 0]),
            new("nodes_truenodeids", [1L, 0, 3, 0, 0]), new("nodes_falsenodeids", [2L, 0, 4, 0, 0]),
            new("class_treeids", new long[3]), new("class_nodeids", [1L, 3, 4]), new("class_ids", [0L, 1, 2]), new("class_weights", [0.5f, 2f, 3f]),
            new("classlabels_strings", ["A", "B", "C"])));
        using InferenceSession session = Load(graph);
        using RunResult result = session.Run(new() { ["x"] = Tensor.From([1f, 9, 2, 5, 2, 6, float.NaN, 0], [4, 2]) });
        Assert.Equal(["A", "B", "C", "B"], result["label"].Strings.ToArray());
        Assert.Equal([0.5f, 0, 0, 0, 2, 0, 0, 0, 3, 0, 2, 0], result["score"].Span<float>().ToArray());
    }

    [Theory]
    [InlineData("SUM", 3f, 5f)]
    [InlineData("AVERAGE", 1.5f, 2.5f)]
    [InlineData("MIN", 1f, 2f)]
    [InlineData("MAX", 2f, 3f)]
    public void TreesAreAggregated(string function, float low, float high)
    {
        // Two stumps on x: 1 or 3, and 2 or 2.
        GraphProto graph = Graph([Value("x", DType.Float32, "n", 1)], "y", MlNode("TreeEnsembleRegressor", "x", "y",
            new("nodes_treeids", [0L, 0, 0, 1]), new("nodes_nodeids", [0L, 1, 2, 0]), new("nodes_featureids", new long[4]),
            new("nodes_modes", ["BRANCH_LT", "LEAF", "LEAF", "LEAF"]), new("nodes_values", [0f, 0, 0, 0]), new("nodes_truenodeids", [1L, 0, 0, 0]), new("nodes_falsenodeids", [2L, 0, 0, 0]),
            new("target_treeids", [0L, 0, 1]), new("target_nodeids", [1L, 2, 0]), new("target_ids", new long[3]), new("target_weights", [1f, 3f, 2f]),
            new("aggregate_function", function)));
        using InferenceSession session = Load(graph);
        Assert.Equal([low, high], Run(session, "y", ("x", Tensor.From([-1f, 0], [2, 1]))).Span<float>().ToArray());
    }

    [Fact]
    public void ATreeWithACycleIsRefused()
    {
        GraphProto graph = Graph([Value("x", DType.Float32, 1, 1)], "y", MlNode("TreeEnsembleRegressor", "x", "y",
            new("nodes_treeids", new long[4]), new("nodes_nodeids", [0L, 1, 2, 3]), new("nodes_featureids", new long[4]),
            new("nodes_modes", ["BRANCH_LEQ", "BRANCH_LEQ", "BRANCH_LEQ", "LEAF"]), new("nodes_values", new float[4]), new("nodes_truenodeids", [1L, 2, 1, 0]), new("nodes_falsenodeids", [3L, 3, 3, 0]),
            new("target_treeids", [0L]), new("target_nodeids", [3L]), new("target_ids", [0L]), new("target_weights", [1f])));
        Assert.Contains("cycle", Assert.Throws<InvalidModelException>(() => Load(graph)).Message);
    }

    [Fact]
    public void ALinearClassifierOfOneScoreTellsTwoClassesApart()
    {
        GraphProto graph = Graph([Value("x", DType.Float32, "n", 2)], "label,score", MlNode("LinearClassifier", "x", "label,score",
            new("coefficients", [1f, -1f]), new("intercepts", [0.5f]), new("classlabels_ints", [7L, 8]), new("post_transform", "LOGISTIC")));
        using InferenceSession session = Load(graph);
        using RunResult result = session.Run(new() { ["x"] = Tensor.From([0f, 1, 1, 0], [2, 2]) });
        Assert.Equal([7L, 8], result["label"].Span<long>().ToArray());
        double p = 1 / (1 + Math.Exp(0.5)), q = 1 / (1 + Math.Exp(-1.5));
        float[] scores = result["score"].Span<float>().ToArray();
        foreach ((double expected, float actual) in new[] { 1 - p, p, 1 - q, q }.Zip(scores)) Assert.Equal(expected, actual, 1e-6);
    }

    [Theory]
    [InlineData("MAX", 0.75f, 1f)]
    [InlineData("L1", 3 / 7f, 4 / 7f)]
    [InlineData("L2", 0.6f, 0.8f)]
    public void RowsAreNormalizedAndZeroRowsStay(string norm, float first, float second)
    {
        using InferenceSession session = Load(Graph([Value("x", DType.Float32, "n", 2)], "y", MlNode("Normalizer", "x", "y", new AttributeProto("norm", norm))));
        float[] actual = Run(session, "y", ("x", Tensor.From([3f, 4, 0, 0], [2, 2]))).Span<float>().ToArray();
        foreach ((float e, float a) in new[] { first, second, 0, 0 }.Zip(actual)) Assert.Equal(e, a, 1e-6f);
    }

    [Fact]
    public void FeaturesAreScaledImputedAndEncoded()
    {
        GraphProto graph = Graph([Value("x", DType.Float32, "n", 2), Value("w", DType.String, "n")], "scaled,filled,hot,code",
            MlNode("Scaler", "x", "scaled", new("offset", [1f, 2]), new("scale", [2f, 10])),
            MlNode("Imputer", "x", "filled", new("imputed_value_floats", [5f, 6]), new("replaced_value_float", float.NaN)),
            MlNode("OneHotEncoder", "w", "hot", new AttributeProto("cats_strings", ["a", "b"])),
            MlNode("LabelEncoder", "w", "code", new("keys_strings", ["a", "b", "a"]), new("values_floats", [1f, 2, 3])));
        using InferenceSession session = Load(graph);
        using RunResult result = session.Run(new() { ["x"] = Tensor.From([1f, float.NaN, float.NaN, 4], [2, 2]), ["w"] = Tensor.FromStrings(["b", "a"], [2]) });
        Assert.Equal([0f, float.NaN, float.NaN, 20], result["scaled"].Span<float>().ToArray());
        Assert.Equal([1f, 6, 5, 4], result["filled"].Span<float>().ToArray());
        Assert.Equal([0f, 1, 1, 0], result["hot"].Span<float>().ToArray());
        Assert.Equal([2f, 3], result["code"].Span<float>().ToArray()); // the last of a repeated key
    }

    [Theory]
    [InlineData("LINEAR")]
    [InlineData("RBF")]
    [InlineData("POLY")]
    [InlineData("SIGMOID")]
    public void ASupportVectorRegressionSumsLikeness(string kernel)
    {
        using InferenceSession session = Load(Graph([Value("x", DType.Float32, "n", 2)], "y", MlNode("SVMRegressor", "x", "y", new("kernel_type", kernel),
            new("kernel_params", [0.5f, 1f, 3f]), new("n_supports", 2L), new("support_vectors", [1f, 2, -1, 0.5f]), new("coefficients", [2f, -3]), new("rho", [0.25f]))));
        float actual = Run(session, "y", ("x", Tensor.From([0.5f, -1f], [1, 2]))).Span<float>()[0];
        double Like(double a, double b)
        {
            double dot = 0.5 * a - b, distance = (0.5 - a) * (0.5 - a) + (-1 - b) * (-1 - b);
            return kernel switch { "LINEAR" => dot, "RBF" => Math.Exp(-0.5 * distance), "POLY" => Math.Pow(0.5 * dot + 1, 3), _ => Math.Tanh(0.5 * dot + 1) };
        }
        Assert.Equal(2 * Like(1, 2) - 3 * Like(-1, 0.5) + 0.25, actual, 1e-5);
    }

    [Fact]
    public void ASupportVectorClassifierVotesAndCouplesProbabilities()
    {
        // One support vector per class on a line, at -1, 0 and 1; each pair is told apart by the product with x.
        AttributeProto[] attributes =
        [
            new("kernel_type", "LINEAR"), new("kernel_params", [0f, 0, 0]), new("support_vectors", [-1f, 0, 1]), new("vectors_per_class", [1L, 1, 1]),
            new("coefficients", [1f, -1, -1, 1, 1, -1]), new("rho", [-0.5f, 0, 0.5f]), new("classlabels_ints", [10L, 20, 30]),
        ];
        GraphProto graph = Graph([Value("x", DType.Float32, "n", 1)], "label,score,label2,p", MlNode("SVMClassifier", "x", "label,score", attributes),
            MlNode("SVMClassifier", "x", "label2,p", [.. attributes, new("prob_a", [-2f, -2, -2]), new("prob_b", [0f, 0, 0])]));
        using InferenceSession session = Load(graph);
        using RunResult result = session.Run(new() { ["x"] = Tensor.From([-2f, 0.1f, 3], [3, 1]) });
        Assert.Equal([10L, 20, 30], result["label"].Span<long>().ToArray());
        float[] scores = result["score"].Span<float>().ToArray();
        foreach ((double expected, float actual) in new[] { 1.5, 4, 2.5, -0.6, -0.2, 0.4, -3.5, -6, -2.5 }.Zip(scores)) Assert.Equal(expected, actual, 1e-5);
        for (int row = 0; row < 3; row++)
        {
            float[] p = result["p"].Span<float>().Slice(row * 3, 3).ToArray();
            Assert.Equal(1, p.Sum(), 1e-5);
            Assert.Equal(row, Array.IndexOf(p, p.Max()));
        }
    }
}
