using System.Collections.Immutable;
using Parallax.Graphs.Ops;

namespace Parallax.Onnx.Imports;

internal static class RecurrentImports
{
    internal static readonly OpImport[] All =
    [
        new("RNN", 1.., n => Import(n, RecurrentKind.Rnn, "Tanh")),
        new("LSTM", 1.., n => Import(n, RecurrentKind.Lstm, "Sigmoid", "Tanh", "Tanh")),
        new("GRU", 1.., n => Import(n, RecurrentKind.Gru, "Sigmoid", "Tanh")),
    ];

    private static Recurrent Import(ImportNode n, RecurrentKind kind, params string[] defaults)
    {
        RecurrentDirection direction = n.String("direction", "forward").ToLowerInvariant() switch
        {
            "forward" => RecurrentDirection.Forward,
            "reverse" => RecurrentDirection.Reverse,
            "bidirectional" => RecurrentDirection.Bidirectional,
            var other => throw n.Invalid($"direction must be forward, reverse or bidirectional, got '{other}'"),
        };
        int directions = direction == RecurrentDirection.Bidirectional ? 2 : 1;
        string[] names = n.Strings("activations") ?? [.. Enumerable.Repeat(defaults, directions).SelectMany(d => d)];
        if (names.Length != defaults.Length * directions) throw n.Invalid($"activations must have {defaults.Length * directions} entries, got {names.Length}");
        return new Recurrent(kind, HiddenSize(n), direction, Functions(n, names), n.Float("clip", 0f), n.Bool("layout", false),
            n.Bool("linear_before_reset", false), n.Bool("input_forget", false));
    }

    // The attribute may be absent; R then tells.
    private static long HiddenSize(ImportNode n)
    {
        if (n.Has("hidden_size")) return n.Int("hidden_size");
        return n.InputTensor(2).Shape is { Rank: 3 } r && r[2].TryGetValue(out long size) ? size : throw n.Unsupported("neither hidden_size nor the shape of R");
    }

    // Each function that has parameters takes the next of the lists, or its own default.
    private static ImmutableArray<CellActivation> Functions(ImportNode n, string[] names)
    {
        float[] alphas = n.Floats("activation_alpha") ?? [], betas = n.Floats("activation_beta") ?? [];
        int alpha = 0, beta = 0;
        var functions = ImmutableArray.CreateBuilder<CellActivation>(names.Length);
        foreach (string name in names)
            functions.Add(name.ToLowerInvariant() switch
            {
                "relu" => new CellActivation(CellFunction.Relu),
                "tanh" => new CellActivation(CellFunction.Tanh),
                "sigmoid" => new CellActivation(CellFunction.Sigmoid),
                "softsign" => new CellActivation(CellFunction.Softsign),
                "softplus" => new CellActivation(CellFunction.Softplus),
                "leakyrelu" => new CellActivation(CellFunction.LeakyRelu, Alpha(0.01f)),
                "thresholdedrelu" => new CellActivation(CellFunction.ThresholdedRelu, Alpha(1f)),
                "elu" => new CellActivation(CellFunction.Elu, Alpha(1f)),
                "affine" => new CellActivation(CellFunction.Affine, Alpha(1f), Beta(0f)),
                "scaledtanh" => new CellActivation(CellFunction.ScaledTanh, Alpha(1f), Beta(1f)),
                "hardsigmoid" => new CellActivation(CellFunction.HardSigmoid, Alpha(0.2f), Beta(0.5f)),
                var other => throw n.Invalid($"activation '{other}' is not one of ONNX's"),
            });
        return functions.MoveToImmutable();

        float Alpha(float fallback) => alpha < alphas.Length ? alphas[alpha++] : fallback;
        float Beta(float fallback) => beta < betas.Length ? betas[beta++] : fallback;
    }
}
