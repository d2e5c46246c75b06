using Parallax.Graphs.Ops;
using Parallax.Kernels;
using Parallax.OpenCL.Calls;
using Parallax.Runtime;

namespace Parallax.OpenCL.Bindings;

internal static class ElementwiseBindings
{
    private const string Family = "elementwise";

    internal static readonly ClBinding[] All =
    [
        ClBinding.Of<Unary>((op, x) => Supports(op.Function, x.Type(0)) ? null : $"{op.Function} of {x.Type(0)} is not supported", PrepareUnary),
        ClBinding.Of<Binary>(WhyNotBinary, PrepareBinary),
        ClBinding.Of<Clip>(
            (_, x) => x.Type(0) is not (DType.Float32 or DType.Int32 or DType.Int64) ? $"{x.Type(0)} is not supported"
                : x.Has(1) && x.Type(1) != x.Type(0) || x.Has(2) && x.Type(2) != x.Type(0) ? "limits of another type are not supported" : null,
            PrepareClip),
    ];

    private static bool Supports(UnaryFunction function, DType type) => function switch
    {
        UnaryFunction.Not => type == DType.Bool,
        UnaryFunction.BitwiseNot => false,
        UnaryFunction.Abs or UnaryFunction.Neg => type is DType.Float32 or DType.Int32 or DType.Int64,
        _ => type == DType.Float32,
    };

    private static bool Supports(BinaryFunction function, DType type) => function switch
    {
        BinaryFunction.Div or BinaryFunction.Pow or BinaryFunction.Mod or BinaryFunction.FMod or BinaryFunction.PRelu => type == DType.Float32,
        BinaryFunction.And or BinaryFunction.Or or BinaryFunction.Xor => type == DType.Bool,
        BinaryFunction.BitwiseAnd or BinaryFunction.BitwiseOr or BinaryFunction.BitwiseXor or BinaryFunction.ShiftLeft or BinaryFunction.ShiftRight => false,
        BinaryFunction.Equal when type == DType.Bool => true,
        _ => type is DType.Float32 or DType.Int32 or DType.Int64,
    };

    /// <summary>The options that choose a function and its types.</summary>
    private static string Options<TFunction>(string kind, TFunction function, DType input, DType output) where TFunction : struct, Enum =>
        $"-D{kind}={kind}_{function.ToString().ToLowerInvariant()} -DIN={ClTypes.Number(input)} -DOUT={ClTypes.Number(output)}";

    private static ClCall PrepareUnary(Unary op, ClPrepareContext x)
    {
        long count = Shape.Count(x.Dims(0));
        return ClCall.Of(new ClLaunch(x.VectorKernel(Family, "unary", Options("UNARY", op.Function, x.Type(0), x.Outputs[0]!.Type)), x.OverChunks(count),
            [ClArg.Input(0), ClArg.Output(0), ClArg.Int(count), ClArg.Float(op.Alpha), ClArg.Float(op.Beta)]));
    }

    private static ClCall PrepareClip(Clip op, ClPrepareContext x)
    {
        long count = Shape.Count(x.Dims(0));
        bool hasLow = x.Has(1), hasHigh = x.Has(2);
        return ClCall.Of(new ClLaunch(x.VectorKernel(Family, "clip", $"-DCLIP -DIN={ClTypes.Number(x.Type(0))}"), x.OverChunks(count),
            [ClArg.Input(0), ClArg.Input(hasLow ? 1 : 0), ClArg.Input(hasHigh ? 2 : 0), ClArg.Output(0), ClArg.Int(count), ClArg.Int(hasLow ? 1 : 0), ClArg.Int(hasHigh ? 1 : 0)]));
    }

    private static string? WhyNotBinary(Binary op, OperandFacts x)
    {
        if (!Supports(op.Function, x.Type(0)) || x.Type(1) != x.Type(0)) return $"{op.Function} of {x.Type(0)} and {x.Type(1)} is not supported";
        return RowWalk.WhyNot(new Broadcast(x.OutputDims(0), x.Dims(0), x.Dims(1)).Dims.Length);
    }

    private static ClCall PrepareBinary(Binary op, ClPrepareContext x)
    {
        var loop = new Broadcast(x.OutputDims(0), x.Dims(0), x.Dims(1));
        return ClCall.Of(new ClLaunch(x.VectorKernel(Family, "binary", Options("BINARY", op.Function, x.Type(0), x.Outputs[0]!.Type)), RowWalk.Grid(x, loop.Dims),
            [ClArg.Input(0), ClArg.Input(1), ClArg.Output(0), .. RowWalk.Args(loop.Dims, loop.Strides(0), loop.Strides(1))]));
    }
}
