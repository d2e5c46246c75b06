using System.Runtime.InteropServices;

namespace Parallax.Cli.Models;

/// <summary>Contents for an input that nobody gives: floats uniform in [0, 1), integers and booleans 0 or 1. They depend on the seed and the input's name alone.</summary>
internal static class SeededInput
{
    internal static Tensor Create(string name, DType type, long[] dims, int seed)
    {
        var random = new SplitMix(unchecked((ulong)seed * 0x9E3779B97F4A7C15) ^ Hash(name));
        if (type.IsSubByte() && type.IsInteger()) return FillPacked(type, dims, random);
        if (type is DType.String or DType.Undefined || !(type.IsFloat() || type.IsInteger() || type == DType.Bool))
            throw new InvalidInputException($"input '{name}' is missing, and {type} contents cannot be made up: give them with --input {name}=FILE");
        Tensor tensor;
        try
        {
            tensor = Tensor.Allocate(type, dims);
        }
        catch (Exception e) when (e is OutOfMemoryException or OverflowException or ArgumentException)
        {
            throw new InvalidInputException($"input '{name}' would be {type}{Shape.ToString(dims)}, which does not fit into memory", e);
        }
        switch (type)
        {
            case DType.Float32: Fill(tensor.Span<float>(), r => r.NextFloat(), random); break;
            case DType.Float64: Fill(tensor.Span<double>(), r => r.NextFloat(), random); break;
            case DType.Float16: Fill(tensor.Span<Half>(), r => NextBelowOne(r), random); break;
            case DType.BFloat16: Fill(tensor.Span<BFloat16>(), r => BFloat16.Round(MathF.Floor(r.NextFloat() * 256) / 256), random); break;
            default: FillIntegers(tensor, random); break;
        }
        return tensor;
    }

    private static void Fill<T>(Span<T> span, Func<SplitMix, T> next, SplitMix random)
    {
        for (int i = 0; i < span.Length; i++) span[i] = next(random);
    }

    /// <summary>Rounded down, so that 1 stays out.</summary>
    private static Half NextBelowOne(SplitMix random) => (Half)(MathF.Floor(random.NextFloat() * 2048) / 2048);

    private static void FillIntegers(Tensor tensor, SplitMix random)
    {
        Span<byte> bytes = tensor.Bytes;
        bytes.Clear();
        int size = tensor.DType.ElementBytes();
        for (int i = 0; i < bytes.Length; i += size) bytes[i] = (byte)random.NextBit(); // little-endian
    }

    private static Tensor FillPacked(DType type, long[] dims, SplitMix random)
    {
        Tensor tensor = Tensor.Zeros(type, dims);
        int bits = type.BitWidth(), perByte = 8 / bits;
        for (int i = 0; i < tensor.ElementCount; i++) tensor.Bytes[i / perByte] |= (byte)(random.NextBit() << (i % perByte * bits));
        return tensor;
    }

    private static ulong Hash(string name)
    {
        ulong hash = 14695981039346656037; // FNV-1a
        foreach (byte b in MemoryMarshal.AsBytes(name.AsSpan())) hash = (hash ^ b) * 1099511628211;
        return hash;
    }

    private sealed class SplitMix(ulong state)
    {
        internal float NextFloat() => (Next() >> 40) * (1f / (1 << 24));

        internal int NextBit() => (int)(Next() >> 63);

        private ulong Next()
        {
            ulong z = state += 0x9E3779B97F4A7C15;
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
            return z ^ (z >> 31);
        }
    }
}
