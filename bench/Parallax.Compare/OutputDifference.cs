namespace Parallax.Compare;

/// <summary>How far two tensors are apart.</summary>
/// <param name="Absolute">The largest difference of two elements; infinite where shapes or types differ or one alone is no number.</param>
/// <param name="Relative">The same over the largest magnitude of the reference.</param>
internal readonly record struct OutputDifference(double Absolute, double Relative)
{
    public static OutputDifference Between(Tensor tensor, Tensor reference)
    {
        if (tensor.DType != reference.DType || !tensor.Dims.SequenceEqual(reference.Dims)) return new(double.PositiveInfinity, double.PositiveInfinity);
        if (tensor.DType != DType.Float32)
            return tensor.Bytes.SequenceEqual(reference.Bytes) ? default : new(double.PositiveInfinity, double.PositiveInfinity);
        ReadOnlySpan<float> a = tensor.Span<float>(), b = reference.Span<float>();
        double worst = 0, largest = 0;
        for (int i = 0; i < a.Length; i++)
        {
            double gap = a[i].Equals(b[i]) ? 0 : Math.Abs((double)a[i] - b[i]);
            worst = Math.Max(worst, double.IsNaN(gap) ? double.PositiveInfinity : gap);
            if (float.IsFinite(b[i])) largest = Math.Max(largest, Math.Abs(b[i]));
        }
        return new(worst, worst == 0 ? 0 : worst / largest);
    }

    public override string ToString() => $"max difference {Absolute:E1}, relative {Relative:E1}";
}

/// <summary>What an output looks like.</summary>
internal readonly record struct TensorSummary(double Min, double Max, double Mean, double Deviation, bool IsFinite)
{
    public static TensorSummary Of(Tensor tensor)
    {
        if (tensor.DType != DType.Float32) return new(double.NaN, double.NaN, double.NaN, double.NaN, IsFinite: true);
        double min = double.PositiveInfinity, max = double.NegativeInfinity, sum = 0, squares = 0;
        bool isFinite = true;
        foreach (float value in tensor.Span<float>())
        {
            isFinite &= float.IsFinite(value);
            (min, max, sum, squares) = (Math.Min(min, value), Math.Max(max, value), sum + value, squares + (double)value * value);
        }
        double mean = sum / tensor.ElementCount;
        return new(min, max, mean, Math.Sqrt(Math.Max(0, squares / tensor.ElementCount - mean * mean)), isFinite);
    }

    public override string ToString() => $"min {Min:G4}, max {Max:G4}, mean {Mean:G4}, deviation {Deviation:G4}{(IsFinite ? "" : ", NOT FINITE")}";
}
