using System.Numerics;

namespace Parallax.Kernels;

/// <summary>Makes a kernel for an element type chosen at run time.</summary>
public interface INumberKernelFactory
{
    Kernel Create<T>() where T : unmanaged, INumber<T>;
}

/// <summary>Makes a kernel that only moves elements of a size chosen at run time.</summary>
public interface IElementKernelFactory
{
    Kernel Create<T>() where T : unmanaged;
}

/// <summary>From element types known at run time to generic code.</summary>
public static class TypeDispatch
{
    /// <summary>float, double, Half and all whole-byte integers; bool counts as byte.</summary>
    public static Kernel ForNumber<TFactory>(DType type, TFactory factory) where TFactory : INumberKernelFactory => type switch
    {
        DType.Float32 => factory.Create<float>(),
        DType.Float64 => factory.Create<double>(),
        DType.Float16 => factory.Create<Half>(),
        DType.Int64 => factory.Create<long>(),
        DType.Int32 => factory.Create<int>(),
        DType.Int16 => factory.Create<short>(),
        DType.Int8 => factory.Create<sbyte>(),
        DType.UInt64 => factory.Create<ulong>(),
        DType.UInt32 => factory.Create<uint>(),
        DType.UInt16 => factory.Create<ushort>(),
        DType.UInt8 or DType.Bool => factory.Create<byte>(),
        _ => throw new UnsupportedModelException($"element type {type} has no arithmetic here", [$"arithmetic on {type}"]),
    };

    /// <summary>An unsigned integer (or pair of them) as wide as one element.</summary>
    public static Kernel ForElement<TFactory>(DType type, TFactory factory) where TFactory : IElementKernelFactory => type.BitWidth() switch
    {
        8 => factory.Create<byte>(),
        16 => factory.Create<ushort>(),
        32 => factory.Create<uint>(),
        64 => factory.Create<ulong>(),
        128 => factory.Create<UInt128>(),
        _ => throw new UnsupportedModelException($"elements of type {type} cannot be moved one by one", [$"moving {type}"]),
    };
}
