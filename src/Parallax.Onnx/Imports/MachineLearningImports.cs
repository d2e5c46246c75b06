using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Graphs.Ops;

namespace Parallax.Onnx.Imports;

/// <summary>The domain ai.onnx.ml. What is arithmetic becomes the operators of the main domain.</summary>
internal static class MachineLearningImports
{
    private const string Domain = "ai.onnx.ml";

    internal static readonly OpImport[] All =
    [
        new("ArrayFeatureExtractor", 1.., ArrayFeatureExtractor, Domain),
        new("Binarizer", 1.., Binarizer, Domain),
        new("CategoryMapper", 1.., CreateCategoryMapper, Domain),
        new("FeatureVectorizer", 1.., FeatureVectorizer, Domain),
        new("Imputer", 1.., Imputer, Domain),
        new("LabelEncoder", 1..1, CreateLabelEncoder1, Domain),
        new("LabelEncoder", 2.., CreateLabelEncoder, Domain),
        new("LinearClassifier", 1.., LinearClassifier, Domain),
        new("LinearRegressor", 1.., LinearRegressor, Domain),
        new("Normalizer", 1.., Normalizer, Domain),
        new("OneHotEncoder", 1.., n => new OneHotEncoder(Labels(n, "cats_int64s", "cats_strings"), n.Bool("zeros", true)), Domain),
        new("Scaler", 1.., Scaler, Domain),
        new("SVMClassifier", 1.., SvmImports.Classifier, Domain),
        new("SVMRegressor", 1.., SvmImports.Regressor, Domain),
        new("TreeEnsemble", 5.., TreeImports.TreeEnsemble, Domain),
        new("TreeEnsembleClassifier", 1.., TreeImports.Classifier, Domain),
        new("TreeEnsembleRegressor", 1.., TreeImports.Regressor, Domain),
    ];

    internal static ScoreTransform Transform(ImportNode n) => n.String("post_transform", "NONE") switch
    {
        "NONE" => ScoreTransform.None,
        "SOFTMAX" => ScoreTransform.Softmax,
        "LOGISTIC" => ScoreTransform.Logistic,
        "SOFTMAX_ZERO" => ScoreTransform.SoftmaxZero,
        "PROBIT" => ScoreTransform.Probit,
        var other => throw n.Invalid($"post_transform '{other}' is not known"),
    };

    /// <summary>Scores after their transform.</summary>
    internal static ValueId Finish(ImportNode n, ValueId scores, ScoreTransform transform) =>
        transform == ScoreTransform.None ? scores : n.Add("transform", new TransformScores(transform), scores);

    /// <summary>The one of two attributes that is there, as a list tensor.</summary>
    internal static Tensor Labels(ImportNode n, string ints, string strings) =>
        n.Ints(ints) is { Length: > 0 } numbers ? Tensor.From(numbers, [numbers.Length])
        : n.Strings(strings) is { Length: > 0 } words ? Tensor.FromStrings(words, [words.Length])
        : throw n.Invalid($"needs attribute '{ints}' or '{strings}'");

    /// <summary>Input 0 as float32 rows [N x C]; a list is one row.</summary>
    internal static ValueId Rows(ImportNode n)
    {
        ValueId rows = AsFloat(n, n.Inputs[0]);
        return n.InputTensor(0).Rank == 1 ? n.Add("row", new Unsqueeze(), rows, n.Constant(Tensor.From([0L], [1]))) : rows;
    }

    private static ValueId AsFloat(ImportNode n, ValueId value) => n.Add("float", new Cast(DType.Float32), value);

    private static ValueId Floats(ImportNode n, float[] values) => n.Constant(Tensor.From(values, [values.Length]));

    private static ImmutableArray<ValueId> ArrayFeatureExtractor(ImportNode n)
    {
        ValueId indices = n.Add("indices", new Reshape(), n.Inputs[1], n.Constant(Tensor.From([-1L], [1])));
        ValueId picked = n.Add("", new Gather(-1), n.Inputs[0], indices);
        return [n.InputTensor(0).Rank == 1 ? n.Add("row", new Unsqueeze(), picked, n.Constant(Tensor.From([0L], [1]))) : picked];
    }

