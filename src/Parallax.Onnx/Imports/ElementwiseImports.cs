using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Graphs.Ops;

namespace Parallax.Onnx.Imports;

internal static class ElementwiseImports
{
    internal static readonly OpImport[] All =
    [
        Function("Abs", UnaryFunction.Abs),
        Function("Neg", UnaryFunction.Neg),
        Function("Sign", UnaryFunction.Sign),
        Function("Exp", UnaryFunction.Exp),
        Function("Log", UnaryFunction.Log),
        Function("Sqrt", UnaryFunction.Sqrt),
        Function("Reciprocal", UnaryFunction.Reciprocal),
        Function("Floor", UnaryFunction.Floor),
        Function("Ceil", UnaryFunction.Ceil),
        Function("Round", UnaryFunction.Round),
        Function("Sin", UnaryFunction.Sin),
        Function("Cos", UnaryFunction.Cos),
        Function("Tan", UnaryFunction.Tan),
        Function("Asin", UnaryFunction.Asin),
        Function("Acos", UnaryFunction.Acos),
        Function("Atan", UnaryFunction.Atan),
        Function("Sinh", UnaryFunction.Sinh),
        Function("Cosh", UnaryFunction.Cosh),
        Function("Asinh", UnaryFunction.Asinh),
        Function("Acosh", UnaryFunction.Acosh),
        Function("Atanh", UnaryFunction.Atanh),
        Function("Erf", UnaryFunction.Erf),
        Function("Not", UnaryFunction.Not),
        Function("BitwiseNot", UnaryFunction.BitwiseNot),
        Function("IsNaN", UnaryFunction.IsNaN),
        new("IsInf", 10.., n => new Unary(UnaryFunction.IsInf, n.Int("detect_positive", 1), n.Int("detect_negative", 1))),

        Function("Relu", UnaryFunction.Relu),
        Function("Sigmoid", UnaryFunction.Sigmoid),
        Function("Tanh", UnaryFunction.Tanh),
        Function("Softplus", UnaryFunction.Softplus),
        Function("Softsign", UnaryFunction.Softsign),
        Function("HardSwish", UnaryFunction.HardSwish),
        Function("Mish", UnaryFunction.Mish),
        new("LeakyRelu", 1.., n => new Unary(UnaryFunction.LeakyRelu, n.Float("alpha", 0.01f))),
        new("Elu", 1.., n => new Unary(UnaryFunction.Elu, n.Float("alpha", 1f))),
        new("Selu", ..5, n => new Unary(UnaryFunction.Selu, n.Float("alpha", 1.6732f), n.Float("gamma", 1.0507f))),
        new("Selu", 6.., n => new Unary(UnaryFunction.Selu, n.Float("alpha", 1.67326319217681884765625f), n.Float("gamma", 1.05070102214813232421875f))),
        new("Celu", 12.., n => new Unary(UnaryFunction.Celu, n.Float("alpha", 1f))),
        new("HardSigmoid", 1.., n => new Unary(UnaryFunction.HardSigmoid, n.Float("alpha", 0.2f), n.Float("beta", 0.5f))),
        new("ThresholdedRelu", 1.., n => new Unary(UnaryFunction.ThresholdedRelu, n.Float("alpha", 1f))),
        new("Shrink", 9.., n => new Unary(UnaryFunction.Shrink, n.Float("lambd", 0.5f), n.Float("bias", 0f))),
        new("Swish", 24.., n => new Unary(UnaryFunction.Swish, n.Float("alpha", 1f))),
        new("QuickGelu", 1.., n => new Unary(UnaryFunction.Swish, n.Float("alpha", 1.702f)), "com.microsoft"),
        new("Gelu", 20.., Gelu),
        new("Gelu", 1.., n => new Unary(UnaryFunction.Gelu), "com.microsoft"),
        new("FastGelu", 1.., n => [n.Add("gelu", new Unary(UnaryFunction.GeluTanh), WithBias(n))], "com.microsoft"),
        new("BiasGelu", 1.., n => [n.Add("gelu", new Unary(UnaryFunction.Gelu), WithBias(n))], "com.microsoft"),
        new("Clip", 11.., n => new Clip()),
        new("Clip", ..10, ClipByAttributes),

        .. Arithmetic("Add", BinaryFunction.Add),
        .. Arithmetic("Sub", BinaryFunction.Sub),
        .. Arithmetic("Mul", BinaryFunction.Mul),
        .. Arithmetic("Div", BinaryFunction.Div),
        .. Arithmetic("Pow", BinaryFunction.Pow),
        .. Arithmetic("And", BinaryFunction.And),
        .. Arithmetic("Or", BinaryFunction.Or),
        .. Arithmetic("Xor", BinaryFunction.Xor),
        .. Arithmetic("Greater", BinaryFunction.Greater),
        .. Arithmetic("Less", BinaryFunction.Less),
        new("Equal", ..6, n => Explicit(n, BinaryFunction.Equal)),
        new("Equal", 7.., n => new Binary(BinaryFunction.Equal)),
        new("GreaterOrEqual", 12.., n => new Binary(BinaryFunction.GreaterOrEqual)),
        new("LessOrEqual", 12.., n => new Binary(BinaryFunction.LessOrEqual)),
        new("BitwiseAnd", 18.., n => new Binary(BinaryFunction.BitwiseAnd)),
        new("BitwiseOr", 18.., n => new Binary(BinaryFunction.BitwiseOr)),
        new("BitwiseXor", 18.., n => new Binary(BinaryFunction.BitwiseXor)),
        new("BitShift", 11.., n => new Binary(n.String("direction") switch
        {
            "LEFT" => BinaryFunction.ShiftLeft,
            "RIGHT" => BinaryFunction.ShiftRight,
            var other => throw n.Invalid($"direction must be LEFT or RIGHT, got '{other}'"),
        })),
        new("Mod", 10.., n => new Binary(n.Bool("fmod", false) ? BinaryFunction.FMod : BinaryFunction.Mod)),
        new("PRelu", ..6, PReluByChannel),
        new("PRelu", 7.., n => new Binary(BinaryFunction.PRelu)),

        new("Sum", 1.., n => [Chain(n, BinaryFunction.Add)]),
        new("Min", 1.., n => [Chain(n, BinaryFunction.Min)]),
        new("Max", 1.., n => [Chain(n, BinaryFunction.Max)]),
        new("Mean", 1.., n => [n.InputCount == 1 ? n.Required(0) : n.Add("mean", new Binary(BinaryFunction.Div), Chain(n, BinaryFunction.Add), Scalar(n, n.InputCount))]),

        new("Where", 9.., n => new Where()),
        new("Cast", ..5, n => Cast(n, OldType(n.String("to")))),
        new("Cast", 6.., n => Cast(n, n.DType("to", DType.Undefined))),
        new("CastLike", 15.., CastLike),
        new("BitCast", 26.., n => new BitCast(n.DType("to", DType.Undefined))),
    ];

