using Parallax.Runtime.Cpu.Bindings;

namespace Parallax.Runtime.Cpu;

/// <summary>Every operator that the CPU computes.</summary>
internal static class CpuBindings
{
    private static readonly Dictionary<Type, Binding> Entries = new[]
    {
        ElementwiseBindings.All,
        QuantizationBindings.All,
        MatrixBindings.All,
        ConvolutionBindings.All,
        PoolingBindings.All,
        ReductionBindings.All,
        NormalizationBindings.All,
        RecurrentBindings.All,
        AttentionBindings.All,
        ShapeBindings.All,
        MovementBindings.All,
        IndexingBindings.All,
        ResamplingBindings.All,
        ImageBindings.All,
        SignalBindings.All,
        ControlFlowBindings.All,
        SequenceBindings.All,
        TextBindings.All,
        RandomBindings.All,
        LossBindings.All,
        MachineLearningBindings.All,
    }.SelectMany(family => family).ToDictionary(binding => binding.OperatorType);

    internal static Binding? Find(Type operatorType) => Entries.GetValueOrDefault(operatorType);
}
