using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Graphs.Ops;

namespace Parallax.Onnx.Imports;

/// <summary>Support vector machines.</summary>
internal static class SvmImports
{
    internal static ImmutableArray<ValueId> Regressor(ImportNode n)
    {
        int vectors = checked((int)n.Int("n_supports", 0));
        SvmModel model = Model(n, vectors);
        if (vectors > 0 && model.Coefficients.Length != vectors) throw n.Invalid($"has {model.Coefficients.Length} coefficients for {vectors} support vectors");
        ValueId result = n.Add("svm", new SvmRegressor(model, vectors, n.Bool("one_class", false)), MachineLearningImports.Rows(n));
        return [MachineLearningImports.Finish(n, result, MachineLearningImports.Transform(n))];
    }

    internal static ImmutableArray<ValueId> Classifier(ImportNode n)
    {
        Tensor labels = MachineLearningImports.Labels(n, "classlabels_ints", "classlabels_strings");
        ImmutableArray<int> perClass = [.. (n.Ints("vectors_per_class") ?? []).Select(v => checked((int)v))];
        int vectors = perClass.Sum(), classes = (int)labels.ElementCount, pairs = classes * (classes - 1) / 2;
        if (vectors == 0) perClass = [];
        if (classes < 2) throw n.Unsupported("a support vector machine of one class label");
        ImmutableArray<float> probA = [.. n.Floats("prob_a") ?? []], probB = [.. n.Floats("prob_b") ?? []];
        if (vectors == 0) (probA, probB) = ([], []);
        SvmModel model = Model(n, vectors);
        bool fits = vectors == 0
            ? model.Coefficients.Length % classes == 0
            : perClass.Length == classes && perClass.All(v => v >= 0) && model.Coefficients.Length == (classes - 1) * vectors && model.Rho.Length >= pairs;
        if (!fits || probA.Length != probB.Length || (!probA.IsEmpty && probA.Length < pairs)) throw n.Invalid($"its tables do not fit {classes} classes and {vectors} support vectors");
        return n.AddMany("svm", new SvmClassifier(model, labels, perClass, probA, probB, MachineLearningImports.Transform(n)), 2, MachineLearningImports.Rows(n));
    }

    private static SvmModel Model(ImportNode n, int vectors)
    {
        float[] parameters = n.Floats("kernel_params") ?? [], support = n.Floats("support_vectors") ?? [], rho = n.Floats("rho") ?? [];
        if (parameters.Length is not (0 or >= 3)) throw n.Invalid($"kernel_params must have 3 elements, got {parameters.Length}");
        if (rho.Length == 0) throw n.Invalid("attribute 'rho' is missing");
        if (vectors > 0 && (support.Length == 0 || support.Length % vectors != 0)) throw n.Invalid($"support_vectors has {support.Length} elements for {vectors} vectors");
        SvmKernelKind kind = vectors == 0 ? SvmKernelKind.Linear : n.String("kernel_type", "LINEAR") switch
        {
            "LINEAR" => SvmKernelKind.Linear,
            "POLY" => SvmKernelKind.Polynomial,
            "RBF" => SvmKernelKind.Radial,
            "SIGMOID" => SvmKernelKind.Sigmoid,
            var other => throw n.Invalid($"kernel_type '{other}' is not known"),
        };
        (float gamma, float coef0, float degree) = parameters.Length >= 3 ? (parameters[0], parameters[1], parameters[2]) : (0f, 0f, 0f);
        return new SvmModel(kind, gamma, coef0, degree, [.. support], [.. n.Floats("coefficients") ?? throw n.Invalid("attribute 'coefficients' is missing")], [.. rho]);
    }
}
