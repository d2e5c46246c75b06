using Parallax.Graphs;
using Parallax.Planning;
using Parallax.Suite;
using Xunit;
using Xunit.Abstractions;

namespace Parallax.Tests.Planning;

public class RealNetworkTests(ITestOutputHelper output)
{
    [SharedFact("models")]
    public void Plans_of_real_networks_are_close_to_their_bounds()
    {
        var ratios = new List<(double Sequential, double Two)>();
        foreach ((string name, int dim) in ((string, int)[])[("yolov8n", 640), ("basic_pitch", 1), ("magika", 1), ("ultraface_rfb320", 1), ("super_resolution", 1), ("mobilenetv2_qdq", 1)])
        {
            if (SharedData.Path("models", name, "model.onnx") is not { } path) continue;
            using var session = new InferenceSession(path);
            Partition partition = Partitioner.Partition(Concrete(session.Graph, dim));
            Assert.Equal(partition.Graph.NodeCount, partition.Branches.Sum(b => b.Nodes.Length));
            MemoryProblem problem = MemoryProblem.Of(partition);
            MemoryPlan sequential = MemoryPlanner.Sequential(problem), two = MemoryPlanner.Plan(problem, 2);
            ToyProblems.Replay(problem, two, new Random(1), 2);
            ratios.Add((sequential.ArenaBytes / (double)sequential.LowerBoundBytes, two.ArenaBytes / (double)sequential.ArenaBytes));
            output.WriteLine($"{name}: {partition.Branches.Length} branches, sequential {sequential.ArenaBytes} = {ratios[^1].Sequential:0.000} x bound, two at once {ratios[^1].Two:0.000} x sequential");
        }
        Assert.NotEmpty(ratios);
        Assert.InRange(ratios.Average(r => r.Sequential), 1, 1.03);
        Assert.InRange(ratios.Average(r => r.Two), 0.99, 1.1);
    }

    /// <summary>The graph with every symbolic dim of its inputs set to one number.</summary>
    private static Graph Concrete(Graph graph, int dim) => Inference.Specialize(graph, [.. graph.Inputs.Select(i =>
        graph.TensorFact(i) is { Shape: { } shape } fact ? new TensorFact(fact.Type, new Shape([.. shape.Select(d => d.IsKnown ? d : dim)])) : graph.Fact(i))]);
}