    private static ImmutableArray<ValueId> Binarizer(ImportNode n)
    {
        DType type = n.InputTensor(0).Type;
        if (type == DType.Undefined) throw n.Unsupported("an input whose type is unknown");
        // Integers are compared as floats: a threshold need not be whole.
        ValueId value = type.IsFloat() ? n.Inputs[0] : AsFloat(n, n.Inputs[0]);
        ValueId threshold = n.Add("threshold", new Cast(type.IsFloat() ? type : DType.Float32), n.Constant(Tensor.Scalar(n.Float("threshold", 0f))));
        return [n.Add("", new Cast(type), n.Add("greater", new Binary(BinaryFunction.Greater), value, threshold))];
    }

    private static Op CreateCategoryMapper(ImportNode n)
    {
        Tensor ints = Tensor.From(n.Ints("cats_int64s") ?? [], [n.Ints("cats_int64s")?.Length ?? 0]);
        Tensor strings = Tensor.FromStrings(n.Strings("cats_strings") ?? [], [n.Strings("cats_strings")?.Length ?? 0]);
        if (ints.ElementCount != strings.ElementCount) throw n.Invalid($"has {ints.ElementCount} numbers for {strings.ElementCount} strings");
        return n.InputTensor(0).Type == DType.String
            ? new LabelEncoder(strings, ints, Tensor.From([n.Int("default_int64", -1)], [1]))
            : new LabelEncoder(ints, strings, Tensor.FromStrings([n.String("default_string", "_Unused")], [1]));
    }

    private static ImmutableArray<ValueId> FeatureVectorizer(ImportNode n)
    {
        var parts = new List<ValueId>();
        for (int i = 0; i < n.InputCount; i++)
        {
            ValueId part = AsFloat(n, n.Inputs[i]);
            parts.Add(n.InputTensor(i).Rank == 1 ? n.Add("row", new Unsqueeze(), part, n.Constant(Tensor.From([0L], [1]))) : part);
        }
        return [n.Add("", new Concat(1), [.. parts])];
    }

    private static ImmutableArray<ValueId> Imputer(ImportNode n)
    {
        DType type = n.InputTensor(0).Type;
        ValueId input = n.Inputs[0], missing, replacement;
        if (type.IsFloat())
        {
            float replaced = n.Float("replaced_value_float", 0f);
            missing = float.IsNaN(replaced)
                ? n.Add("missing", new Unary(UnaryFunction.IsNaN), input)
                : n.Add("missing", new Binary(BinaryFunction.Equal), input, n.Add("replaced", new Cast(type), n.Constant(Tensor.Scalar(replaced))));
            replacement = Floats(n, n.Floats("imputed_value_floats") ?? throw n.Invalid("attribute 'imputed_value_floats' is missing"));
        }
        else
        {
            missing = n.Add("missing", new Binary(BinaryFunction.Equal), input, n.Add("replaced", new Cast(type), n.Constant(Tensor.Scalar(n.Int("replaced_value_int64", 0)))));
            long[] values = n.Ints("imputed_value_int64s") ?? throw n.Invalid("attribute 'imputed_value_int64s' is missing");
            replacement = n.Constant(Tensor.From(values, [values.Length]));
        }
        return [n.Add("", new Where(), missing, n.Add("imputed", new Cast(type), replacement), input)];
    }

    private static Op CreateLabelEncoder1(ImportNode n)
    {
        string[] classes = n.Strings("classes_strings") ?? throw n.Invalid("attribute 'classes_strings' is missing");
        Tensor strings = Tensor.FromStrings(classes, [classes.Length]), ints = Tensor.From(Enumerable.Range(0, classes.Length).Select(i => (long)i).ToArray(), [classes.Length]);
        return n.InputTensor(0).Type == DType.String
            ? new LabelEncoder(strings, ints, Tensor.From([n.Int("default_int64", -1)], [1]))
            : new LabelEncoder(ints, strings, Tensor.FromStrings([n.String("default_string", "_Unused")], [1]));
    }

