using System.Security.Cryptography;
using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Onnx;
using Parallax.Zoo;
using Xunit;

namespace Parallax.Tests.Models;

/// <summary>The zoo's networks against what is published of the originals, and against themselves.</summary>
public sealed class ZooTests
{
    public static TheoryData<string> Names => [.. ZooCatalog.Entries.Select(e => e.Name)];

    /// <summary>Millions of parameters, as published: by the paper, or by the model's authors where the paper counts encoder and decoder together.</summary>
    [Theory]
    [InlineData("yolov8n", 3.151904)]
    [InlineData("whisper-tiny-encoder", 8.208384)]
    [InlineData("whisper-tiny-decoder", 29.552256)]
    [InlineData("swinv2-tiny", 28.60)]
    [InlineData("clip-text", 63.17)]
    [InlineData("distilbert", 66.96)]
    public void Parameters_are_the_published_number(string name, double publishedMillions) =>
        Assert.Equal(publishedMillions, ZooCatalog.Find(name).Parameters / 1e6, publishedMillions / 100);

    [Theory]
    [MemberData(nameof(Names))]
    public void Catalog_states_the_parameters_that_the_model_has(string name)
    {
        ZooEntry entry = ZooCatalog.Find(name);
        ModelProto model = entry.Build(new ZooOptions());
        // Weights are named after their module, constants after a node, which begins with a slash.
        Assert.Equal(entry.Parameters, model.Graph.Initializers.Where(t => !t.Name.StartsWith('/')).Sum(Elements));
        Assert.Equal($"{entry.Parameters}", model.MetadataProps.Single(p => p.Key == "parameters").Value);
    }

    /// <summary>
    /// Giga multiply-accumulates of convolutions and products at the catalog's default dims: published (YOLOv8n, SwinV2, CLIP), or for T tokens of width D
    /// and L layers <c>L (12 T D^2 + 2 T^2 D)</c> and what lies around the layers.
    /// </summary>
    [Theory]
    [InlineData("yolov8n", 4.372)]
    [InlineData("whisper-tiny-encoder", 18.47)]
    [InlineData("swinv2-tiny", 5.94)]
    [InlineData("clip-text", 2.98)]
    [InlineData("distilbert", 5.59)]
    public void Work_is_the_known_number(string name, double gigaMacs)
    {
        ZooEntry entry = ZooCatalog.Find(name);
        using ImportedModel model = Importer.Import(entry.Build(new ZooOptions()));
        Graph graph = Inference.Specialize(model.Graph, [.. model.Graph.Inputs.Select(i => Bind(model.Graph.Fact(i), entry.DefaultDims))]);
        double macs = graph.Nodes.Where(n => n.Op is Conv or MatMul or Gemm).Sum(n => (double)graph.Cost(n).Macs.Value);
        Assert.Equal(gigaMacs, macs / 1e9, gigaMacs / 100);
    }

