using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;

namespace Parallax.Kernels;

/// <summary>A function of two elements, for functions that have no vector code: the loops around it are written once.</summary>
internal interface IBinaryOperator<T, TResult>
{
    static abstract TResult Invoke(T x, T y);
}

/// <summary>Kernels of <see cref="BinaryFunction"/>, except <see cref="BinaryFunction.Pow"/> (<see cref="PowKernels"/>).</summary>
public static class BinaryKernels
{
    /// <summary>A kernel for two operands of one type. Throws where the function is not defined on the type.</summary>
    public static Kernel Create(BinaryFunction function, DType type, Broadcast loop)
    {
        string name = $"{function.ToString().ToLowerInvariant()}_{type.ToString().ToLowerInvariant()}";
        return function switch
        {
            BinaryFunction.And or BinaryFunction.BitwiseAnd or BinaryFunction.Or or BinaryFunction.BitwiseOr or BinaryFunction.Xor or BinaryFunction.BitwiseXor =>
                type.BitWidth() switch
                {
                    8 => Bitwise<byte>(function, name, loop),
                    16 => Bitwise<ushort>(function, name, loop),
                    32 => Bitwise<uint>(function, name, loop),
                    64 => Bitwise<ulong>(function, name, loop),
                    _ => throw Undefined(function, type.ToString()),
                },
            BinaryFunction.ShiftLeft or BinaryFunction.ShiftRight => type switch
            {
                DType.UInt8 => Shift<byte>(function, name, loop),
                DType.UInt16 => Shift<ushort>(function, name, loop),
                DType.UInt32 => Shift<uint>(function, name, loop),
                DType.UInt64 => Shift<ulong>(function, name, loop),
                _ => throw Undefined(function, type.ToString()),
            },
            BinaryFunction.PRelu when type == DType.Float32 => new BinaryKernel<float, float, float>(name, loop, FloatRow.PRelu),
            _ => TypeDispatch.ForNumber(type, new Factory(function, name, loop)),
        };
    }

    private readonly record struct Factory(BinaryFunction Function, string Name, Broadcast Loop) : INumberKernelFactory
    {
        public Kernel Create<T>() where T : unmanaged, INumber<T> => Function.IsComparison()
            ? new BinaryKernel<T, T, byte>(Name, Loop, Function switch
            {
                BinaryFunction.Equal => Rows<EqualOperator<T>, T, byte>,
                BinaryFunction.Greater => Rows<GreaterOperator<T>, T, byte>,
                BinaryFunction.GreaterOrEqual => Rows<GreaterOrEqualOperator<T>, T, byte>,
                BinaryFunction.Less => Rows<LessOperator<T>, T, byte>,
                _ => Rows<LessOrEqualOperator<T>, T, byte>,
            })
            : new BinaryKernel<T, T, T>(Name, Loop, Function switch
            {
                BinaryFunction.Add => Add,
                BinaryFunction.Sub => Subtract,
                BinaryFunction.Mul => Multiply,
                BinaryFunction.Div => IsFloat<T>() ? Divide : Rows<IntegerDivision<T>, T, T>,
                BinaryFunction.Mod => Rows<ModOperator<T>, T, T>,
                BinaryFunction.FMod => Rows<FModOperator<T>, T, T>,
                BinaryFunction.Min => Min,
                BinaryFunction.Max => Max,
                BinaryFunction.PRelu => Rows<PReluOperator<T>, T, T>,
                _ => throw Undefined(Function, typeof(T).Name),
            });
    }

    private static BinaryKernel<T, T, T> Bitwise<T>(BinaryFunction function, string name, Broadcast loop) where T : unmanaged, IBinaryInteger<T> => new(name, loop, function switch
    {
        BinaryFunction.And or BinaryFunction.BitwiseAnd => Rows<AndOperator<T>, T, T>,
        BinaryFunction.Or or BinaryFunction.BitwiseOr => Rows<OrOperator<T>, T, T>,
        _ => Rows<XorOperator<T>, T, T>,
    });

    private static BinaryKernel<T, T, T> Shift<T>(BinaryFunction function, string name, Broadcast loop) where T : unmanaged, IBinaryInteger<T> =>
        new(name, loop, function == BinaryFunction.ShiftLeft ? Rows<ShiftLeftOperator<T>, T, T> : Rows<ShiftRightOperator<T>, T, T>);

    private static UnsupportedModelException Undefined(BinaryFunction function, string type) => new($"{function} is not defined on {type}", [$"{function} on {type}"]);

    private static bool IsFloat<T>() => typeof(T) == typeof(float) || typeof(T) == typeof(double) || typeof(T) == typeof(Half);

    private static void Rows<TOp, T, TResult>(ReadOnlySpan<T> x, ReadOnlySpan<T> y, Span<TResult> z) where TOp : struct, IBinaryOperator<T, TResult>
    {
        if (y.Length != z.Length)
        {
            T right = y[0];
            if (x.Length != z.Length) z.Fill(TOp.Invoke(x[0], right));
            else
                for (int i = 0; i < z.Length; i++) z[i] = TOp.Invoke(x[i], right);
        }
        else if (x.Length != z.Length)
        {
            T left = x[0];
            for (int i = 0; i < z.Length; i++) z[i] = TOp.Invoke(left, y[i]);
        }
        else
            for (int i = 0; i < z.Length; i++) z[i] = TOp.Invoke(x[i], y[i]);
    }

    private static void Add<T>(ReadOnlySpan<T> x, ReadOnlySpan<T> y, Span<T> z) where T : unmanaged, INumber<T>
    {
        if (y.Length != z.Length) TensorPrimitives.Add(x, y[0], z);
        else if (x.Length != z.Length) TensorPrimitives.Add(y, x[0], z);
        else TensorPrimitives.Add(x, y, z);
    }

