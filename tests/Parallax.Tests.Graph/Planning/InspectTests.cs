using System.Text.Json;
using Parallax.Graphs;
using Parallax.Planning;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Planning;

public class InspectTests
{
    private sealed class Everything : IRegionBackend
    {
        public string Name => "everything";

        public AcceleratorModel Model => AcceleratorModel.Snapdragon8Gen1;

        public string? WhyNot(Graph graph, Node node) => node.Name == "stem" ? "not today" : null;
    }

    [Fact]
    public void The_report_has_the_documented_keys()
    {
        Partition partition = Partitioner.Partition(ToyGraphs.Blocks(blocks: 2, width: 3, depth: 2), PartitionOptions.Default with { Accelerators = [new Everything()] });
        Schedule schedule = Scheduler.Schedule(partition, CostModel.Default, new ScheduleOptions(2));
        string json = InspectReport.Of("toy", partition, MemoryPlanner.Ladder(MemoryProblem.Of(partition), 2), schedule, new Dictionary<string, int> { ["some pass"] = 3 }).ToJson();
        JsonElement root = JsonDocument.Parse(json).RootElement;
        Assert.Equal("toy", root.GetProperty("model").GetString());
        Assert.Equal(partition.Graph.NodeCount, root.GetProperty("nodes").GetInt32());
        Assert.Equal(partition.Graph.NodeCount, Keys(root, "classes", "sequential", "splitter", "merger", "splitMerge", "controlFlow").Sum(e => e.GetInt32()));
        JsonElement branch = root.GetProperty("branches")[1];
        Assert.Equal("b0c0n0", branch.GetProperty("nodes")[0].GetString());
        foreach (string key in (string[])["id", "macs", "peakBytes", "dynamic", "device", "why"]) Assert.True(branch.TryGetProperty(key, out _), key);
        Assert.Equal(partition.Layers.Length, root.GetProperty("layers").GetArrayLength());
        Assert.Equal(2, root.GetProperty("parallelLayers").GetInt32());
        Assert.Equal(3, root.GetProperty("maxBranches").GetInt32());
        JsonElement region = root.GetProperty("regions")[0];
        Assert.False(region.GetProperty("kept").GetBoolean());
        foreach (string key in (string[])["nodes", "macs", "boundaryBytes", "why", "predictedCpuUs", "predictedOffloadUs"]) Assert.True(region.TryGetProperty(key, out _), key);
        Assert.All(Keys(root, "memory", "noReuseBytes", "plannedBytes", "lowerBoundBytes"), e => Assert.True(e.GetInt64() > 0));
        JsonElement rung = root.GetProperty("memory").GetProperty("ladder")[0];
        Assert.True(rung.GetProperty("width").GetInt32() >= 3 && rung.GetProperty("bytes").GetInt64() > 0);
        Assert.Equal(3, root.GetProperty("fusions").GetProperty("some pass").GetInt32());
        Assert.Contains("not today", Assert.Single(root.GetProperty("unsupported").EnumerateObject()).Name, StringComparison.Ordinal);
    }

    private static List<JsonElement> Keys(JsonElement root, string parent, params string[] keys) => [.. keys.Select(k => root.GetProperty(parent).GetProperty(k))];
}