    /// <summary>A change of the structure must be meant. The number of YOLOv8n is that of a published export.</summary>
    [Theory]
    [InlineData("yolov8n", 233, "Conv 64", "Sigmoid 58", "Mul 58", "Concat 17", "MaxPool 3", "Resize 2", "Softmax 1")]
    [InlineData("whisper-tiny-encoder", 255, "Conv 2", "Erf 6", "LayerNormalization 9", "Softmax 4")]
    [InlineData("whisper-tiny-decoder", 511, "Erf 4", "LayerNormalization 13", "Softmax 8")]
    [InlineData("whisper-tiny-decoder-kv", 421, "Erf 4", "LayerNormalization 13", "Softmax 8")]
    [InlineData("swinv2-tiny", 1199, "Conv 1", "Erf 12", "LayerNormalization 29", "Softmax 12", "GlobalAveragePool 1", "Gemm 1")]
    [InlineData("clip-text", 898, "LayerNormalization 25", "Softmax 12", "ArgMax 1")]
    [InlineData("distilbert", 336, "Erf 6", "LayerNormalization 13", "Softmax 6", "Gemm 2", "Relu 1")]
    public void Nodes_are_those_of_the_export(string name, int nodes, params string[] counts)
    {
        GraphProto graph = ZooCatalog.Find(name).Build(new ZooOptions()).Graph;
        var found = graph.Nodes.GroupBy(n => n.OpType).Select(g => $"{g.Key} {g.Count()}").ToHashSet();
        Assert.All(counts, count => Assert.Contains(count, found));
        Assert.Equal(nodes, graph.Nodes.Count);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Names_are_unique_and_defined_before_use(string name)
    {
        GraphProto graph = ZooCatalog.Find(name).Build(new ZooOptions(Dynamic: true)).Graph;
        var defined = new HashSet<string>();
        Assert.All(graph.Inputs.Select(i => i.Name).Concat(graph.Initializers.Select(i => i.Name)), n => Assert.True(defined.Add(n), n));
        Assert.Equal(graph.Nodes.Count, graph.Nodes.Select(n => n.Name).Distinct().Count());
        foreach (NodeProto node in graph.Nodes)
        {
            Assert.All(node.Inputs.Where(i => i.Length > 0), i => Assert.Contains(i, defined));
            Assert.All(node.Outputs, o => Assert.True(defined.Add(o), o));
        }
        Assert.All(graph.Outputs, o => Assert.Contains(o.Name, defined));
    }

    [Theory]
    [InlineData("yolov8n")]
    [InlineData("whisper-tiny-encoder")]
    [InlineData("swinv2-tiny")]
    public void Export_is_read_back(string name)
    {
        ModelProto model = ZooCatalog.Find(name).Build(new ZooOptions());
        using ModelSource source = ModelSource.FromBytes(model.ToBytes(), name);
        ModelProto read = ModelProto.Parse(source);
        Assert.Equal(17, Assert.Single(read.OpsetImport).Version);
        Assert.Equal(model.Graph.Nodes.Select(n => n.ToString()), read.Graph.Nodes.Select(n => n.ToString()));
        Assert.Equal(model.Graph.Inputs.Concat(model.Graph.Outputs).Select(v => v.ToString()), read.Graph.Inputs.Concat(read.Graph.Outputs).Select(v => v.ToString()));
        Assert.Equal(model.Graph.Initializers.Count, read.Graph.Initializers.Count);
        foreach (var (written, back) in model.Graph.Initializers.Zip(read.Graph.Initializers))
            Assert.True(written.RawData.Window(0).SequenceEqual(back.RawData.Window(0)), written.Name);
    }

    /// <summary>The bytes of an export, on every machine and with every vector width.</summary>
    [Theory]
    [InlineData("yolov8n", false, "0173538F4BAFD3C7")]
    [InlineData("yolov8n", true, "47AA2B4590591E3B")]
    [InlineData("whisper-tiny-encoder", false, "9B7B7DC9DEA1838F")]
    [InlineData("swinv2-tiny", false, "8FE2CB5C369BB272")]
    [InlineData("distilbert", false, "5C4E863172C23E62")]
    public void Export_is_deterministic(string name, bool isDynamic, string golden)
    {
        using var hash = SHA256.Create();
        using (var stream = new CryptoStream(Stream.Null, hash, CryptoStreamMode.Write))
            ZooCatalog.Find(name).Build(new ZooOptions(Dynamic: isDynamic)).Save(stream);
        Assert.Equal(golden, Convert.ToHexString(hash.Hash!)[..16]);
    }

    [Fact]
    public void Seeds_make_other_weights_of_the_wanted_spread()
    {
        float[] first = Weights(1), second = Weights(2);
        Assert.NotEqual(first, second);
        foreach (float[] weights in (float[][])[first, second])
        {
            Assert.InRange(weights.Average(), -0.002, 0.002);
            Assert.Equal(1 / Math.Sqrt(384), Math.Sqrt(weights.Average(w => (double)w * w)), 0.001);
        }

        static float[] Weights(int seed) => ZooCatalog.Find("whisper-tiny-encoder").Build(new ZooOptions(seed)).Graph.Initializers
            .Single(t => t.Name == "encoder.layers.0.fc1.weight").ToTensor().Span<float>().ToArray();
    }

    [Fact]
    public void Unknown_names_are_refused_with_the_known_ones() =>
        Assert.Contains("yolov8n", Assert.Throws<InvalidModelException>(() => ZooCatalog.Find("yolov9")).Message);

    private static long Elements(TensorProto tensor) => tensor.Dims.Aggregate(1L, (product, dim) => product * dim);

    private static Fact Bind(Fact fact, IReadOnlyDictionary<string, long> dims) => fact is TensorFact { Shape: { } shape } tensor
        ? tensor with { Shape = new Shape([.. shape.Dims.Select(d => d.Substitute(dims))]) }
        : fact;
}
