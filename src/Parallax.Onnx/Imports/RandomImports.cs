using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Graphs.Ops;

namespace Parallax.Onnx.Imports;

internal static class RandomImports
{
    internal static readonly OpImport[] All =
    [
        new("RandomNormal", 1.., n => Numbers(n, normal: true, like: false)),
        new("RandomUniform", 1.., n => Numbers(n, normal: false, like: false)),
        new("RandomNormalLike", 1.., n => Numbers(n, normal: true, like: true)),
        new("RandomUniformLike", 1.., n => Numbers(n, normal: false, like: true)),
        new("Bernoulli", 15.., n => new Bernoulli(n.DType("dtype", DType.Undefined), FloatSeed(n))),
        new("Multinomial", 7.., n => new Multinomial(n.Int("sample_size", 1), n.DType("dtype", DType.Int32), FloatSeed(n))),
        new("Dropout", ..11, DropoutByAttributes),
        new("Dropout", 12.., DropoutByInputs),
    ];

    private static Op Numbers(ImportNode n, bool normal, bool like)
    {
        DType type = n.DType("dtype", like ? DType.Undefined : DType.Float32);
        ImmutableArray<long> dims = like ? default : [.. n.Ints("shape") ?? throw n.Invalid("attribute 'shape' is missing")];
        return normal
            ? new RandomNumbers(true, n.Float("mean", 0f), n.Float("scale", 1f), type, dims, FloatSeed(n))
            : new RandomNumbers(false, n.Float("low", 0f), n.Float("high", 1f), type, dims, FloatSeed(n));
    }

    /// <summary>The seed is a float in the format; its integer part counts, or its bits where there is a fraction.</summary>
    private static uint? FloatSeed(ImportNode n)
    {
        if (!n.Has("seed")) return null;
        float seed = n.Float("seed");
        return MathF.Floor(seed) == seed && Math.Abs(seed) < 1e9f ? (uint)(long)seed : BitConverter.SingleToUInt32Bits(seed);
    }

    /// <summary>Dropout that does nothing is no node; the mask is left for those who want it.</summary>
    private static ImmutableArray<ValueId> DropoutByInputs(ImportNode n)
    {
        bool trains = n.HasInput(2) && n.InputTensor(2).Constant is not { } constant || n.HasInput(2) && n.InputTensor(2).Constant!.Span<byte>()[0] != 0;
        if (!trains && !WantsMask(n)) return [n.Add("", new Identity(), n.Inputs[0])];
        return n.AddMany("", new Dropout(true, n.Has("seed") ? (uint)n.Int("seed") : null), WantsMask(n) ? 2 : 1, [.. n.Inputs]);
    }

    /// <summary>Before opset 7 an attribute asked for training; from 7 to 11 the operator is for inference alone.</summary>
    private static ImmutableArray<ValueId> DropoutByAttributes(ImportNode n)
    {
        bool trains = n.Opset < 7 && !n.Bool("is_test", false);
        if (!trains && !WantsMask(n)) return [n.Add("", new Identity(), n.Inputs[0])];
        ValueId ratio = n.Constant(Tensor.Scalar(n.Float("ratio", 0.5f))), mode = n.Constant(Tensor.Scalar(trains));
        return n.AddMany("", new Dropout(n.Opset >= 10, null), WantsMask(n) ? 2 : 1, n.Inputs[0], ratio, mode);
    }

    private static bool WantsMask(ImportNode n) => n.OutputCount > 1 && n.OutputNames[1] is not null;
}
