using Parallax.Graphs;

namespace Parallax.Planning;

/// <summary>
/// An accelerator that is only declared: it shows what a partition would be with one, and what the cost model says of it; its regions are computed by the
/// CPU's kernels. It supports what the delegates of phones do: static shapes of at most four dims, floats of 32 bits or fewer, small integers, no control flow.
/// </summary>
/// <param name="whyNot">Narrows the set of operators further: null for a supported one, else the reason why not.</param>
public sealed class NullAccelerator(AcceleratorModel model, Func<Node, string?>? whyNot = null) : IRegionBackend
{
    private const int MaxRank = 4;

    /// <summary>All models with constants of their own.</summary>
    public static IReadOnlyList<AcceleratorModel> Presets { get; } = [AcceleratorModel.Snapdragon8Gen1, AcceleratorModel.Ideal, AcceleratorModel.IntegratedGpu];

    public string Name => model.Name;

    public AcceleratorModel Model => model;

    public string? WhyNot(Graph graph, Node node)
    {
        if (node.Op.IsControlFlow) return "control flow stays on the CPU";
        foreach (ValueId value in node.Inputs.Concat(node.Outputs))
        {
            if (value.IsNone || graph.Constant(value) is not null) continue;
            if (graph.Fact(value) is not TensorFact tensor) return "only tensors are supported";
            if (!IsSupported(tensor.Type)) return $"{tensor.Type} is not supported";
            if (tensor.Shape?.Rank > MaxRank) return $"{tensor.Shape?.Rank} dims, at most {MaxRank} are supported";
        }
        return whyNot?.Invoke(node);
    }

    /// <exception cref="InvalidInputException">There is no such preset.</exception>
    public static NullAccelerator OfPreset(string name) => new(Presets.FirstOrDefault(p => p.Name == name)
        ?? throw new InvalidInputException($"no accelerator '{name}'; there are {string.Join(", ", Presets.Select(p => p.Name))}"));

    private static bool IsSupported(DType type) => type is DType.Float32 or DType.Float16 or DType.Int8 or DType.UInt8 or DType.Int32 or DType.Bool;
}
