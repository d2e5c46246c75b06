namespace Parallax.Kernels.Norm;

/// <summary>
/// Normalization of [rows, count] row by row: optionally minus the mean, over the root of variance (or mean square) plus epsilon, times a
/// scale, plus a bias, plus a residual. Element j of row r takes scale and bias number <c>r % RowPeriod * RowStride + j / Run</c>.
/// Inputs data, scale, bias (optional), residual (optional); outputs result, mean, inverse deviation (optional).
/// </summary>
/// <param name="Centered">Whether the mean is subtracted.</param>
public sealed record RowNormalization(long Rows, int Count, bool Centered, double Epsilon)
{
    internal const int ResidualInput = 3;

    public long RowPeriod { get; init; } = 1;

    public long RowStride { get; init; }

    /// <summary>Neighbours that share a scale; 1 gives every element its own, <see cref="Count"/> one to the whole row.</summary>
    public int Run { get; init; } = 1;

    /// <summary>Whether there is an input 2.</summary>
    public bool HasBias { get; init; }

    /// <summary>Whether there is an input 3, [rows, count], which is added to the result.</summary>
    public bool HasResidual { get; init; }

    /// <summary>Whether output 1, the mean of each row, is wanted.</summary>
    public bool KeepsMean { get; init; }

    /// <summary>Whether output 2, the inverse standard deviation of each row, is wanted.</summary>
    public bool KeepsDeviation { get; init; }

    /// <summary>Whether outputs 1 and 2 (mean, inverse standard deviation) are float32 although the data are not.</summary>
    public bool FloatStatistics { get; init; }

    /// <summary>For a scale or bias that broadcasts in another way: the number for each element of a row, and how many rows until the pattern repeats.</summary>
    public (int[] Scale, int[] Bias, long Rows)? Pattern { get; init; }

    internal string Name => Centered ? "layernorm" : "rmsnorm";

    internal long RowsPerBlock => Math.Max(1, 16384 / Math.Max(1, Count));

    internal int Blocks => (int)((Rows + RowsPerBlock - 1) / RowsPerBlock);

    /// <summary>Whether all rows have one scale and one bias for each element.</summary>
    internal bool IsPerElement => Run == 1 && RowPeriod == 1 && Pattern is null;
}
