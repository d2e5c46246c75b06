using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace Parallax.Kernels;

/// <summary>Kernels of <see cref="UnaryFunction"/>.</summary>
public static class UnaryKernels
{
    /// <summary>A kernel for <paramref name="count"/> elements of type <paramref name="type"/>. Throws where the function is not defined on the type.</summary>
    public static Kernel Create(UnaryFunction function, DType type, long count, float alpha = 0f, float beta = 0f)
    {
        string name = $"{function.ToString().ToLowerInvariant()}_{type.ToString().ToLowerInvariant()}";
        if (function == UnaryFunction.Not) return new UnaryKernel<byte, byte>(name, count, Not);
        if (function == UnaryFunction.BitwiseNot) return new UnaryKernel<byte, byte>(name, type.ByteCount(count), TensorPrimitives.OnesComplement);
        return type switch
        {
            DType.Float32 => Float32(function, name, count, alpha, beta) ?? Float<float>(function, name, count, alpha, beta),
            DType.Float64 => Float<double>(function, name, count, alpha, beta),
            DType.Float16 => Float<Half>(function, name, count, alpha, beta),
            _ => TypeDispatch.ForNumber(type, new IntegerFactory(function, name, count)),
        };
    }

    /// <summary>Of bytes that are 0 or 1, eight at once.</summary>
    private static void Not(ReadOnlySpan<byte> x, Span<byte> y)
    {
        ReadOnlySpan<ulong> from = MemoryMarshal.Cast<byte, ulong>(x);
        Span<ulong> to = MemoryMarshal.Cast<byte, ulong>(y);
        for (int i = 0; i < from.Length; i++) to[i] = from[i] ^ 0x0101010101010101;
        for (int i = from.Length * sizeof(ulong); i < x.Length; i++) y[i] = (byte)(x[i] ^ 1);
    }

    /// <summary>The functions that have code for float32 vectors of their own.</summary>
    private static UnaryKernel<float, float>? Float32(UnaryFunction function, string name, long count, float alpha, float beta)
    {
        UnaryRow<float, float>? row = function switch
        {
            UnaryFunction.Abs => FloatRow.Of(new AbsOp()),
            UnaryFunction.Neg => FloatRow.Of(new NegateOp()),
            UnaryFunction.Sqrt => FloatRow.Of(new SqrtOp()),
            UnaryFunction.Reciprocal => FloatRow.Of(new ReciprocalOp()),
            UnaryFunction.Exp => FloatRow.Of(new ExpOp()),
            UnaryFunction.Log => FloatRow.Of(new LogOp()),
            UnaryFunction.Erf => FloatRow.Of(new ErfOp()),
            UnaryFunction.Relu => FloatRow.Of(new ReluOp()),
            UnaryFunction.LeakyRelu => FloatRow.Of(new LeakyReluOp(alpha)),
            UnaryFunction.Elu => FloatRow.Of(new ExponentialLinearOp(1f, alpha, 1f)),
            UnaryFunction.Selu => FloatRow.Of(new ExponentialLinearOp(beta, beta * alpha, 1f)),
            UnaryFunction.Celu => FloatRow.Of(new ExponentialLinearOp(1f, alpha, 1f / alpha)),
            UnaryFunction.Sigmoid => FloatRow.Of(new SigmoidOp()),
            UnaryFunction.HardSigmoid => FloatRow.Of(new HardSigmoidOp(alpha, beta)),
            UnaryFunction.HardSwish => FloatRow.Of(new HardSwishOp()),
            UnaryFunction.Softplus => FloatRow.Of(new SoftplusOp()),
            UnaryFunction.Softsign => FloatRow.Of(new SoftsignOp()),
            UnaryFunction.Tanh => FloatRow.Of(new TanhOp()),
            UnaryFunction.ThresholdedRelu => FloatRow.Of(new ThresholdedReluOp(alpha)),
            UnaryFunction.Shrink => FloatRow.Of(new ShrinkOp(alpha, beta)),
            UnaryFunction.Mish => FloatRow.Of(new MishOp()),
            UnaryFunction.Gelu => FloatRow.Of(new GeluErfOp()),
            UnaryFunction.GeluTanh => FloatRow.Of(new GeluTanhOp()),
            UnaryFunction.Swish => alpha == 1f ? FloatRow.Of(new SiluOp()) : FloatRow.Of(new QuickGeluOp(alpha)),
            _ => null,
        };
        return row is null ? null : new UnaryKernel<float, float>(name, count, row);
    }

