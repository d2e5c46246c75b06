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

    private static ImmutableArray<ValueId> DropoutByInputs(ImportNode n)
    {
        bool trains = n.HasInput(2) && (n.InputTensor(2).Constant is not { } mode || mode.Span<byte>()[0] != 0);
        if (!trains) return Undropped(n, DType.Bool);
        return n.AddMany("", new Dropout(n.Has("seed") ? (uint)n.Int("seed") : null), WantsMask(n) ? 2 : 1, [.. n.Inputs]);
    }

    /// <summary>
    /// Before opset 12 there is nothing to drop: from 7 on the operator is for inference alone, and before that its attribute <c>is_test</c>, which says
    /// training unless it is set, is left out of many a model that is meant for inference. Before opset 10 the mask has the data's type.
    /// </summary>
    private static ImmutableArray<ValueId> DropoutByAttributes(ImportNode n) => Undropped(n, n.Opset >= 10 ? DType.Bool : n.InputTensor(0).Type);

    /// <summary>The data itself, and a mask of ones, which goes where nobody uses it.</summary>
    private static ImmutableArray<ValueId> Undropped(ImportNode n, DType mask)
    {
        ValueId data = n.Add("", new Identity(), n.Required(0));
        if (!WantsMask(n)) return [data];
        Tensor one = mask switch
        {
            DType.Bool => Tensor.From([true], [1]),
            DType.Float64 => Tensor.From([1.0], [1]),
            DType.Float16 => Tensor.From([(Half)1], [1]),
            _ => Tensor.From([1f], [1]),
        };
        return [data, n.Add("mask", new ConstantOfShape(one), n.Add("shape", new ShapeOf(), n.Required(0)))];
    }

    private static bool WantsMask(ImportNode n) => n.OutputCount > 1 && n.OutputNames[1] is not null;
}
