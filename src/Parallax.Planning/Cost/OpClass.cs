using Parallax.Graphs;
using Parallax.Graphs.Ops;

namespace Parallax.Planning;

/// <summary>Operators whose speed on a CPU follows the same constants. What a class counts is its unit.</summary>
public enum OpClass
{
    /// <summary>One cheap operation an element. Unit: results.</summary>
    Elementwise,

    /// <summary>Exponentials, error functions, logarithms and what is made of them. Unit: results.</summary>
    Transcendental,

    /// <summary>Matrix products of many rows, and convolutions of one tap. Unit: multiply-accumulates.</summary>
    Dense,

    /// <summary>Matrix products of so few rows that the right-hand matrix is read about as fast as it is used; recurrent layers. Unit: multiply-accumulates.</summary>
    FewRows,

    /// <summary>Convolutions of several taps. Unit: multiply-accumulates.</summary>
    Convolution,

    /// <summary>Convolutions with few channels to a group. Unit: multiply-accumulates.</summary>
    Depthwise,

    /// <summary>Unit: multiply-accumulates.</summary>
    Attention,

    /// <summary>Unit: results.</summary>
    Softmax,

    /// <summary>Unit: results.</summary>
    Normalization,

    /// <summary>Sums and their like over axes. Unit: elements read.</summary>
    Reduction,

    /// <summary>Unit: elements under the windows.</summary>
    Pooling,

    /// <summary>Interpolation. Unit: multiply-accumulates.</summary>
    Resampling,

    /// <summary>Runs of bytes are moved, nothing is computed. Unit: bytes read and written.</summary>
    Movement,

    /// <summary>Elements are moved one by one, or nearly so. Unit: bytes read and written.</summary>
    Rearrangement,

    /// <summary>No work at all: another shape over the same bytes.</summary>
    View,

    /// <summary>Bodies that run inside a node. Unit: multiply-accumulates.</summary>
    ControlFlow,
}

/// <summary>Which class an operator belongs to.</summary>
internal static class OpClasses
{
    /// <summary>Products with this many rows or fewer count as <see cref="OpClass.FewRows"/>.</summary>
    internal const long FewRows = 8;

    /// <summary>A transposition that keeps runs of so many elements moves bytes.</summary>
    internal const long RunLength = 16;

    /// <summary>Convolutions with fewer input channels to a group, in several groups, count as <see cref="OpClass.Depthwise"/>.</summary>
    internal const long FewChannels = 4;

    /// <summary>The class as the operator alone tells; a product counts as one of many rows, a convolution as one of several taps.</summary>
    internal static OpClass Of(Op op) => op switch
    {
        { IsControlFlow: true } => OpClass.ControlFlow,
        { IsView: true } => OpClass.View,
        Conv or ConvTranspose or DeformConv or IntegerConv => OpClass.Convolution,
        MatMul or Gemm or Einsum or IntegerMatMul or ScaledIntegerMatMul or Dft or Stft => OpClass.Dense,
        Recurrent => OpClass.FewRows,
        CausalConvWithState => OpClass.Depthwise,
        Attention or LinearAttention => OpClass.Attention,
        Softmax => OpClass.Softmax,
        LayerNormalization or RMSNormalization or GroupNormalization or InstanceNormalization or BatchNormalization or LpNormalization
            or LocalResponseNormalization or MeanVarianceNormalization => OpClass.Normalization,
        Reduce or ArgReduce or TopK or Cumulative or GlobalPool or QuantizedMean => OpClass.Reduction,
        Pool or MaxRoiPool or RoiAlign => OpClass.Pooling,
        Resize { Mode: not ResizeMode.Nearest } or GridSample => OpClass.Resampling,
        Transpose or DepthToSpace or SpaceToDepth or GatherElements or GatherND or ScatterElements or ScatterND or ReverseSequence or Compress => OpClass.Rearrangement,
        Concat or Split or Slice or Gather or TensorScatter or Pad or CenterCropPad or Tile or Expand or Trilu or ConstantOfShape or Resize => OpClass.Movement,
        Unary { Function: var function } => Of(function),
        Binary { Function: BinaryFunction.Pow or BinaryFunction.Mod or BinaryFunction.FMod } => OpClass.Transcendental,
        _ => OpClass.Elementwise,
    };

    private static OpClass Of(UnaryFunction function) => function switch
    {
        UnaryFunction.Abs or UnaryFunction.Neg or UnaryFunction.Sign or UnaryFunction.Sqrt or UnaryFunction.Reciprocal or UnaryFunction.Floor or UnaryFunction.Ceil
            or UnaryFunction.Round or UnaryFunction.Not or UnaryFunction.BitwiseNot or UnaryFunction.IsNaN or UnaryFunction.IsInf or UnaryFunction.Relu
            or UnaryFunction.LeakyRelu or UnaryFunction.HardSigmoid or UnaryFunction.HardSwish or UnaryFunction.Softsign or UnaryFunction.ThresholdedRelu
            or UnaryFunction.Shrink => OpClass.Elementwise,
        _ => OpClass.Transcendental,
    };
}
