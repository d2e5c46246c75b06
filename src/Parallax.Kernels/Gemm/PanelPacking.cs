using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Parallax.Kernels;

/// <summary>Copies a strided matrix into panels: <c>target[k * width + lane] = source[lane * laneStride + k * depthStride]</c>.</summary>
internal static unsafe class PanelPacking
{
    /// <summary>Packs one panel. Lanes from <paramref name="lanes"/> to <paramref name="width"/> become zero.</summary>
    internal static void Pack(float* target, int width, float* source, int lanes, int depth, nint laneStride, nint depthStride)
    {
        if (lanes < width)
            new Span<float>(target, width * depth).Clear();
        Copy(target, width, source, lanes, depth, laneStride, depthStride);
    }

    /// <summary>The same, with whatever there was behind the last lane.</summary>
    internal static void Copy(float* target, nint width, float* source, int lanes, int depth, nint laneStride, nint depthStride)
    {
        if (laneStride == 1)
            CopyLanes(target, width, source, lanes, depth, depthStride);
        else if (depthStride == 1)
            Transpose(target, width, source, lanes, depth, laneStride);
        else
            Gather(target, width, source, lanes, depth, laneStride, depthStride);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void CopyLanes(float* target, nint width, float* source, int lanes, int depth, nint depthStride)
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
    private static void Transpose(float* target, nint width, float* source, int lanes, int depth, nint laneStride)
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
                Lanes128.Transpose(ref r0, ref r1, ref r2, ref r3);
                Vector128.Store(r0, to);
                Vector128.Store(r1, to + width);
                Vector128.Store(r2, to + 2 * width);
                Vector128.Store(r3, to + 3 * width);
            }
        }
    }

    private static void Gather(float* target, nint width, float* source, int lanes, int depth, nint laneStride, nint depthStride)
    {
        for (int lane = 0; lane < lanes; lane++, source += laneStride)
            for (int k = 0; k < depth; k++)
                target[k * width + lane] = source[k * depthStride];
    }
}
