using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

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
                BinaryFunction.Equal => Comparisons<EqualOperator<T>, T>,
                BinaryFunction.Greater => Comparisons<GreaterOperator<T>, T>,
                BinaryFunction.GreaterOrEqual => Comparisons<GreaterOrEqualOperator<T>, T>,
                BinaryFunction.Less => Comparisons<LessOperator<T>, T>,
                _ => Comparisons<LessOrEqualOperator<T>, T>,
            })
            : new BinaryKernel<T, T, T>(Name, Loop, Function switch
            {
                BinaryFunction.Add => VectorRow.Run<T, VectorRow.Sum<T>>,
                BinaryFunction.Sub => VectorRow.Run<T, VectorRow.Difference<T>>,
                BinaryFunction.Mul => VectorRow.Run<T, VectorRow.Product<T>>,
                BinaryFunction.Div => IsFloat<T>() ? VectorRow.Run<T, VectorRow.Quotient<T>> : Rows<IntegerDivision<T>, T, T>,
                BinaryFunction.Mod => Rows<ModOperator<T>, T, T>,
                BinaryFunction.FMod => Rows<FModOperator<T>, T, T>,
                BinaryFunction.Min => VectorRow.Run<T, VectorRow.Smaller<T>>,
                BinaryFunction.Max => VectorRow.Run<T, VectorRow.Larger<T>>,
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

    private static void Comparisons<TOp, T>(ReadOnlySpan<T> x, ReadOnlySpan<T> y, Span<byte> z) where TOp : struct, IComparison<T> where T : unmanaged, INumber<T>
    {
        bool hasX = x.Length == z.Length, hasY = y.Length == z.Length;
        int done = 0;
        if (Unsafe.SizeOf<T>() == sizeof(int) && Vector128<T>.IsSupported && Vector128.IsHardwareAccelerated && z.Length >= Vector128<byte>.Count && (hasX || hasY))
            done = hasX && hasY ? CompareVectors<TOp, T, Each<T>, Each<T>>(x, y, z) : hasX ? CompareVectors<TOp, T, Each<T>, One<T>>(x, y, z) : CompareVectors<TOp, T, One<T>, Each<T>>(x, y, z);
        Rows<TOp, T, byte>(hasX ? x[done..] : x, hasY ? y[done..] : y, z[done..]);
    }

    /// <summary>Whole vectors of bytes from elements of four bytes; returns how many results there are.</summary>
    private static int CompareVectors<TOp, T, TX, TY>(ReadOnlySpan<T> x, ReadOnlySpan<T> y, Span<byte> z)
        where TOp : struct, IComparison<T> where T : unmanaged, INumber<T> where TX : struct, IOperand<T> where TY : struct, IOperand<T>
    {
        ref T left = ref MemoryMarshal.GetReference(x), right = ref MemoryMarshal.GetReference(y);
        int i = 0;
        for (; i <= z.Length - Vector128<byte>.Count; i += Vector128<byte>.Count)
        {
            Vector128<int> m0 = TOp.Mask(TX.Load(ref left, i), TY.Load(ref right, i)).AsInt32(), m1 = TOp.Mask(TX.Load(ref left, i + 4), TY.Load(ref right, i + 4)).AsInt32();
            Vector128<int> m2 = TOp.Mask(TX.Load(ref left, i + 8), TY.Load(ref right, i + 8)).AsInt32(), m3 = TOp.Mask(TX.Load(ref left, i + 12), TY.Load(ref right, i + 12)).AsInt32();
            Vector128<sbyte> mask = Vector128.Narrow(Vector128.Narrow(m0, m1), Vector128.Narrow(m2, m3));
            (mask.AsByte() & Vector128<byte>.One).StoreUnsafe(ref MemoryMarshal.GetReference(z), (nuint)i);
        }
        return i;
    }

    /// <summary>One side of a comparison.</summary>
    private interface IOperand<T>
    {
        static abstract Vector128<T> Load(ref T first, int at);
    }

    private readonly struct Each<T> : IOperand<T>
    {
        public static Vector128<T> Load(ref T first, int at) => Vector128.LoadUnsafe(ref first, (nuint)at);
    }

    private readonly struct One<T> : IOperand<T>
    {
        public static Vector128<T> Load(ref T first, int at) => Vector128.Create(first);
    }

    private static byte Truth(bool value) => Unsafe.BitCast<bool, byte>(value);

    private interface IComparison<T> : IBinaryOperator<T, byte> where T : unmanaged, INumber<T>
    {
        /// <summary>All bits set where it is true.</summary>
        static abstract Vector128<T> Mask(Vector128<T> x, Vector128<T> y);
    }

    private readonly struct EqualOperator<T> : IComparison<T> where T : unmanaged, INumber<T>
    {
        public static byte Invoke(T x, T y) => Truth(x == y);

        public static Vector128<T> Mask(Vector128<T> x, Vector128<T> y) => Vector128.Equals(x, y);
    }

    private readonly struct GreaterOperator<T> : IComparison<T> where T : unmanaged, INumber<T>
    {
        public static byte Invoke(T x, T y) => Truth(x > y);

        public static Vector128<T> Mask(Vector128<T> x, Vector128<T> y) => Vector128.GreaterThan(x, y);
    }

    private readonly struct GreaterOrEqualOperator<T> : IComparison<T> where T : unmanaged, INumber<T>
    {
        public static byte Invoke(T x, T y) => Truth(x >= y);

        public static Vector128<T> Mask(Vector128<T> x, Vector128<T> y) => Vector128.GreaterThanOrEqual(x, y);
    }

    private readonly struct LessOperator<T> : IComparison<T> where T : unmanaged, INumber<T>
    {
        public static byte Invoke(T x, T y) => Truth(x < y);

        public static Vector128<T> Mask(Vector128<T> x, Vector128<T> y) => Vector128.LessThan(x, y);
    }

    private readonly struct LessOrEqualOperator<T> : IComparison<T> where T : unmanaged, INumber<T>
    {
        public static byte Invoke(T x, T y) => Truth(x <= y);

        public static Vector128<T> Mask(Vector128<T> x, Vector128<T> y) => Vector128.LessThanOrEqual(x, y);
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
