using System.Numerics;
using Parallax.Graphs.Ops;
using Parallax.Kernels;

namespace Parallax.Runtime.Cpu.Bindings;

internal static class ConvolutionBindings
{
    internal static readonly Binding[] All =
    [
        Binding.Kernel<Conv>(PrepareConv),
        Binding.Kernel<ConvTranspose>(PrepareTranspose),
        Binding.Kernel<DeformConv>(PrepareDeformed),
    ];

    private static Kernel PrepareConv(Conv op, PrepareContext x)
    {
        ConvProblem problem = ProblemOf(op, x.Dims(0), x.Inputs[1]!.Shape!.Value) with
        {
            HasBias = x.Has(2),
            HasResidual = x.Has(IFusible.ResidualInput),
            Activation = op.Activation,
            ResidualAfterActivation = op.ResidualAfterActivation,
        };
        return x.Type(0) == DType.Float32 ? CreateFloat(problem, x) : TypeDispatch.ForNumber(x.Type(0), new DirectFactory(problem, x.Part));
    }

    /// <summary>The problem of a convolution of known shapes, without what its epilogue does.</summary>
    internal static ConvProblem ProblemOf(Conv op, long[] dims, Shape weights) =>
        new(checked((int)dims[0]), checked((int)op.Groups), checked((int)dims[1]), checked((int)weights[0].Value), Windows.Over(op.WindowOver(weights), dims));

    private static unsafe Kernel CreateFloat(ConvProblem problem, PrepareContext x)
    {
        Tensor? weights = x.Constant(1);
        ConvAlgorithm algorithm = ConvCatalog.Select(problem, constantWeights: weights is not null, x.IsStrict);
        ConvProblem computed = x.Part is { } some ? problem.Part(some) : problem;
        long first = x.Part is { } from ? problem.OffsetsOf(from).Second : 0;
        PackedMatrix? packed = weights is null ? null
            : x.Weights.GetOrAdd(weights, $"{algorithm.Name} groups {problem.Groups}{(x.Part is { Axis: OutputAxis.Channels } p ? $" {p}" : "")}", () => algorithm.Pack(computed, (float*)weights.Address + first, GemmCatalog.Best));
        return x.Part is { } part ? ConvKernels.CreatePart(problem, part, packed, algorithm) : ConvKernels.Create(problem, packed, algorithm);
    }

    private static unsafe Kernel PrepareTranspose(ConvTranspose op, PrepareContext x)
    {
        if (x.Type(0) != DType.Float32) throw new UnsupportedModelException($"ConvTranspose of {x.Type(0)} is not supported", [$"ConvTranspose of {x.Type(0)}"]);
        long[] dims = x.Dims(0), results = x.OutputDims(0);
        var problem = new ConvTransposeProblem(checked((int)dims[0]), checked((int)op.Groups), checked((int)dims[1]), checked((int)results[1]), Windows.Over(op, x)) { HasBias = x.Has(2) };
        return ConvKernels.CreateTranspose(problem, x.Constant(1) is { } constant ? (float*)constant.Address : null);
    }

    private static Kernel PrepareDeformed(DeformConv op, PrepareContext x)
    {
        long[] dims = x.Dims(0);
        return DeformConvProblem.Create(x.Type(0), new DeformConvProblem(checked((int)dims[0]), checked((int)op.Groups), checked((int)op.OffsetGroups),
            checked((int)dims[1]), checked((int)x.Dims(1)[0]), Windows.Over(op.WindowOver(x.Inputs[1]!.Shape!.Value), dims))
        {
            HasBias = x.Has(3),
            HasMask = x.Has(4),
        });
    }

    private readonly struct DirectFactory(ConvProblem problem, OutputPart? part) : INumberKernelFactory
    {
        public Kernel Create<T>() where T : unmanaged, INumber<T> => ConvKernels.CreateDirect<T>(problem, part);
    }
}
