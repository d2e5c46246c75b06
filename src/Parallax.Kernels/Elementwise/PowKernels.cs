using System.Numerics;
using System.Numerics.Tensors;

namespace Parallax.Kernels;

/// <summary>Kernels of <see cref="BinaryFunction.Pow"/>: the base has the result's type, the exponent any numeric type.</summary>
public static class PowKernels
{
    public static Kernel Create(DType baseType, DType exponentType, Broadcast loop)
    {
        if (baseType == DType.Float32 && exponentType == DType.Float32) return new BinaryKernel<float, float, float>("pow_float32", loop, Float32);
        return TypeDispatch.ForNumber(baseType, new BaseFactory(exponentType, loop));
    }

    private static void Float32(ReadOnlySpan<float> x, ReadOnlySpan<float> y, Span<float> z)
    {
        if (y.Length == z.Length && x.Length == z.Length) TensorPrimitives.Pow(x, y, z);
        else if (y.Length == z.Length) TensorPrimitives.Pow(x[0], y, z);
        else if (y[0] == 2f) TensorPrimitives.Multiply(x, x, z);
        else if (y[0] == 1f) x.CopyTo(z);
        else if (y[0] == -1f) TensorPrimitives.Reciprocal(x, z);
        else if (y[0] == 3f)
            for (int i = 0; i < x.Length; i++) z[i] = x[i] * x[i] * x[i];
        else TensorPrimitives.Pow(x, y[0], z);
    }

    private readonly record struct BaseFactory(DType ExponentType, Broadcast Loop) : INumberKernelFactory
    {
        public Kernel Create<TBase>() where TBase : unmanaged, INumber<TBase> => TypeDispatch.ForNumber(ExponentType, new ExponentFactory<TBase>(Loop));
    }

    private readonly record struct ExponentFactory<TBase>(Broadcast Loop) : INumberKernelFactory where TBase : unmanaged, INumber<TBase>
    {
        public Kernel Create<TExponent>() where TExponent : unmanaged, INumber<TExponent>
        {
            string name = $"pow_{typeof(TBase).Name}_{typeof(TExponent).Name}".ToLowerInvariant();
            return new BinaryKernel<TBase, TExponent, TBase>(name, Loop, IsInteger<TBase>() && IsInteger<TExponent>() ? Integers<TExponent> : Mixed<TExponent>);
        }

        private static void Mixed<TExponent>(ReadOnlySpan<TBase> x, ReadOnlySpan<TExponent> y, Span<TBase> z) where TExponent : unmanaged, INumber<TExponent>
        {
            for (int i = 0; i < z.Length; i++)
                z[i] = TBase.CreateTruncating(Math.Pow(double.CreateTruncating(x[x.Length == z.Length ? i : 0]), double.CreateTruncating(y[y.Length == z.Length ? i : 0])));
        }

        /// <summary>Exact, wrapping as multiplication does.</summary>
        private static void Integers<TExponent>(ReadOnlySpan<TBase> x, ReadOnlySpan<TExponent> y, Span<TBase> z) where TExponent : unmanaged, INumber<TExponent>
        {
            for (int i = 0; i < z.Length; i++)
                z[i] = Power(x[x.Length == z.Length ? i : 0], long.CreateSaturating(y[y.Length == z.Length ? i : 0]));
        }

        private static TBase Power(TBase x, long exponent)
        {
            if (exponent < 0) return x == TBase.One ? x : TBase.IsNegative(x) && x + TBase.One == TBase.Zero ? (exponent & 1) == 0 ? TBase.One : x : TBase.Zero;
            TBase power = TBase.One;
            for (; exponent > 0; exponent >>= 1, x *= x)
                if ((exponent & 1) != 0) power *= x;
            return power;
        }

        private static bool IsInteger<T>() => typeof(T) != typeof(float) && typeof(T) != typeof(double) && typeof(T) != typeof(Half);
    }
}
