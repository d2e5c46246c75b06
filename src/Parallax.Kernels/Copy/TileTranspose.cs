using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Parallax.Kernels.Copy;

/// <summary>
/// Transposes a matrix: <c>target[row][column] = source[column][row]</c>, rows of both sides contiguous. Square tiles go through
/// registers (8x8 of single bytes, 8x8 and 4x4 of 4 bytes, 4x4 of 8 bytes); the rest of the edges and other sizes go element by element.
/// </summary>
internal static unsafe class TileTranspose
{
    /// <param name="sourceStride">Bytes between <c>source[column]</c> and <c>source[column + 1]</c>.</param>
    /// <param name="targetStride">Bytes between <c>target[row]</c> and <c>target[row + 1]</c>.</param>
    internal static void Run(int elementBytes, byte* source, long sourceStride, byte* target, long targetStride, long rows, long columns)
    {
        switch (elementBytes)
        {
            case 1 when HasZip && columns == 3 && targetStride == 3: Interleave3(source, sourceStride, target, rows); break;
            case 1 when HasZip: Tiles<byte, Tile8x8>(source, sourceStride, target, targetStride, rows, columns); break;
            case 1: Tiles<byte, NoTile<byte>>(source, sourceStride, target, targetStride, rows, columns); break;
            case 2: Tiles<ushort, NoTile<ushort>>(source, sourceStride, target, targetStride, rows, columns); break;
            case 4 when Avx.IsSupported: Tiles<uint, Tile8x32>(source, sourceStride, target, targetStride, rows, columns); break;
            case 4 when HasZip: Tiles<uint, Tile4x32>(source, sourceStride, target, targetStride, rows, columns); break;
            case 4: Tiles<uint, NoTile<uint>>(source, sourceStride, target, targetStride, rows, columns); break;
            case 8 when Avx.IsSupported: Tiles<ulong, Tile4x64>(source, sourceStride, target, targetStride, rows, columns); break;
            case 8: Tiles<ulong, NoTile<ulong>>(source, sourceStride, target, targetStride, rows, columns); break;
            case 16: Tiles<UInt128, NoTile<UInt128>>(source, sourceStride, target, targetStride, rows, columns); break;
            default: throw new ArgumentOutOfRangeException(nameof(elementBytes));
        }
    }

    private static bool HasZip => Sse2.IsSupported || AdvSimd.Arm64.IsSupported;

    private interface ITile
    {
        static abstract int Size { get; }

        /// <summary>Transposes one tile of Size x Size.</summary>
        static abstract void Run(byte* source, long sourceStride, byte* target, long targetStride);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tiles<T, TTile>(byte* source, long sourceStride, byte* target, long targetStride, long rows, long columns)
        where T : unmanaged where TTile : struct, ITile
    {
        int size = TTile.Size;
        long column = 0;
        for (; column + size <= columns; column += size)
        {
            byte* from = source + column * sourceStride, to = target + column * sizeof(T);
            long row = 0;
            for (; row + size <= rows; row += size)
                TTile.Run(from + row * sizeof(T), sourceStride, to + row * targetStride, targetStride);
            Elements<T>(from + row * sizeof(T), sourceStride, to + row * targetStride, targetStride, rows - row, size);
        }
        if (column < columns) Elements<T>(source + column * sourceStride, sourceStride, target + column * sizeof(T), targetStride, rows, columns - column);
    }

    /// <summary>Three rows of bytes, the planes of a picture, into places one behind another.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Interleave3(byte* source, long sourceStride, byte* target, long count)
    {
        byte* b = source + sourceStride, c = b + sourceStride;
        long i = 0;
        // Each four places are stored with four bytes of nothing behind them, over which the next are stored.
        for (; i < count - 17; i += 16, target += 48)
        {
            Vector128<byte> x = Vector128.Load(source + i), y = Vector128.Load(b + i), z = Vector128.Load(c + i);
            Vector128<ushort> low = Lanes128.ZipLower(x, y).AsUInt16(), high = Lanes128.ZipUpper(x, y).AsUInt16();
            Vector128<ushort> zLow = Lanes128.ZipLower(z, z).AsUInt16(), zHigh = Lanes128.ZipUpper(z, z).AsUInt16();
            Store3(target, Lanes128.ZipLower(low, zLow).AsByte());
            Store3(target + 12, Lanes128.ZipUpper(low, zLow).AsByte());
            Store3(target + 24, Lanes128.ZipLower(high, zHigh).AsByte());
            Store3(target + 36, Lanes128.ZipUpper(high, zHigh).AsByte());
        }
        Elements<byte>(source + i, sourceStride, target, 3, count - i, 3);
    }

    /// <summary>The first three of each four bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store3(byte* target, Vector128<byte> fours) =>
        Vector128.Store(Vector128.Shuffle(fours, Vector128.Create((byte)0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 15, 15, 15, 15)), target);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Elements<T>(byte* source, long sourceStride, byte* target, long targetStride, long rows, long columns) where T : unmanaged
    {
        for (long row = 0; row < rows; row++)
        {
            T* to = (T*)(target + row * targetStride);
            byte* from = source + row * sizeof(T);
            for (long column = 0; column < columns; column++) to[column] = *(T*)(from + column * sourceStride);
        }
    }