    private static Op CreateLabelEncoder(ImportNode n)
    {
        Tensor keys = Table(n, "keys"), values = Table(n, "values");
        if (keys.ElementCount != values.ElementCount) throw n.Invalid($"has {keys.ElementCount} keys for {values.ElementCount} values");
        Tensor fallback = n.Tensor("default_tensor") is { } given && given.DType == values.DType ? given : values.DType switch
        {
            DType.String => Tensor.FromStrings([n.String("default_string", "_Unused")], [1]),
            DType.Float32 => Tensor.From([n.Float("default_float", -0f)], [1]),
            DType.Float64 => Tensor.From([(double)n.Float("default_float", -0f)], [1]),
            DType.Int64 => Tensor.From([n.Int("default_int64", -1)], [1]),
            DType.Int32 => Tensor.From([(int)n.Int("default_int64", -1)], [1]),
            DType.Int16 => Tensor.From([(short)n.Int("default_int64", -1)], [1]),
            _ => throw n.Unsupported($"values of {values.DType}"),
        };
        return fallback.ElementCount == 1 ? new LabelEncoder(keys, values, fallback) : throw n.Invalid($"default_tensor must have one element, got {fallback}");
    }

    private static Tensor Table(ImportNode n, string what) =>
        n.Tensor($"{what}_tensor") ?? (n.Strings($"{what}_strings") is { Length: > 0 } strings ? Tensor.FromStrings(strings, [strings.Length])
            : n.Ints($"{what}_int64s") is { Length: > 0 } ints ? Tensor.From(ints, [ints.Length])
            : n.Floats($"{what}_floats") is { Length: > 0 } floats ? Tensor.From(floats, [floats.Length])
            : throw n.Invalid($"needs one of the attributes '{what}_*'"));

    private static ImmutableArray<ValueId> LinearClassifier(ImportNode n)
    {
        Tensor labels = Labels(n, "classlabels_ints", "classlabels_strings");
        ValueId scores = Linear(n, n.Floats("intercepts")?.Length ?? (int)labels.ElementCount);
        return n.AddMany("classify", new Classify(labels, Transform(n), IsProbability: false), 2, scores);
    }

    private static ImmutableArray<ValueId> LinearRegressor(ImportNode n) => [Finish(n, Linear(n, checked((int)n.Int("targets", 1))), Transform(n))];

    /// <summary>Rows times coefficients [targets x C], plus intercepts.</summary>
    private static ValueId Linear(ImportNode n, int targets)
    {
        float[] coefficients = n.Floats("coefficients") ?? throw n.Invalid("attribute 'coefficients' is missing");
        if (targets < 1 || coefficients.Length % targets != 0) throw n.Invalid($"{coefficients.Length} coefficients do not fit {targets} targets");
        ValueId weights = n.Constant(Tensor.From(coefficients, [targets, coefficients.Length / targets]));
        ValueId product = n.Add("product", new MatMul(TransposeB: true), Rows(n), weights);
        if (n.Floats("intercepts") is not { Length: > 0 } intercepts) return product;
        if (intercepts.Length != targets) throw n.Invalid($"has {intercepts.Length} intercepts for {targets} targets");
        return n.Add("intercept", new Binary(BinaryFunction.Add), product, Floats(n, intercepts));
    }

    private static ImmutableArray<ValueId> Normalizer(ImportNode n)
    {
        ReduceKind kind = n.String("norm", "MAX") switch
        {
            "MAX" => ReduceKind.Max,
            "L1" => ReduceKind.L1,
            "L2" => ReduceKind.L2,
            var other => throw n.Invalid($"norm must be MAX, L1 or L2, got '{other}'"),
        };
        ValueId value = AsFloat(n, n.Inputs[0]);
        ValueId norm = n.Add("norm", new Reduce(kind), value, n.Constant(Tensor.From([-1L], [1])));
        ValueId isZero = n.Add("zero", new Binary(BinaryFunction.Equal), norm, n.Constant(Tensor.Scalar(0f)));
        return [n.Add("", new Binary(BinaryFunction.Div), value, n.Add("divisor", new Where(), isZero, n.Constant(Tensor.Scalar(1f)), norm))];
    }

    private static ImmutableArray<ValueId> Scaler(ImportNode n)
    {
        ValueId value = AsFloat(n, n.Inputs[0]);
        if (n.Floats("offset") is { Length: > 0 } offset) value = n.Add("offset", new Binary(BinaryFunction.Sub), value, Floats(n, offset));
        if (n.Floats("scale") is { Length: > 0 } scale) value = n.Add("scale", new Binary(BinaryFunction.Mul), value, Floats(n, scale));
        return [value];
    }
}
