namespace Parallax.OpenCL.Bindings;

/// <summary>Every operator that OpenCL devices compute.</summary>
internal static class ClBindings
{
    private static readonly Dictionary<Type, ClBinding> Entries = new[]
    {
        ElementwiseBindings.All,
        NormalizationBindings.All,
        MatrixBindings.All,
        ConvolutionBindings.All,
        MovementBindings.All,
        TableBindings.All,
        SelectionBindings.All,
        ReductionBindings.All,
        PoolingBindings.All,
        AttentionBindings.All,
    }.SelectMany(family => family).ToDictionary(binding => binding.OperatorType);

    internal static ClBinding? Find(Type operatorType) => Entries.GetValueOrDefault(operatorType);
}