    private static Kernel Float<T>(UnaryFunction function, string name, long count, float alpha, float beta) where T : unmanaged, IFloatingPointIeee754<T>
    {
        if (function == UnaryFunction.IsNaN) return Predicate<T>(name, count, T.IsNaN);
        if (function == UnaryFunction.IsInf)
            return Predicate<T>(name, count, x => (alpha != 0 && T.IsPositiveInfinity(x)) || (beta != 0 && T.IsNegativeInfinity(x)));
        UnaryRow<T, T> row = function switch
        {
            UnaryFunction.Abs => TensorPrimitives.Abs,
            UnaryFunction.Neg => TensorPrimitives.Negate,
            UnaryFunction.Sign => Each<T>(static x => T.IsNaN(x) ? x : T.CreateTruncating(T.Sign(x))),
            UnaryFunction.Exp => TensorPrimitives.Exp,
            UnaryFunction.Log => TensorPrimitives.Log,
            UnaryFunction.Sqrt => TensorPrimitives.Sqrt,
            UnaryFunction.Reciprocal => TensorPrimitives.Reciprocal,
            UnaryFunction.Floor => TensorPrimitives.Floor,
            UnaryFunction.Ceil => TensorPrimitives.Ceiling,
            UnaryFunction.Round => TensorPrimitives.Round,
            UnaryFunction.Sin => TensorPrimitives.Sin,
            UnaryFunction.Cos => TensorPrimitives.Cos,
            UnaryFunction.Tan => TensorPrimitives.Tan,
            UnaryFunction.Asin => TensorPrimitives.Asin,
            UnaryFunction.Acos => TensorPrimitives.Acos,
            UnaryFunction.Atan => TensorPrimitives.Atan,
            UnaryFunction.Sinh => TensorPrimitives.Sinh,
            UnaryFunction.Cosh => TensorPrimitives.Cosh,
            UnaryFunction.Asinh => TensorPrimitives.Asinh,
            UnaryFunction.Acosh => TensorPrimitives.Acosh,
            UnaryFunction.Atanh => TensorPrimitives.Atanh,
            UnaryFunction.Tanh => TensorPrimitives.Tanh,
            _ => Each(ScalarFunctions.Of<T>(function, alpha, beta)),
        };
        return new UnaryKernel<T, T>(name, count, row);
    }

    private static UnaryRow<T, T> Each<T>(Func<T, T> function) => (x, y) =>
    {
        for (int i = 0; i < x.Length; i++) y[i] = function(x[i]);
    };

    private static UnaryKernel<T, byte> Predicate<T>(string name, long count, Func<T, bool> predicate) where T : unmanaged => new(name, count, (x, y) =>
    {
        for (int i = 0; i < x.Length; i++) y[i] = predicate(x[i]) ? (byte)1 : (byte)0;
    });

    private readonly record struct IntegerFactory(UnaryFunction Function, string Name, long Count) : INumberKernelFactory
    {
        public Kernel Create<T>() where T : unmanaged, INumber<T> => new UnaryKernel<T, T>(Name, Count, Function switch
        {
            // Negation before the comparison wraps at the smallest value, where T.Abs would throw.
            UnaryFunction.Abs => Each<T>(static x => x < T.Zero ? T.Zero - x : x),
            UnaryFunction.Neg => static (x, y) => TensorPrimitives.Subtract(T.Zero, x, y),
            UnaryFunction.Sign => Each<T>(static x => T.CreateTruncating(T.Sign(x))),
            UnaryFunction.Relu => static (x, y) => TensorPrimitives.Max(x, T.Zero, y),
            UnaryFunction.Floor or UnaryFunction.Ceil or UnaryFunction.Round => static (x, y) => x.CopyTo(y),
            _ => throw new UnsupportedModelException($"{Function} is not defined on {typeof(T).Name}", [$"{Function} on {typeof(T).Name}"]),
        });
    }
}