    private static OpImport Function(string name, UnaryFunction function) => new(name, 1.., n => new Unary(function));

    private static OpImport[] Arithmetic(string name, BinaryFunction function) =>
        [new(name, ..6, n => Explicit(n, function)), new(name, 7.., n => new Binary(function))];

    /// <summary>Before opset 7, broadcasting was asked for, and aligned the second operand at an axis of the first.</summary>
    private static ImmutableArray<ValueId> Explicit(ImportNode n, BinaryFunction function)
    {
        ValueId second = n.Required(1);
        if (n.Bool("broadcast", false) && n.Has("axis")) second = AlignAt(n, n.Int("axis"));
        return [n.Add("", new Binary(function), n.Required(0), second)];
    }

    /// <summary>The second operand with dims of 1 behind it, so that its first dim meets dim <paramref name="axis"/> of the first operand.</summary>
    private static ValueId AlignAt(ImportNode n, long axis)
    {
        if (n.InputTensor(0).Rank is not { } rank || n.InputTensor(1).Rank is not { } own) throw n.Unsupported("broadcasting along an axis of operands of unknown rank");
        if (axis < 0) axis += rank;
        long behind = rank - axis - own;
        if (behind < 0) throw n.Invalid($"axis {axis} does not align {n.InputTensor(1)} with {n.InputTensor(0)}");
        if (behind == 0) return n.Required(1);
        long[] axes = [.. Enumerable.Range(0, (int)behind).Select(i => own + (long)i)];
        return n.Add("align", new Unsqueeze(), n.Required(1), n.Constant(Tensor.From(axes, [axes.Length])));
    }

