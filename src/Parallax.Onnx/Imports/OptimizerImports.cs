using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Graphs.Ops;

namespace Parallax.Onnx.Imports;

/// <summary>
/// The optimizers of <c>ai.onnx.preview.training</c>, expanded into arithmetic. Inputs: learning rate R, update count T, then the tensors X, their gradients G,
/// and the states, each group in the order of the tensors. Outputs: new tensors, then new states.
/// </summary>
internal static class OptimizerImports
{
    private const string Domain = "ai.onnx.preview.training";

    internal static readonly OpImport[] All =
    [
        new("Adagrad", 1.., Adagrad, Domain),
        new("Adam", 1.., Adam, Domain),
        new("Momentum", 1.., Momentum, Domain),
    ];

    /// <summary>G' = norm X + G; H' = H + G'^2; X' = X - R / (1 + T decay) G' / (sqrt(H') + epsilon)</summary>
    private static ImmutableArray<ValueId> Adagrad(ImportNode n)
    {
        var x = new Arithmetic(n);
        int count = Groups(n, 3);
        ValueId time = n.Add("", new Cast(DType.Float32), n.Required(1));
        ValueId rate = x.Div(n.Required(0), x.Add(x.Number(1f), x.Mul(time, x.Number(n.Float("decay_factor", 0f)))));
        var tensors = new List<ValueId>();
        var states = new List<ValueId>();
        for (int i = 0; i < count; i++)
        {
            ValueId value = n.Required(2 + i), gradient = x.Regularized(value, n.Required(2 + count + i), n.Float("norm_coefficient", 0f));
            ValueId squares = x.Add(n.Required(2 + 2 * count + i), x.Mul(gradient, gradient));
            ValueId adaptive = x.Add(x.Sqrt(squares), x.Number(n.Float("epsilon", 1e-6f)));
            tensors.Add(x.Sub(value, x.Div(x.Mul(rate, gradient), adaptive)));
            states.Add(squares);
        }
        return [.. tensors, .. states];
    }

    /// <summary>
    /// G' = norm X + G; V' = alpha V + (1 - alpha) G'; H' = beta H + (1 - beta) G'^2; X' = X - R' V' / (sqrt(H') + epsilon), then less norm_post X';
    /// R' = R sqrt(1 - beta^T) / (1 - alpha^T), or R where T is 0.
    /// </summary>
    private static ImmutableArray<ValueId> Adam(ImportNode n)
    {
        var x = new Arithmetic(n);
        int count = Groups(n, 4);
        float alpha = n.Float("alpha", 0.9f), beta = n.Float("beta", 0.999f);
        ValueId one = x.Number(1f), time = n.Add("", new Cast(DType.Float32), n.Required(1));
        ValueId corrected = x.Div(x.Mul(n.Required(0), x.Sqrt(x.Sub(one, x.Pow(x.Number(beta), time)))), x.Sub(one, x.Pow(x.Number(alpha), time)));
        ValueId started = n.Add("", new Binary(BinaryFunction.Greater), time, x.Number(0f)), rate = n.Add("", new Where(), started, corrected, n.Required(0));
        List<ValueId> tensors = [], averages = [], squareAverages = [];
        for (int i = 0; i < count; i++)
        {
            ValueId value = n.Required(2 + i), gradient = x.Regularized(value, n.Required(2 + count + i), n.Float("norm_coefficient", 0f));
            ValueId average = x.Mix(alpha, n.Required(2 + 2 * count + i), gradient);
            ValueId squares = x.Mix(beta, n.Required(2 + 3 * count + i), x.Mul(gradient, gradient));
            ValueId step = x.Div(x.Mul(rate, average), x.Add(x.Sqrt(squares), x.Number(n.Float("epsilon", 1e-6f))));
            ValueId updated = x.Sub(value, step);
            float post = n.Float("norm_coefficient_post", 0f);
            tensors.Add(post == 0f ? updated : x.Mul(updated, x.Number(1f - post)));
            averages.Add(average);
            squareAverages.Add(squares);
        }
        return [.. tensors, .. averages, .. squareAverages];
    }

    /// <summary>
    /// G' = norm X + G; V' = alpha V + beta' G', with beta' 1 in the first update (T = 0) and beta later; X' = X - R V', or X - R (G' + alpha V') in Nesterov's mode.
    /// </summary>
    private static ImmutableArray<ValueId> Momentum(ImportNode n)
    {
        var x = new Arithmetic(n);
        int count = Groups(n, 3);
        float alpha = n.Float("alpha");
        bool nesterov = n.String("mode") == "nesterov";
        ValueId time = n.Add("", new Cast(DType.Float32), n.Required(1));
        ValueId started = n.Add("", new Binary(BinaryFunction.Greater), time, x.Number(0f));
        ValueId beta = n.Add("", new Where(), started, x.Number(n.Float("beta")), x.Number(1f));
        List<ValueId> tensors = [], momenta = [];
        for (int i = 0; i < count; i++)
        {
            ValueId value = n.Required(2 + i), gradient = x.Regularized(value, n.Required(2 + count + i), n.Float("norm_coefficient", 0f));
            ValueId momentum = x.Add(x.Mul(x.Number(alpha), n.Required(2 + 2 * count + i)), x.Mul(beta, gradient));
            ValueId direction = nesterov ? x.Add(gradient, x.Mul(x.Number(alpha), momentum)) : momentum;
            tensors.Add(x.Sub(value, x.Mul(n.Required(0), direction)));
            momenta.Add(momentum);
        }
        return [.. tensors, .. momenta];
    }

    private static int Groups(ImportNode n, int groups) => (n.InputCount - 2) % groups == 0
        ? (n.InputCount - 2) / groups
        : throw n.Invalid($"expected R, T and {groups} groups of tensors of equal count, got {n.InputCount} inputs");

    private readonly struct Arithmetic(ImportNode node)
    {
        internal ValueId Number(float value) => node.Constant(Tensor.Scalar(value));

        internal ValueId Add(ValueId a, ValueId b) => node.Add("", new Binary(BinaryFunction.Add), a, b);

        internal ValueId Sub(ValueId a, ValueId b) => node.Add("", new Binary(BinaryFunction.Sub), a, b);

        internal ValueId Mul(ValueId a, ValueId b) => node.Add("", new Binary(BinaryFunction.Mul), a, b);

        internal ValueId Div(ValueId a, ValueId b) => node.Add("", new Binary(BinaryFunction.Div), a, b);

        internal ValueId Pow(ValueId a, ValueId b) => node.Add("", new Binary(BinaryFunction.Pow), a, b);

        internal ValueId Sqrt(ValueId a) => node.Add("", new Unary(UnaryFunction.Sqrt), a);

        internal ValueId Regularized(ValueId value, ValueId gradient, float norm) => norm == 0f ? gradient : Add(Mul(Number(norm), value), gradient);

        /// <summary>share a + (1 - share) b</summary>
        internal ValueId Mix(float share, ValueId a, ValueId b) => Add(Mul(Number(share), a), Mul(Number(1f - share), b));
    }
}
