namespace Parallax.Kernels.Resize;

/// <summary>
/// One axis of a separable resampling: <c>result[o] = bias[o] + sum over k of weight[o, k] * data[index[o, k]]</c>, with the same number of
/// taps for every position.
/// </summary>
/// <param name="InLength">Length of the axis before; every index is below it.</param>
/// <param name="Indices">[length, taps].</param>
/// <param name="Weights">[length, taps].</param>
/// <param name="Bias">[length], or empty where all are 0.</param>
public sealed record AxisWeights(long InLength, int Taps, int[] Indices, double[] Weights, double[] Bias)
{
    public long Length => Indices.Length / Taps;

    /// <summary>The axes that do not stay as they are, in the order in which they are resampled: the ones that shrink the data most first.</summary>
    public static int[] Order(IReadOnlyList<AxisWeights> axes) =>
        [.. Enumerable.Range(0, axes.Count).Where(a => !axes[a].IsIdentity).OrderBy(a => axes[a].Length / (double)Math.Max(1, axes[a].InLength)).ThenByDescending(a => a)];

    /// <summary>Whether the axis stays as it is.</summary>
    public bool IsIdentity
    {
        get
        {
            if (InLength != Length || Bias.Length > 0) return false;
            for (int o = 0; o < Length; o++)
                for (int k = 0; k < Taps; k++)
                    if (Indices[o * Taps + k] != o && Weights[o * Taps + k] != 0 || Indices[o * Taps + k] == o && Weights[o * Taps + k] is not (0 or 1)) return false;
            return true;
        }
    }
}
