namespace Parallax.Kernels;

/// <summary>
/// The generator MT19937 (Matsumoto and Nishimura 1998), seeded and read as NumPy's legacy <c>numpy.random.seed</c>, <c>random_sample</c> and
/// <c>standard_normal</c> do: the same seed gives the numbers that ONNX's reference gives. The state lies in memory that the caller lends.
/// </summary>
internal unsafe struct MersenneTwister
{
    private const int Length = 624, Shift = 397;

    internal const int StateBytes = Length * sizeof(uint);

    private readonly uint* state;
    private int next;
    private double spareNormal;
    private bool hasSpare;

    internal MersenneTwister(byte* memory, uint seed)
    {
        state = (uint*)memory;
        next = Length;
        for (uint i = 0; i < Length; i++)
        {
            state[i] = seed;
            seed = 1812433253u * (seed ^ (seed >> 30)) + i + 1;
        }
    }

    /// <summary>Uniform in [0, 1), 53 bits.</summary>
    internal double NextDouble()
    {
        uint high = NextBits() >> 5, low = NextBits() >> 6;
        return (high * 67108864.0 + low) / 9007199254740992.0;
    }

    /// <summary>Normal with mean 0 and variance 1, by Marsaglia's polar method.</summary>
    internal double NextNormal()
    {
        if (hasSpare)
        {
            hasSpare = false;
            return spareNormal;
        }
        double x, y, square;
        do
        {
            x = 2 * NextDouble() - 1;
            y = 2 * NextDouble() - 1;
            square = x * x + y * y;
        }
        while (square is >= 1 or 0);
        double factor = Math.Sqrt(-2 * Math.Log(square) / square);
        spareNormal = factor * x;
        hasSpare = true;
        return factor * y;
    }

    private uint NextBits()
    {
        if (next == Length) Refill();
        uint y = state[next++];
        y ^= y >> 11;
        y ^= (y << 7) & 0x9D2C5680u;
        y ^= (y << 15) & 0xEFC60000u;
        return y ^ (y >> 18);
    }

    private void Refill()
    {
        for (int i = 0; i < Length; i++)
        {
            uint y = (state[i] & 0x80000000u) | (state[(i + 1) % Length] & 0x7FFFFFFFu);
            state[i] = state[(i + Shift) % Length] ^ (y >> 1) ^ ((y & 1) == 0 ? 0u : 0x9908B0DFu);
        }
        next = 0;
    }
}
