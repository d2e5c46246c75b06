using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>Maps each element by a table: the value beside its key (the last, where a key is repeated), or a default.</summary>
/// <param name="Keys">A list of the input's type. NaN is a key like any other.</param>
/// <param name="Values">A list as long as <paramref name="Keys"/>.</param>
/// <param name="Default">One element of the type of <paramref name="Values"/>.</param>
public sealed record LabelEncoder(Tensor Keys, Tensor Values, Tensor Default) : Op
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact input = context.Tensor(0);
        if (input.Type != Keys.DType && input.Type != DType.Undefined) throw new InvalidModelException($"the keys are {Keys.DType}, the input is {input}");
        return [new TensorFact(Values.DType, input.Shape)];
    }
}

/// <summary>A new last axis with a one at the position of the element's category, float32.</summary>
/// <param name="Categories">int64 or strings. Numbers are cut to integers before they are looked up.</param>
/// <param name="AllowsUnknown">Zeros for an element that is in no category; otherwise that is an error.</param>
public sealed record OneHotEncoder(Tensor Categories, bool AllowsUnknown) : Op
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact input = context.Tensor(0);
        if (input.Type != DType.Undefined && (input.Type == DType.String) != (Categories.DType == DType.String))
            throw new InvalidModelException($"the categories are {Categories.DType}, the input is {input}");
        return [new TensorFact(DType.Float32, input.Shape is { } shape ? new Shape(shape.Dims.Add(Categories.ElementCount)) : null)];
    }
}

/// <summary>What is done to the scores of a row.</summary>
public enum ScoreTransform
{
    None,
    Softmax,
    Logistic,

    /// <summary>Softmax in which scores of zero stay nearly zero.</summary>
    SoftmaxZero,

    /// <summary>The inverse of the normal distribution function.</summary>
    Probit,
}

/// <summary>Transforms each row of scores [N x E], float32.</summary>
public sealed record TransformScores(ScoreTransform Transform) : Op
{
    public override ImmutableArray<Fact> Infer(InferContext context) => [new TensorFact(DType.Float32, context.Shape(0, 2, 2))];
}

/// <summary>
/// The label of the highest score of each row of [N x E], and the transformed scores. A single score tells two classes apart: the second
/// where it is above 0.5 (<paramref name="IsProbability"/>, the other's score then is one minus it) or above 0 (the other's is its negative).
/// </summary>
/// <param name="Labels">int64 or strings.</param>
public sealed record Classify(Tensor Labels, ScoreTransform Transform, bool IsProbability) : Op
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        Shape? scores = context.Shape(0, 2, 2);
        if (scores is not { } shape) return [new TensorFact(Labels.DType), new TensorFact(DType.Float32)];
        Dim classes = shape[1] == 1 ? 2 : shape[1];
        return [new TensorFact(Labels.DType, [shape[0]]), new TensorFact(DType.Float32, [shape[0], classes])];
    }
}
