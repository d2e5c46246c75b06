using System.Collections.Immutable;
using Parallax.Graphs.Ops;

namespace Parallax.Graphs.Passes;

/// <summary>
/// <c>BatchNorm(Conv(x, w, b)) = Conv(x, w s, (b - mean) s + shift)</c> with <c>s = scale / sqrt(variance + epsilon)</c> per output channel,
/// for constant weights and statistics.
/// </summary>
public sealed class FoldBatchNormalization : IPass
{
    public string Name => "fold-batchnorm";

    public Patch? TryRewrite(Graph graph, Node node)
    {
        if (node.Op is not BatchNormalization { Training: false } norm || !Match.AreNone(node.Outputs, from: 1)) return null;
        if (graph.Producer<Conv>(node.Inputs[0]) is not { } conv || !graph.HasSingleUse(node.Inputs[0])) return null;
        var op = (Conv)conv.Op;
        if (op.Activation.Kind != ActivationKind.None || conv.Inputs.Length > IFusible.ResidualInput) return null;
        if (graph.Constant(conv.Inputs[1]) is not { DType: DType.Float32 } weights) return null;
        bool biased = conv.Inputs.Length > 2 && !conv.Inputs[2].IsNone;
        if (biased && graph.Constant(conv.Inputs[2]) is null) return null;
        if (Statistics(graph, node, weights.Dims[0]) is not { } statistics) return null;
        (Tensor newWeights, Tensor newBias) = Fold(weights, biased ? graph.Constant(conv.Inputs[2]) : null, statistics, norm.Epsilon);
        var patch = new Patch(graph);
        return patch.Replace(node.Outputs[0], patch.Add(conv.Name, op, conv.Inputs[0],
            patch.Constant($"{conv.Name}/weights", newWeights), patch.Constant($"{conv.Name}/bias", newBias)));
    }

    /// <summary>Scale, shift, mean and variance, where all are float32 constants of one number per channel.</summary>
    private static Tensor[]? Statistics(Graph graph, Node node, long channels)
    {
        var result = new Tensor[4];
        for (int i = 0; i < 4; i++)
        {
            if (graph.Constant(node.Inputs[i + 1]) is not { DType: DType.Float32 } constant || constant.ElementCount != channels) return null;
            result[i] = constant;
        }
        return result;
    }

    private static (Tensor Weights, Tensor Bias) Fold(Tensor weights, Tensor? bias, Tensor[] statistics, float epsilon)
    {
        Tensor newWeights = weights.Clone(), newBias = Tensor.Zeros(DType.Float32, [weights.Dims[0]]);
        Span<float> w = newWeights.Span<float>(), b = newBias.Span<float>();
        bias?.Span<float>().CopyTo(b);
        Span<float> scale = statistics[0].Span<float>(), shift = statistics[1].Span<float>(), mean = statistics[2].Span<float>(), variance = statistics[3].Span<float>();
        int taps = w.Length / Math.Max(1, b.Length);
        for (int channel = 0; channel < b.Length; channel++)
        {
            double factor = scale[channel] / Math.Sqrt((double)variance[channel] + epsilon);
            foreach (ref float tap in w.Slice(channel * taps, taps)) tap = (float)(tap * factor);
            b[channel] = (float)((b[channel] - (double)mean[channel]) * factor + shift[channel]);
        }
        return (newWeights, newBias);
    }
}
