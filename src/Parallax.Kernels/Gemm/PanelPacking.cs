using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Parallax.Kernels;

/// <summary>Copies a strided matrix into panels: <c>target[k * width + lane] = source[lane * laneStride + k * depthStride]</c>.</summary>
internal static unsafe class PanelPacking
{
    /// <summary>Packs one panel. Lanes from <paramref name="lanes"/> to <paramref name="width"/> become zero.</summary>
    internal static void Pack(float* target, int width, float* source, int lanes, int depth, nint laneStride, nint depthStride)
    {
        if (lanes < width)
            new Span<float>(target, width * depth).Clear();
        if (laneStride == 1)
            CopyLanes(target, width, source, lanes, depth, depthStride);
        else if (depthStride == 1)
            Transpose(target, width, source, lanes, depth, laneStride);
        else
            Gather(target, width, source, lanes, depth, laneStride, depthStride);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void CopyLanes(float* target, int width, float* source, int lanes, int depth, nint depthStride)
    {
        for (int k = 0; k < depth; k++, target += width, source += depthStride)
        {
            int lane = 0;
            for (; lane <= lanes - 16; lane += 16)
                Vector512.Store(Vector512.Load(source + lane), target + lane);
            for (; lane <= lanes - 4; lane += 4)
                Vector128.Store(Vector128.Load(source + lane), target + lane);
            for (; lane < lanes; lane++)
                target[lane] = source[lane];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Transpose(float* target, int width, float* source, int lanes, int depth, nint laneStride)
    {
        if (lanes < 4 || depth < 4)
        {
            Gather(target, width, source, lanes, depth, laneStride, 1);
            return;
        }
        // The last square of a row and of a column overlaps the one before it and writes the same values again.
        for (int lane = 0; lane < lanes; lane += 4)
        {
            int at = Math.Min(lane, lanes - 4);
            float* first = source + at * laneStride;
            for (int step = 0; step < depth; step += 4)
            {
                int k = Math.Min(step, depth - 4);
                float* row = first + k, to = target + k * width + at;
                Vector128<float> r0 = Vector128.Load(row), r1 = Vector128.Load(row + laneStride);
                Vector128<float> r2 = Vector128.Load(row + 2 * laneStride), r3 = Vector128.Load(row + 3 * laneStride);
                Transpose4(ref r0, ref r1, ref r2, ref r3);
                Vector128.Store(r0, to);
                Vector128.Store(r1, to + width);
                Vector128.Store(r2, to + 2 * width);
                Vector128.Store(r3, to + 3 * width);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Transpose4(ref Vector128<float> r0, ref Vector128<float> r1, ref Vector128<float> r2, ref Vector128<float> r3)
    {
        Vector128<float> low02 = ZipLower(r0, r2), high02 = ZipUpper(r0, r2), low13 = ZipLower(r1, r3), high13 = ZipUpper(r1, r3);
        r0 = ZipLower(low02, low13);
        r1 = ZipUpper(low02, low13);
        r2 = ZipLower(high02, high13);
        r3 = ZipUpper(high02, high13);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> ZipLower(Vector128<float> a, Vector128<float> b) =>
        Sse.IsSupported ? Sse.UnpackLow(a, b)
        : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipLow(a, b)
        : Vector128.Create(a[0], b[0], a[1], b[1]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> ZipUpper(Vector128<float> a, Vector128<float> b) =>
        Sse.IsSupported ? Sse.UnpackHigh(a, b)
        : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipHigh(a, b)
        : Vector128.Create(a[2], b[2], a[3], b[3]);

    private static void Gather(float* target, int width, float* source, int lanes, int depth, nint laneStride, nint depthStride)
    {
        for (int lane = 0; lane < lanes; lane++, source += laneStride)
            for (int k = 0; k < depth; k++)
                target[k * width + lane] = source[k * depthStride];
    }
}
