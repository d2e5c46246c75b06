namespace Parallax.Suite;

/// <summary>Reproducible contents.</summary>
public static class RandomData
{
    /// <summary>Uniform in [-1, 1).</summary>
    public static float[] Floats(int count, int seed)
    {
        var random = new Random(seed);
        var values = new float[count];
        for (int i = 0; i < count; i++)
            values[i] = (float)(random.NextDouble() * 2 - 1);
        return values;
    }

    public static T[] Integers<T>(int count, int seed, int min, int max) where T : System.Numerics.INumber<T>
    {
        var random = new Random(seed);
        var values = new T[count];
        for (int i = 0; i < count; i++)
            values[i] = T.CreateTruncating(random.Next(min, max + 1));
        return values;
    }
}
