using Parallax.Graphs;
using Parallax.Graphs.Ops;

namespace Parallax.Planning;

/// <summary>Operators whose speed on a CPU follows the same constants.</summary>
public enum OpClass
{
    /// <summary>One cheap operation an element: memory-bound.</summary>
    Elementwise,

    /// <summary>Convolution, matrix product, attention, recurrence: bound by multiply-accumulates.</summary>
    Dense,

    /// <summary>Reductions, pooling, normalization, softmax.</summary>
    Reduction,

    /// <summary>Bytes moved, nothing computed.</summary>
    Movement,

    /// <summary>No work at all: another shape over the same bytes.</summary>
    View,

    /// <summary>Bodies that run inside a node.</summary>
    ControlFlow,
}

/// <summary>Constants of one operator class on one core.</summary>
/// <param name="MacsPerSecond">Multiply-accumulates (elementwise: results) per second.</param>
/// <param name="ParallelFraction">The part of a step that several workers share, as in Amdahl's law; 0 to 1.</param>
public sealed record ClassRate(double MacsPerSecond, double ParallelFraction);

/// <summary>
/// Predicts the time of a step on the CPU from its multiply-accumulates and bytes: the slower of computing and moving, plus a fixed
/// overhead. The defaults describe a current core with 256-bit vectors; <c>parallax calibrate</c> replaces them by measured ones.
/// </summary>
/// <param name="BytesPerSecond">What one core reads and writes.</param>
/// <param name="MemoryParallelism">How many cores' worth of <paramref name="BytesPerSecond"/> the memory gives in all.</param>
/// <param name="StepOverheadUs">Time to start any step.</param>
/// <param name="ForkUs">Time to hand a part of a step to one more worker.</param>
public sealed record CostModel(
    ClassRate Elementwise,
    ClassRate Dense,
    ClassRate Reduction,
    double BytesPerSecond,
    double MemoryParallelism,
    double StepOverheadUs,
    double ForkUs)
{
    public static CostModel Default { get; } = new(
        Elementwise: new ClassRate(2e9, 0.95),
        Dense: new ClassRate(3e10, 0.97),
        Reduction: new ClassRate(1.5e9, 0.9),
        BytesPerSecond: 1e10,
        MemoryParallelism: 2.5,
        StepOverheadUs: 0.3,
        ForkUs: 1.5);

    public static OpClass ClassOf(Op op) => op switch
    {
        { IsControlFlow: true } => OpClass.ControlFlow,
        { IsView: true } => OpClass.View,
        Conv or ConvTranspose or MatMul or Gemm or Einsum or Attention or LinearAttention or Recurrent or CausalConvWithState or Dft or Stft => OpClass.Dense,
        Reduce or ArgReduce or Softmax or Pool or GlobalPool or MaxRoiPool or TopK or Cumulative or LayerNormalization or RMSNormalization or GroupNormalization
            or InstanceNormalization or BatchNormalization or LpNormalization or LocalResponseNormalization or MeanVarianceNormalization => OpClass.Reduction,
        Concat or Split or Slice or Transpose or Gather or GatherElements or GatherND or ScatterElements or ScatterND or TensorScatter or Pad or CenterCropPad or Tile or Expand
            or Identity or Reshape or DepthToSpace or SpaceToDepth or ReverseSequence or Compress or Trilu or ConstantOfShape => OpClass.Movement,
        _ => OpClass.Elementwise,
    };

    /// <summary>Predicted microseconds of one step on <paramref name="workers"/> workers. Symbolic costs count as nothing.</summary>
    public double PredictUs(Op op, Cost cost, int workers = 1)
    {
        cost.Macs.TryGetValue(out long macs);
        cost.Bytes.TryGetValue(out long bytes);
        return PredictUs(ClassOf(op), macs, bytes, workers);
    }

    /// <inheritdoc cref="PredictUs(Op, Cost, int)"/>
    public double PredictUs(OpClass opClass, long macs, long bytes, int workers = 1)
    {
        if (opClass == OpClass.View) return 0;
        ClassRate? rate = opClass switch
        {
            OpClass.Dense or OpClass.ControlFlow => Dense,
            OpClass.Reduction => Reduction,
            OpClass.Movement => null,
            _ => Elementwise,
        };
        double computeUs = rate is null ? 0 : macs / rate.MacsPerSecond * 1e6, moveUs = bytes / BytesPerSecond * 1e6;
        double alone = Math.Max(computeUs, moveUs);
        if (workers <= 1) return StepOverheadUs + alone;
        double fraction = rate?.ParallelFraction ?? Elementwise.ParallelFraction;
        double together = Math.Max(
            computeUs * (1 - fraction + fraction / workers),
            moveUs * (1 - fraction + fraction / Math.Min(workers, MemoryParallelism)));
        return StepOverheadUs + Math.Min(alone, together + ForkUs * (workers - 1));
    }

    /// <summary>Multiply-accumulates and bytes of a node; control flow counts its heaviest body once, for trip counts are not known.</summary>
    public static (long Macs, long Bytes) Work(Graph graph, Node node)
    {
        Cost cost = graph.Cost(node);
        cost.Macs.TryGetValue(out long macs);
        cost.Bytes.TryGetValue(out long bytes);
        long bodyMacs = 0, bodyBytes = 0;
        foreach (Graph body in node.Op.Bodies)
        {
            (long Macs, long Bytes) sum = (0, 0);
            foreach (Node inner in body.Nodes)
            {
                (long innerMacs, long innerBytes) = Work(body, inner);
                sum = (sum.Macs + innerMacs, sum.Bytes + innerBytes);
            }
            bodyMacs = Math.Max(bodyMacs, sum.Macs);
            bodyBytes = Math.Max(bodyBytes, sum.Bytes);
        }
        return (macs + bodyMacs, bytes + bodyBytes);
    }
}
