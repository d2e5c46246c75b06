namespace Parallax.OpenCL.Bindings;

/// <summary>Names of types in OpenCL C.</summary>
internal static class ClTypes
{
    /// <summary>Whether kernels may compute on the type.</summary>
    internal static bool IsNumber(DType type) => NumberOrNull(type) is not null;

    /// <summary>The type of an element that is computed on; truths are bytes.</summary>
    internal static string Number(DType type) => NumberOrNull(type) ?? throw new ArgumentException($"no kernel computes on {type}", nameof(type));

    /// <summary>Null where elements of the type can be moved, else why not.</summary>
    internal static string? WhyNotMoved(DType type) => type.ElementBytes() is 1 or 2 or 4 or 8 ? null : $"{type} is not supported";

    /// <summary>The option that names the type of elements that are only moved.</summary>
    internal static string MovedOption(DType type) => type.ElementBytes() switch
    {
        1 => "-DT=uchar",
        2 => "-DT=ushort",
        4 => "-DT=uint",
        8 => "-DT=ulong",
        _ => throw new ArgumentException($"no kernel moves {type}", nameof(type)),
    };

    private static string? NumberOrNull(DType type) => type switch
    {
        DType.Float32 => "float",
        DType.Int32 => "int",
        DType.Int64 => "long",
        DType.Int8 => "char",
        DType.UInt8 or DType.Bool => "uchar",
        _ => null,
    };
}
