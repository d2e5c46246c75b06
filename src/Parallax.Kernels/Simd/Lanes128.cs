using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Parallax.Kernels;

/// <summary>Exchanges of lanes between vectors of 128 bits: single instructions on x86 and ARM64.</summary>
internal static class Lanes128
{
    private const MethodImplOptions Inline = MethodImplOptions.AggressiveInlining;

    /// <summary>Lanes 0 and 2 of a, then of b.</summary>
    [MethodImpl(Inline)]
    internal static Vector128<float> Even(Vector128<float> a, Vector128<float> b) =>
        Sse.IsSupported ? Sse.Shuffle(a, b, 0b10_00_10_00)
        : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.UnzipEven(a, b)
        : Vector128.Create(a[0], a[2], b[0], b[2]);

    /// <summary>Lanes 1 and 3 of a, then of b.</summary>
    [MethodImpl(Inline)]
    internal static Vector128<float> Odd(Vector128<float> a, Vector128<float> b) =>
        Sse.IsSupported ? Sse.Shuffle(a, b, 0b11_01_11_01)
        : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.UnzipOdd(a, b)
        : Vector128.Create(a[1], a[3], b[1], b[3]);

    /// <summary>Lanes a0, b0, a1, b1.</summary>
    [MethodImpl(Inline)]
    internal static Vector128<float> ZipLower(Vector128<float> a, Vector128<float> b) =>
        Sse.IsSupported ? Sse.UnpackLow(a, b)
        : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipLow(a, b)
        : Vector128.Create(a[0], b[0], a[1], b[1]);

    /// <summary>Lanes a2, b2, a3, b3.</summary>
    [MethodImpl(Inline)]
    internal static Vector128<float> ZipUpper(Vector128<float> a, Vector128<float> b) =>
        Sse.IsSupported ? Sse.UnpackHigh(a, b)
        : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipHigh(a, b)
        : Vector128.Create(a[2], b[2], a[3], b[3]);

    /// <summary>Lanes a0, b0, a1, b1, and so on up to a3, b3.</summary>
    [MethodImpl(Inline)]
    internal static Vector128<ushort> ZipLower(Vector128<ushort> a, Vector128<ushort> b) =>
        Sse2.IsSupported ? Sse2.UnpackLow(a, b)
        : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipLow(a, b)
        : Vector128.Create(a[0], b[0], a[1], b[1], a[2], b[2], a[3], b[3]);

    /// <summary>Lanes a4, b4, a5, b5, and so on.</summary>
    [MethodImpl(Inline)]
    internal static Vector128<ushort> ZipUpper(Vector128<ushort> a, Vector128<ushort> b) =>
        Sse2.IsSupported ? Sse2.UnpackHigh(a, b)
        : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipHigh(a, b)
        : Vector128.Create(a[4], b[4], a[5], b[5], a[6], b[6], a[7], b[7]);

    /// <summary>Lanes a0, b0, a1, b1, and so on up to a7, b7.</summary>
    [MethodImpl(Inline)]
    internal static Vector128<byte> ZipLower(Vector128<byte> a, Vector128<byte> b) =>
        Sse2.IsSupported ? Sse2.UnpackLow(a, b)
        : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipLow(a, b)
        : (Vector128.WidenLower(a) | (Vector128.WidenLower(b) << 8)).AsByte();

    /// <summary>Lanes a8, b8, a9, b9, and so on.</summary>
    [MethodImpl(Inline)]
    internal static Vector128<byte> ZipUpper(Vector128<byte> a, Vector128<byte> b) =>
        Sse2.IsSupported ? Sse2.UnpackHigh(a, b)
        : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipHigh(a, b)
        : (Vector128.WidenUpper(a) | (Vector128.WidenUpper(b) << 8)).AsByte();

    /// <summary>Transposes the 4x4 matrix whose rows are given.</summary>
    [MethodImpl(Inline)]
    internal static void Transpose(ref Vector128<float> r0, ref Vector128<float> r1, ref Vector128<float> r2, ref Vector128<float> r3)
    {
        Vector128<float> low02 = ZipLower(r0, r2), high02 = ZipUpper(r0, r2), low13 = ZipLower(r1, r3), high13 = ZipUpper(r1, r3);
        r0 = ZipLower(low02, low13);
        r1 = ZipUpper(low02, low13);
        r2 = ZipLower(high02, high13);
        r3 = ZipUpper(high02, high13);
    }
}
