using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace Parallax.Planning;

/// <summary>How well a predictor does on problems that it never saw: one that was made as it was, but without some problems that were kept apart.</summary>
/// <param name="Samples">That it was trained with, those for early stopping included.</param>
/// <param name="HeldOut">Samples of problems that were kept apart to judge.</param>
/// <param name="Mape">Mean of |predicted - measured| / measured over those.</param>
/// <param name="P90">The error that nine in ten of those stay within.</param>
/// <param name="AssumedMape">As <paramref name="Mape"/>, for the prediction without a predictor.</param>
public sealed record PredictorAccuracy(int Samples, int HeldOut, double Mape, double P90, double AssumedMape);

/// <summary>
/// Predicts the time of one kind of operator on one device: a dispatch, and e to the power of a linear function of the features, corrected by boosted trees.
/// The linear part carries on where no sample was measured, the trees bend it where some were. Immutable, thread-safe; predicting allocates nothing.
/// </summary>
/// <param name="Kind">What <see cref="KindOf"/> says of the operators.</param>
/// <param name="DispatchUs">Time of any dispatch, beside the work.</param>
/// <param name="Implementations">Kernels that were seen, the ones that were faster for their work first.</param>
/// <param name="MinUnits">The least work that was measured.</param>
/// <param name="Typical">By feature, what stands in where it is not known.</param>
/// <param name="Costs">Of the amounts of work, in microseconds: their sum is a feature. For kernels that are not known.</param>
/// <param name="KernelCosts">The same by implementation, in the order of <paramref name="Implementations"/>, one behind another.</param>
public sealed record LatencyPredictor(
    OpClass Kind,
    double DispatchUs,
    long MinUnits,
    long MaxUnits,
    ImmutableArray<string> Implementations,
    double Base,
    [property: JsonConverter(typeof(FloatsOnOneLine))] ImmutableArray<float> Weights,
    [property: JsonConverter(typeof(FloatsOnOneLine))] ImmutableArray<float> Typical,
    ImmutableArray<double> Costs,
    ImmutableArray<double> KernelCosts,
    BoostedTrees Trees,
    PredictorAccuracy Accuracy)
{
    /// <summary>How far beyond the least and the most work that was measured a prediction is worth having.</summary>
    private const double Reach = 2;

    /// <summary>The kind of work that shares a predictor: products whatever their rows, convolutions whatever their taps but for depthwise ones, each other class for itself.</summary>
    public static OpClass KindOf(in StepWork work) => work switch
    {
        { Extents.Taps: > 0, Class: not OpClass.Depthwise } => OpClass.Convolution,
        { Class: OpClass.FewRows } => OpClass.Dense,
        _ => work.Class,
    };

    /// <summary>Whether the work is of the predictor's kind, and of about a size that was measured.</summary>
    public bool Covers(in StepWork work) => work.Extents.IsKnown && KindOf(work) == Kind && work.Units >= MinUnits / Reach && work.Units <= MaxUnits * Reach;

    /// <summary>The first that covers the work; null where none does.</summary>
    internal static LatencyPredictor? For(in StepWork work, ImmutableArray<LatencyPredictor> predictors)
    {
        foreach (LatencyPredictor predictor in predictors)
            if (predictor.Covers(work)) return predictor;
        return null;
    }

    /// <summary>Predicted microseconds, a dispatch included.</summary>
    /// <param name="units">Workers, or a device's compute units.</param>
    public double PredictUs(in StepWork work, int units, in KernelFacts kernel) => DispatchUs + WorkUs(work, units, kernel);

    /// <summary>Predicted microseconds of the work alone.</summary>
    /// <inheritdoc cref="PredictUs" path="/param"/>
    public double WorkUs(in StepWork work, int units, in KernelFacts kernel)
    {
        Span<float> features = stackalloc float[LatencyFeatures.Count];
        Write(work, units, kernel, features);
        return Math.Exp(Linear(features) + Trees.Evaluate(features));
    }

    internal double Linear(ReadOnlySpan<float> features)
    {
        double sum = Base;
        for (int i = 0; i < features.Length; i++) sum += Weights[i] * (features[i] - Typical[i]);
        return sum;
    }

    internal void Write(in StepWork work, int units, in KernelFacts kernel, Span<float> features)
    {
        int place = kernel.Implementation is null ? -1 : Implementations.IndexOf(kernel.Implementation);
        LatencyFeatures.Write(work, units, kernel, place < 0 ? float.NaN : place, CostsOf(place), features);
        for (int i = 0; i < features.Length; i++)
            if (float.IsNaN(features[i])) features[i] = Typical[i];
    }

    private ReadOnlySpan<double> CostsOf(int place) => place < 0 ? Costs.AsSpan() : KernelCosts.AsSpan(place * WorkAmounts.Count, WorkAmounts.Count);

    /// <summary>Why one of them cannot be used; null where all can.</summary>
    internal static string? FaultOf(ImmutableArray<LatencyPredictor> predictors) =>
        predictors.Select(p => p is null ? "a predictor is missing" : p.Fault()).FirstOrDefault(fault => fault is not null);

    /// <summary>Why the predictor cannot be used; null where it can.</summary>
    private string? Fault()
    {
        string name = $"the predictor of {Kind}";
        if (Implementations.IsDefault || Weights.IsDefault || Typical.IsDefault || Costs.IsDefault || KernelCosts.IsDefault || Trees is null || Accuracy is null) return $"{name} is not complete";
        if (Weights.Length != LatencyFeatures.Count || Typical.Length != LatencyFeatures.Count) return $"{name} has not {LatencyFeatures.Count} features";
        if (Costs.Length != WorkAmounts.Count) return $"{name} has not {WorkAmounts.Count} costs";
        if (KernelCosts.Length != Implementations.Length * WorkAmounts.Count) return $"{name} has not {WorkAmounts.Count} costs for each kernel";
        if (!double.IsFinite(Base) || !(DispatchUs >= 0) || !double.IsFinite(DispatchUs) || !Weights.All(float.IsFinite) || !Typical.All(float.IsFinite) || !Costs.Concat(KernelCosts).All(c => double.IsFinite(c) && c >= 0)) return $"{name} has numbers that are none";
        return Trees.IsSound(LatencyFeatures.Count) ? null : $"{name} has trees that lead nowhere";
    }
}
