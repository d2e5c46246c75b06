using Parallax.Graphs;
using Parallax.Onnx;
using Parallax.OpenCL.Bindings;
using Parallax.Planning;
using Parallax.Runtime;
using Parallax.Suite;
using Parallax.Zoo;
using Xunit;

namespace Parallax.Tests.OpenCL;

/// <summary>Whole networks as the bindings see them: into how few regions they fall, and what stays on the CPU. Only planned: no device is needed.</summary>
public sealed class CoverageTests
{
    /// <param name="unsupported">Nodes that no binding takes.</param>
    [Theory]
    [InlineData("yolov8n", 1, 0)]
    [InlineData("whisper-tiny-encoder", 1, 0)]
    [InlineData("whisper-tiny-decoder", 1, 1)]
    [InlineData("swinv2-tiny", 1, 0)]
    [InlineData("clip-text", 3, 2)]
    [InlineData("distilbert", 1, 1)]
    public void Networks_of_the_zoo_are_few_regions(string name, int regions, int unsupported)
    {
        ZooEntry entry = ZooCatalog.Find(name);
        using InferenceSession session = Open(Importer.Import(entry.Build(new ZooOptions())), entry.DefaultDims);
        AssertFew(session.Plan, regions, unsupported);
    }

    [SharedFact("models", "yolov8n")]
    public void Published_yolo_is_one_region() => AssertFew(PlanOf("yolov8n"), 1, 0);

    [SharedFact("models", "basic_pitch")]
    public void Basic_pitch_is_one_region() => AssertFew(PlanOf("basic_pitch"), 1, 0);

    [SharedFact("models", "super_resolution")]
    public void Super_resolution_is_one_region() => AssertFew(PlanOf("super_resolution"), 1, 0);

    [SharedFact("models", "ultraface_rfb320")]
    public void Ultraface_is_one_region() => AssertFew(PlanOf("ultraface_rfb320"), 1, 0);

    [SharedFact("models", "magika")]
    public void Magika_is_one_region() => AssertFew(PlanOf("magika"), 1, 0);

    /// <summary>A model of one input, for the shape of the input that is given with it.</summary>
    private static PlanReport PlanOf(string model)
    {
        using InferenceSession session = Open(Importer.Import(ModelSource.FromBytes(File.ReadAllBytes(SharedData.Path("models", model, "model.onnx")!))), new Dictionary<string, long>());
        Tensor input = Npy.Read(Directory.GetFiles(SharedData.Path("models", model, "inputs")!).Single());
        return session.Explain(new Dictionary<string, Datum> { [session.Inputs.Single().Name] = input });
    }

    private static InferenceSession Open(ImportedModel model, IReadOnlyDictionary<string, long> dims) =>
        new(model, new SessionOptions { Threads = 1, DeviceProfile = "none", Accelerators = [new BoundOperators()], Dimensions = dims });

    private static void AssertFew(PlanReport plan, int regions, int unsupported)
    {
        string reasons = string.Join('\n', plan.Unsupported.Select(reason => $"{reason.Value} x {reason.Key}"));
        Assert.True(plan.Regions.Length <= regions && plan.Unsupported.Values.Sum() <= unsupported, $"{plan.Regions.Length} regions:\n{reasons}");
        Assert.True(plan.Regions.Sum(region => region.Nodes) > 0, "no region has any work");
    }

    private sealed class BoundOperators : IRegionBackend
    {
        public string Name => Model.Name;

        public AcceleratorModel Model => AcceleratorModel.Ideal;

        public string? WhyNot(Graph graph, Node node)
        {
            if (node.Op.IsView) return null;
            var facts = new OperandFacts([.. node.Inputs.Select(graph.TensorFact)], [.. node.Outputs.Select(graph.TensorFact)]);
            return ClBindings.Find(node.Op.GetType()) is { } binding ? binding.WhyNot(node.Op, facts) : "no kernel";
        }
    }
}