    /// <summary>Before opset 7, a slope of one dim belonged to the channels.</summary>
    private static ImmutableArray<ValueId> PReluByChannel(ImportNode n)
    {
        bool perChannel = n.InputTensor(1) is { Rank: 1 } slope && slope.Shape!.Value[0] != 1 && n.InputTensor(0).Rank > 2;
        return [n.Add("", new Binary(BinaryFunction.PRelu), n.Required(0), perChannel ? AlignAt(n, 1) : n.Required(1))];
    }

    private static ValueId Chain(ImportNode n, BinaryFunction function)
    {
        if (n.InputCount == 0) throw n.Invalid("expected an input or more");
        ValueId result = n.Required(0);
        for (int i = 1; i < n.InputCount; i++) result = n.Add("", new Binary(function), result, n.Required(i));
        return result;
    }

    private static ValueId WithBias(ImportNode n) => n.HasInput(1) ? n.Add("bias", new Binary(BinaryFunction.Add), n.Required(0), n.Required(1)) : n.Required(0);

    /// <summary>A scalar of input 0's type.</summary>
    private static ValueId Scalar(ImportNode n, double value) => n.Constant(n.InputTensor(0).Type switch
    {
        DType.Float64 => Tensor.Scalar(value),
        DType.Float16 => Tensor.Scalar((Half)value),
        DType.BFloat16 => Tensor.Scalar(BFloat16.Round((float)value)),
        _ => Tensor.Scalar((float)value),
    });

    private static Op Gelu(ImportNode n) => n.String("approximate", "none") switch
    {
        "none" => new Unary(UnaryFunction.Gelu),
        "tanh" => new Unary(UnaryFunction.GeluTanh),
        var other => throw n.Invalid($"approximate must be 'none' or 'tanh', got '{other}'"),
    };

    private static Op ClipByAttributes(ImportNode n)
    {
        if (n.Has("min")) n.SetInput(1, Scalar(n, n.Float("min")));
        if (n.Has("max")) n.SetInput(2, Scalar(n, n.Float("max")));
        return new Clip();
    }

    private static Op Cast(ImportNode n, DType to)
    {
        if (to == DType.Undefined || !Enum.IsDefined(to)) throw n.Invalid("attribute 'to' names no element type");
        return new Cast(to, n.Bool("saturate", true), n.String("round_mode", "up") switch
        {
            "up" => MidpointRounding.ToPositiveInfinity,
            "down" => MidpointRounding.ToNegativeInfinity,
            "nearest" => MidpointRounding.ToEven,
            var other => throw n.Invalid($"round_mode must be up, down or nearest, got '{other}'"),
        });
    }

    private static Op CastLike(ImportNode n)
    {
        DType to = n.InputTensor(1).Type;
        if (to == DType.Undefined) throw n.Unsupported("casting to the type of a value whose type is unknown");
        n.RemoveInputsFrom(1);
        return Cast(n, to);
    }

    /// <summary>Before opset 6 the type was named as in the enumeration of the file format; undefined where the name is none.</summary>
    private static DType OldType(string name) => name.ToUpperInvariant() switch
    {
        "FLOAT" => DType.Float32,
        "DOUBLE" => DType.Float64,
        var other => Enum.TryParse(other, ignoreCase: true, out DType type) ? type : DType.Undefined,
    };
}
