using BenchmarkDotNet.Attributes;
using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Onnx;
using Parallax.Planning;
using Parallax.Zoo;

namespace Parallax.Bench;

/// <summary>What it takes to share a network with a device, beside planning for the CPU alone and making a session.</summary>
public class JointPlanning
{
    private const int Workers = 2;
    private Graph graph = null!;
    private ModelProto? model;

    /// <summary>A network of the zoo, or so many products of which every third has another beside it.</summary>
    [Params("yolov8n", "swinv2-tiny", "clip-text", "300", "3000")]
    public string Network { get; set; } = "";

    [GlobalSetup]
    public void Load()
    {
        if (int.TryParse(Network, out int products)) graph = Products(products);
        else
        {
            model = ZooCatalog.Find(Network).Build(new ZooOptions(Dynamic: false));
            using InferenceSession session = Create();
            graph = session.Graph;
        }
    }

    [Benchmark]
    public Partition ForTheCpu() => Partitioner.Partition(graph);

    [Benchmark]
    public Partition Jointly() => Partitioner.Partition(graph, PartitionOptions.Default with
    {
        Accelerators = [new Splitting(new NullAccelerator(AcceleratorModel.IntegratedGpu))], Joint = new JointOptions(), Workers = Workers,
    });

    /// <summary>Import and passes; nothing for the products, which are made as a graph.</summary>
    [Benchmark]
    public void MakeSession() => (model is null ? null : Create())?.Dispose();

    private InferenceSession Create() => new(Importer.Import(model!), new SessionOptions { Threads = Workers, DeviceProfile = "none", Dimensions = ZooCatalog.Find(Network).DefaultDims });

    private static Graph Products(int count)
    {
        const long Rows = 128, Columns = 256;
        var builder = new GraphBuilder($"{count} products");
        ValueId value = builder.Input("x", new TensorFact(DType.Float32, [Rows, Columns])), weights = builder.Constant("w", Tensor.Zeros(DType.Float32, [Columns, Columns]));
        for (int i = 0; i < count; i += i % 3 == 2 ? 3 : 1)
        {
            ValueId product = builder.Add($"product{i}", new MatMul(), value, weights);
            value = i % 3 == 2 ? builder.Add($"sum{i}", new Binary(BinaryFunction.Add), product, builder.Add($"beside{i}", new MatMul(), value, weights)) : product;
        }
        builder.Output("y", value);
        return builder.Build();
    }

    /// <summary>An accelerator that can also compute a part of a layer.</summary>
    private sealed class Splitting(NullAccelerator device) : IRegionBackend
    {
        public string Name => device.Name;

        public AcceleratorModel Model => device.Model;

        public string? WhyNot(Graph graph, Node node) => device.WhyNot(graph, node);

        public long? SplitGranule(Graph graph, Node node, OutputAxis axis) => 16;
    }
}
