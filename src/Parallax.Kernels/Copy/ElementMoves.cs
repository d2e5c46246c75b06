using System.Runtime.InteropServices;

namespace Parallax.Kernels.Copy;

/// <summary>Loops that move elements of 1, 2, 4, 8 or 16 bytes (any other number where said) without looking at them.</summary>
internal static unsafe class ElementMoves
{
    /// <summary>Writes the element at <paramref name="value"/>, of any size, <paramref name="count"/> times.</summary>
    internal static void Fill(int elementBytes, byte* value, byte* target, long count)
    {
        switch (elementBytes)
        {
            case 1: FillOf(*value, target, count); break;
            case 2: FillOf(*(ushort*)value, target, count); break;
            case 4: FillOf(*(uint*)value, target, count); break;
            case 8: FillOf(*(ulong*)value, target, count); break;
            case 16: FillOf(*(UInt128*)value, target, count); break;
            default:
                for (long i = 0; i < count; i++) NativeMemory.Copy(value, target + i * elementBytes, (nuint)elementBytes);
                break;
        }
    }

    internal static void Strided(int elementBytes, byte* source, long sourceStride, byte* target, long targetStride, long count)
    {
        switch (elementBytes)
        {
            case 1: StridedOf<byte>(source, sourceStride, target, targetStride, count); break;
            case 2: StridedOf<ushort>(source, sourceStride, target, targetStride, count); break;
            case 4: StridedOf<uint>(source, sourceStride, target, targetStride, count); break;
            case 8: StridedOf<ulong>(source, sourceStride, target, targetStride, count); break;
            case 16: StridedOf<UInt128>(source, sourceStride, target, targetStride, count); break;
            default: throw new ArgumentOutOfRangeException(nameof(elementBytes));
        }
    }

    private static void FillOf<T>(T value, byte* target, long count) where T : unmanaged
    {
        const int slice = 1 << 28;
        for (; count > 0; count -= slice, target += (long)slice * sizeof(T))
            new Span<T>(target, (int)Math.Min(count, slice)).Fill(value);
    }

    private static void StridedOf<T>(byte* source, long sourceStride, byte* target, long targetStride, long count) where T : unmanaged
    {
        for (long i = 0; i < count; i++, source += sourceStride, target += targetStride) *(T*)target = *(T*)source;
    }
}