    private static void Multiply<T>(ReadOnlySpan<T> x, ReadOnlySpan<T> y, Span<T> z) where T : unmanaged, INumber<T>
    {
        if (y.Length != z.Length) TensorPrimitives.Multiply(x, y[0], z);
        else if (x.Length != z.Length) TensorPrimitives.Multiply(y, x[0], z);
        else TensorPrimitives.Multiply(x, y, z);
    }

    private static void Subtract<T>(ReadOnlySpan<T> x, ReadOnlySpan<T> y, Span<T> z) where T : unmanaged, INumber<T>
    {
        if (y.Length != z.Length) TensorPrimitives.Subtract(x, y[0], z);
        else if (x.Length != z.Length) TensorPrimitives.Subtract(x[0], y, z);
        else TensorPrimitives.Subtract(x, y, z);
    }

    private static void Divide<T>(ReadOnlySpan<T> x, ReadOnlySpan<T> y, Span<T> z) where T : unmanaged, INumber<T>
    {
        if (y.Length != z.Length) TensorPrimitives.Divide(x, y[0], z);
        else if (x.Length != z.Length) TensorPrimitives.Divide(x[0], y, z);
        else TensorPrimitives.Divide(x, y, z);
    }

    private static void Min<T>(ReadOnlySpan<T> x, ReadOnlySpan<T> y, Span<T> z) where T : unmanaged, INumber<T>
    {
        if (y.Length != z.Length) TensorPrimitives.Min(x, y[0], z);
        else if (x.Length != z.Length) TensorPrimitives.Min(y, x[0], z);
        else TensorPrimitives.Min(x, y, z);
    }

    private static void Max<T>(ReadOnlySpan<T> x, ReadOnlySpan<T> y, Span<T> z) where T : unmanaged, INumber<T>
    {
        if (y.Length != z.Length) TensorPrimitives.Max(x, y[0], z);
        else if (x.Length != z.Length) TensorPrimitives.Max(y, x[0], z);
        else TensorPrimitives.Max(x, y, z);
    }

    private static byte Truth(bool value) => Unsafe.BitCast<bool, byte>(value);

    private readonly struct EqualOperator<T> : IBinaryOperator<T, byte> where T : INumber<T>
    {
        public static byte Invoke(T x, T y) => Truth(x == y);
    }

    private readonly struct GreaterOperator<T> : IBinaryOperator<T, byte> where T : INumber<T>
    {
        public static byte Invoke(T x, T y) => Truth(x > y);
    }

    private readonly struct GreaterOrEqualOperator<T> : IBinaryOperator<T, byte> where T : INumber<T>
    {
        public static byte Invoke(T x, T y) => Truth(x >= y);
    }

    private readonly struct LessOperator<T> : IBinaryOperator<T, byte> where T : INumber<T>
    {
        public static byte Invoke(T x, T y) => Truth(x < y);
    }

    private readonly struct LessOrEqualOperator<T> : IBinaryOperator<T, byte> where T : INumber<T>
    {
        public static byte Invoke(T x, T y) => Truth(x <= y);
    }

    /// <summary>Division by 0 gives 0, by -1 wraps at the smallest value: neither may end the process.</summary>
    private readonly struct IntegerDivision<T> : IBinaryOperator<T, T> where T : INumber<T>
    {
        public static T Invoke(T x, T y) => T.IsZero(y) ? y : T.IsNegative(y) && y + T.One == T.Zero ? T.Zero - x : x / y;
    }

    private readonly struct FModOperator<T> : IBinaryOperator<T, T> where T : INumber<T>
    {
        public static T Invoke(T x, T y)
        {
            if (IsFloat<T>()) return x % y;
            return T.IsZero(y) || (T.IsNegative(y) && y + T.One == T.Zero) ? T.Zero : x % y;
        }
    }

    private readonly struct ModOperator<T> : IBinaryOperator<T, T> where T : INumber<T>
    {
        public static T Invoke(T x, T y)
        {
            T remainder = FModOperator<T>.Invoke(x, y);
            return !T.IsZero(remainder) && T.IsNegative(remainder) != T.IsNegative(y) ? remainder + y : remainder;
        }
    }

    private readonly struct PReluOperator<T> : IBinaryOperator<T, T> where T : INumber<T>
    {
        public static T Invoke(T x, T y) => x < T.Zero ? x * y : x;
    }

    private readonly struct AndOperator<T> : IBinaryOperator<T, T> where T : IBinaryInteger<T>
    {
        public static T Invoke(T x, T y) => x & y;
    }

    private readonly struct OrOperator<T> : IBinaryOperator<T, T> where T : IBinaryInteger<T>
    {
        public static T Invoke(T x, T y) => x | y;
    }

    private readonly struct XorOperator<T> : IBinaryOperator<T, T> where T : IBinaryInteger<T>
    {
        public static T Invoke(T x, T y) => x ^ y;
    }

    /// <summary>A shift by the element's width or more leaves nothing.</summary>
    private readonly struct ShiftLeftOperator<T> : IBinaryOperator<T, T> where T : unmanaged, IBinaryInteger<T>
    {
        public static T Invoke(T x, T y) => int.CreateSaturating(y) is var by && by >= Unsafe.SizeOf<T>() * 8 ? T.Zero : x << by;
    }

    private readonly struct ShiftRightOperator<T> : IBinaryOperator<T, T> where T : unmanaged, IBinaryInteger<T>
    {
        public static T Invoke(T x, T y) => int.CreateSaturating(y) is var by && by >= Unsafe.SizeOf<T>() * 8 ? T.Zero : x >>> by;
    }
}
