namespace Parallax;

/// <summary>What a reduction makes of the elements along its axes.</summary>
public enum ReduceKind
{
    Sum,
    Mean,
    Max,
    Min,
    Prod,
    L1,
    L2,
    LogSum,
    LogSumExp,
    SumSquare,
}

/// <summary>What is made of a run of numbers by their exponentials.</summary>
public enum SoftmaxKind
{
    /// <summary>exp(x) / sum(exp(x)).</summary>
    Softmax,

    /// <summary>log(softmax(x)).</summary>
    LogSoftmax,

    /// <summary>1 at the first largest element, 0 elsewhere.</summary>
    Hardmax,
}

/// <summary>A function inside a recurrent cell, by ONNX's names.</summary>
public enum CellFunction
{
    Relu,
    Tanh,
    Sigmoid,
    Affine,
    LeakyRelu,
    ThresholdedRelu,
    ScaledTanh,
    HardSigmoid,
    Elu,
    Softsign,
    Softplus,
}

public readonly record struct CellActivation(CellFunction Function, float Alpha = 0, float Beta = 0);