    /// <summary>A tile without registers: still 16 x 16 at a time, so that lines of both sides stay in the first cache.</summary>
    private readonly struct NoTile<T> : ITile where T : unmanaged
    {
        public static int Size => 16;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Run(byte* source, long sourceStride, byte* target, long targetStride) =>
            Elements<T>(source, sourceStride, target, targetStride, 16, 16);
    }

    private readonly struct Tile8x8 : ITile
    {
        public static int Size => 8;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Run(byte* source, long sourceStride, byte* target, long targetStride)
        {
            byte* half = source + 4 * sourceStride;
            Vector128<ushort> ab = Pair(source, sourceStride), cd = Pair(source + 2 * sourceStride, sourceStride), ef = Pair(half, sourceStride), gh = Pair(half + 2 * sourceStride, sourceStride);
            Halves(Fours(Lanes128.ZipLower(ab, cd)), Fours(Lanes128.ZipLower(ef, gh)), target, targetStride);
            Halves(Fours(Lanes128.ZipUpper(ab, cd)), Fours(Lanes128.ZipUpper(ef, gh)), target + 4 * targetStride, targetStride);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector128<ushort> Pair(byte* source, long stride) => Lanes128.ZipLower(Load8(source), Load8(source + stride)).AsUInt16();

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector128<byte> Load8(byte* source) => Vector128.CreateScalarUnsafe(*(ulong*)source).AsByte();

        /// <summary>Four bytes as one lane, whatever its type.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector128<float> Fours(Vector128<ushort> pairs) => pairs.AsSingle();

        /// <summary>Four rows of the result, of whose halves the operands hold one lane each.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static void Halves(Vector128<float> abcd, Vector128<float> efgh, byte* target, long stride)
        {
            Store(target, stride, Lanes128.ZipLower(abcd, efgh).AsUInt64());
            Store(target + 2 * stride, stride, Lanes128.ZipUpper(abcd, efgh).AsUInt64());
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static void Store(byte* target, long stride, Vector128<ulong> rows)
        {
            *(ulong*)target = rows[0];
            *(ulong*)(target + stride) = rows[1];
        }
    }

    private readonly struct Tile4x32 : ITile
    {
        public static int Size => 4;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Run(byte* source, long sourceStride, byte* target, long targetStride)
        {
            Vector128<float> a = Load(source), b = Load(source + sourceStride), c = Load(source + 2 * sourceStride), d = Load(source + 3 * sourceStride);
            Lanes128.Transpose(ref a, ref b, ref c, ref d);
            Store(target, a);
            Store(target + targetStride, b);
            Store(target + 2 * targetStride, c);
            Store(target + 3 * targetStride, d);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector128<float> Load(byte* at) => Vector128.Load((float*)at);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static void Store(byte* at, Vector128<float> value) => value.Store((float*)at);
    }

    private readonly struct Tile8x32 : ITile
    {
        public static int Size => 8;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Run(byte* source, long sourceStride, byte* target, long targetStride)
        {
            // Rows k and k + 4 share a register, so that the 128-bit lanes need no exchange at the end.
            Vector256<float> a = Load(source, sourceStride, 0, 0), b = Load(source, sourceStride, 1, 0), c = Load(source, sourceStride, 2, 0), d = Load(source, sourceStride, 3, 0);
            Transpose4(a, b, c, d, target, targetStride);
            a = Load(source, sourceStride, 0, 4);
            b = Load(source, sourceStride, 1, 4);
            c = Load(source, sourceStride, 2, 4);
            d = Load(source, sourceStride, 3, 4);
            Transpose4(a, b, c, d, target + 4 * targetStride, targetStride);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector256<float> Load(byte* source, long stride, int row, int column) =>
            Vector256.Create(Vector128.Load((float*)(source + row * stride) + column), Vector128.Load((float*)(source + (row + 4) * stride) + column));

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static void Transpose4(Vector256<float> a, Vector256<float> b, Vector256<float> c, Vector256<float> d, byte* target, long stride)
        {
            Vector256<float> ac0 = Avx.UnpackLow(a, c), ac1 = Avx.UnpackHigh(a, c), bd0 = Avx.UnpackLow(b, d), bd1 = Avx.UnpackHigh(b, d);
            Avx.UnpackLow(ac0, bd0).Store((float*)target);
            Avx.UnpackHigh(ac0, bd0).Store((float*)(target + stride));
            Avx.UnpackLow(ac1, bd1).Store((float*)(target + 2 * stride));
            Avx.UnpackHigh(ac1, bd1).Store((float*)(target + 3 * stride));
        }
    }

    private readonly struct Tile4x64 : ITile
    {
        public static int Size => 4;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Run(byte* source, long sourceStride, byte* target, long targetStride)
        {
            Half(source, sourceStride, target, targetStride);
            Half(source + 16, sourceStride, target + 2 * targetStride, targetStride);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static void Half(byte* source, long sourceStride, byte* target, long targetStride)
        {
            Vector256<double> even = Vector256.Create(Vector128.Load((double*)source), Vector128.Load((double*)(source + 2 * sourceStride)));
            Vector256<double> odd = Vector256.Create(Vector128.Load((double*)(source + sourceStride)), Vector128.Load((double*)(source + 3 * sourceStride)));
            Avx.UnpackLow(even, odd).Store((double*)target);
            Avx.UnpackHigh(even, odd).Store((double*)(target + targetStride));
        }
    }
}
