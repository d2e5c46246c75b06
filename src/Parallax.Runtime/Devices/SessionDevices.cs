using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Planning;

namespace Parallax.Runtime;

/// <summary>The devices of a session, as its options say.</summary>
internal static class SessionDevices
{
    /// <param name="profile">Speaks for the devices that it was measured with.</param>
    internal static ImmutableArray<SessionDevice> Of(SessionOptions options, DeviceProfile profile)
    {
        if (options.Backends.IsEmpty) return [];
        var exclude = options.Exclude.ToHashSet();
        string[] names = [.. options.Backends.Select(b => b.Name).Concat(options.Accelerators.Select(a => a.Name))];
        if (names.Distinct().Count() < names.Length) throw new InvalidInputException($"two devices have one name: {string.Join(", ", names)}");
        return [.. options.Backends.Select(b => new SessionDevice(b, ModelOf(b, profile) with { KeepsAll = options.OffloadAll || b.Model.KeepsAll }, exclude, options.Precision == Precision.Strict))];
    }

    /// <summary>The measured numbers of a device where the profile has them, else what the backend says of itself.</summary>
    private static AcceleratorModel ModelOf(IBackend backend, DeviceProfile profile) =>
        profile.Accelerator(backend.Name, backend.Description) ?? backend.Model;

    internal static IReadOnlyList<string> Warnings(ImmutableArray<SessionDevice> devices) =>
        [.. devices.Where(d => d.Lost is not null).Select(d => $"{d.Name} was lost, the CPU does its work: {d.Lost}")];

    /// <summary>A name that nothing has is a mistake of whoever gave it.</summary>
    internal static void CheckNames(SessionOptions options, ReadOnlySpan<Graph> graphs)
    {
        foreach (LayerSplit request in options.Splits)
            if (request.CpuShare is not (> 0 and < 1)) throw new InvalidInputException($"the CPU's share of '{request.Layer}' must lie between 0 and 1, got {request.CpuShare}");
        ImmutableArray<string> excluded = options.Exclude, split = [.. options.Splits.Select(s => s.Layer).Where(l => l != LayerSplit.All)];
        if (excluded.IsEmpty && split.IsEmpty) return;
        var known = new HashSet<string>();
        foreach (Graph graph in graphs) Collect(graph);
        Check(excluded, "excluded");
        Check(split, "split");

        void Check(ImmutableArray<string> names, string toBe)
        {
            foreach (string name in names)
                if (!known.Contains(name)) throw new InvalidInputException($"'{name}' is to be {toBe}, but the model has no node or operator of that name");
        }

        void Collect(Graph graph)
        {
            foreach (Node node in graph.Nodes)
            {
                known.Add(node.Name);
                known.Add(node.Op.Name);
                foreach (Graph body in node.Op.Bodies) Collect(body);
            }
        }
    }
}
