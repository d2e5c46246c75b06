using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>How a support vector machine compares a row with a support vector.</summary>
public enum SvmKernelKind
{
    Linear,
    Polynomial,
    Radial,
    Sigmoid,
}

/// <summary>The support vectors of a machine, and how rows are compared with them.</summary>
/// <param name="Vectors">Row after row; empty in a linear machine, which has a row of coefficients for each result.</param>
public sealed record SvmModel(SvmKernelKind Kernel, float Gamma, float Coef0, float Degree, ImmutableArray<float> Vectors, ImmutableArray<float> Coefficients, ImmutableArray<float> Rho);

/// <summary>The weighted sum of a row's likeness to the support vectors, [N x C] to [N x 1], float32.</summary>
/// <param name="VectorCount">0 for a linear machine.</param>
/// <param name="OneClass">The result is 1 where the sum is above 0, else -1.</param>
public sealed record SvmRegressor(SvmModel Model, int VectorCount, bool OneClass) : Op
{
    public override ImmutableArray<Fact> Infer(InferContext context) =>
        [new TensorFact(DType.Float32, context.Shape(0, 2, 2) is { } shape ? [shape[0], 1] : null)];
}

/// <summary>The class of each row [N x C], and its scores: probabilities, decision values of pairs of classes, or those of each class (linear), float32.</summary>
/// <param name="Labels">int64 or strings.</param>
/// <param name="VectorsPerClass">Empty for a linear machine.</param>
public sealed record SvmClassifier(SvmModel Model, Tensor Labels, ImmutableArray<int> VectorsPerClass, ImmutableArray<float> ProbA, ImmutableArray<float> ProbB, ScoreTransform Transform) : Op
{
    public int ClassCount => (int)Labels.ElementCount;

    /// <summary>Scores before a single one becomes those of two classes.</summary>
    public int ScoreCount => VectorsPerClass.IsEmpty || !ProbA.IsEmpty ? ClassCount : ClassCount * (ClassCount - 1) / 2;

    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        Shape? rows = context.Shape(0, 2, 2);
        return
        [
            new TensorFact(Labels.DType, rows is { } r ? [r[0]] : null),
            new TensorFact(DType.Float32, rows is { } s ? [s[0], Math.Max(2, ScoreCount)] : null),
        ];
    }
}
