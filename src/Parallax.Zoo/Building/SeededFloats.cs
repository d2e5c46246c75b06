using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Text;

namespace Parallax.Zoo;

/// <summary>
/// Weights that depend on nothing but a seed, the weight's name and the element's index: a hash of a counter. The same bits on every machine,
/// with or without vectors. The hash is "lowbias32" (C. Wellons), its second half keyed, so that two streams are not windows of one sequence.
/// </summary>
internal static class SeededFloats
{
    private const uint FirstFactor = 0x7FEB352D, SecondFactor = 0x846CA68B;

    /// <summary>Fills with numbers uniform in <paramref name="mean"/> ± <paramref name="halfWidth"/>.</summary>
    public static void Fill(Span<float> target, int seed, string stream, float mean, float halfWidth)
    {
        ulong key = Key(seed, stream);
        var (first, second) = ((uint)key, (uint)(key >> 32));
        float scale = halfWidth / 2147483648f;
        ref float start = ref MemoryMarshal.GetReference(target);
        int i = 0;
        Vector256<uint> counter = Vector256<uint>.Indices + Vector256.Create(first), step = Vector256.Create(8u);
        for (; i <= target.Length - Vector256<float>.Count; i += Vector256<float>.Count, counter += step)
        {
            Vector256<uint> x = (counter ^ (counter >>> 16)) * Vector256.Create(FirstFactor);
            x = ((x ^ (x >>> 15)) ^ Vector256.Create(second)) * Vector256.Create(SecondFactor);
            Vector256<float> value = Vector256.ConvertToSingle((x ^ (x >>> 16)).AsInt32()) * scale + Vector256.Create(mean);
            value.StoreUnsafe(ref Unsafe.Add(ref start, i));
        }
        for (; i < target.Length; i++) target[i] = At((uint)i, first, second) * scale + mean;
    }

    private static float At(uint index, uint first, uint second)
    {
        uint x = index + first;
        x = (x ^ (x >> 16)) * FirstFactor;
        x = ((x ^ (x >> 15)) ^ second) * SecondFactor;
        return (int)(x ^ (x >> 16));
    }

    /// <summary>FNV-1a over seed and name, its bits then spread.</summary>
    private static ulong Key(int seed, string stream)
    {
        ulong hash = 0xCBF29CE484222325 ^ (uint)seed;
        foreach (byte b in Encoding.UTF8.GetBytes(stream)) hash = (hash ^ b) * 0x100000001B3;
        hash = (hash ^ (hash >> 32)) * 0xD6E8FEB86659FD93;
        return hash ^ (hash >> 32);
    }
}
