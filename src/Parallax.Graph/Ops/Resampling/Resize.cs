using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>How <see cref="Resize"/> makes a value from its neighbours.</summary>
public enum ResizeMode
{
    Nearest,
    Linear,
    Cubic,
}

/// <summary>Where a position of the result lies in the input; the formulas are ONNX's.</summary>
public enum ResizeCoordinates
{
    HalfPixel,
    HalfPixelSymmetric,
    PytorchHalfPixel,
    AlignCorners,
    Asymmetric,
    TfHalfPixelForNearest,
    TfCropAndResize,
}

/// <summary>Which neighbour is nearest.</summary>
public enum ResizeRounding
{
    PreferFloor,
    PreferCeil,
    Floor,
    Ceil,
}

/// <summary>What sizes mean for the ratio of the resized axes.</summary>
public enum ResizeAspect
{
    /// <summary>Each axis gets its size.</summary>
    Stretch,

    /// <summary>All axes get the smallest of the scales.</summary>
    NotLarger,

    /// <summary>All axes get the largest of the scales.</summary>
    NotSmaller,
}

/// <summary>Length and scale of one axis of a resize.</summary>
/// <param name="Scaled">The length before rounding, which some coordinate formulas use.</param>
public readonly record struct ResizedAxis(long Length, double Scale, double Scaled);

/// <summary>Inputs: data, region (for TfCropAndResize), scales, sizes; either scales or sizes are given, for <see cref="Axes"/> or all axes.</summary>
public sealed record Resize(ResizeMode Mode) : Op
{
    public ResizeCoordinates Coordinates { get; init; } = ResizeCoordinates.HalfPixel;

    public ResizeRounding Rounding { get; init; } = ResizeRounding.PreferFloor;

    public ResizeAspect Aspect { get; init; } = ResizeAspect.Stretch;

    /// <summary>The parameter of the cubic kernel.</summary>
    public float CubicA { get; init; } = -0.75f;

    /// <summary>Whether neighbours outside of the data get no weight, instead of the value of the edge.</summary>
    public bool ExcludeOutside { get; init; }

    /// <summary>What TfCropAndResize takes for positions outside of the data.</summary>
    public float Extrapolation { get; init; }

    /// <summary>Whether the kernel is widened where an axis becomes shorter.</summary>
    public bool Antialias { get; init; }

    /// <summary>Default: all axes.</summary>
    public ImmutableArray<long> Axes { get; init; }

    public override bool AcceptsNarrowFloats => Mode == ResizeMode.Nearest;

    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact data = context.Tensor(0);
        if (data.Shape is not { } shape) return [new TensorFact(data.Type)];
        int[] axes = For(shape.Rank);
        TensorFact? scales = Given(context.OptionalTensor(2)), sizes = Given(context.OptionalTensor(3));
        if (scales is { Type: not (DType.Float32 or DType.Undefined) }) throw new InvalidModelException($"scales must be Float32, got {scales}");
        if ((scales is null) == (sizes is null)) throw new InvalidModelException("needs either scales or sizes");
        if (Coordinates == ResizeCoordinates.TfCropAndResize && context.OptionalTensor(1) is { Constant: null }) return [new TensorFact(data.Type, Unknown(shape, axes))];
        if (shape.IsKnown && Resolve(shape.ToArray(), scales?.Constant, sizes is not null && sizes.TryGetInts(out long[] known) ? known : null) is { } resized)
            return [new TensorFact(data.Type, Shape.Of([.. resized.Select(a => a.Length)]))];
        return [new TensorFact(data.Type, Symbolic(context, shape, axes, scales, sizes))];
    }

    public override Cost Cost(ReadOnlySpan<Fact?> inputs, ReadOnlySpan<Fact?> outputs)
    {
        Dim elements = CostOf.Elements(outputs[0]);
        return new Cost(Mode switch { ResizeMode.Nearest => 0, ResizeMode.Linear => elements * 4, _ => elements * 16 }, CostOf.Bytes(inputs) + CostOf.Bytes(outputs));
    }

    /// <summary>The resized axes for a rank, in the order of scales and sizes.</summary>
    public int[] For(int rank) => Axes.IsDefault ? Mapping.Positions(rank) : ShapeRules.Axes(Axes.AsSpan(), rank);

    /// <summary>Every axis of the result; null where neither scales nor sizes are known.</summary>
    public ResizedAxis[]? Resolve(ReadOnlySpan<long> dims, Tensor? scales, long[]? sizes)
    {
        int[] axes = For(dims.Length);
        var result = new ResizedAxis[dims.Length];
        for (int i = 0; i < result.Length; i++) result[i] = new ResizedAxis(dims[i], 1, dims[i]);
        if (scales is not null)
        {
            Span<float> factors = scales.Span<float>();
            CheckCount(factors.Length, axes.Length, "scales");
            for (int i = 0; i < axes.Length; i++)
            {
                if (!(factors[i] > 0) || float.IsInfinity(factors[i])) throw new InvalidModelException($"scale {factors[i]} must be a positive number");
                result[axes[i]] = new ResizedAxis((long)(dims[axes[i]] * factors[i]), factors[i], dims[axes[i]] * (double)factors[i]);
            }
            return result;
        }
        if (sizes is null) return null;
        CheckCount(sizes.Length, axes.Length, "sizes");
        double[] ratios = new double[axes.Length];
        for (int i = 0; i < axes.Length; i++)
        {
            if (sizes[i] < 0 || sizes[i] > 0 && dims[axes[i]] == 0) throw new InvalidModelException($"axis {axes[i]} of length {dims[axes[i]]} cannot become {sizes[i]}");
            ratios[i] = dims[axes[i]] == 0 ? 1 : sizes[i] / (double)dims[axes[i]];
            result[axes[i]] = new ResizedAxis(sizes[i], ratios[i], sizes[i]);
        }
        if (Aspect == ResizeAspect.Stretch || ratios.Length == 0) return result;
        double scale = Aspect == ResizeAspect.NotLarger ? ratios.Min() : ratios.Max();
        foreach (int axis in axes) result[axis] = new ResizedAxis((long)(scale * dims[axis] + 0.5), scale, scale * dims[axis]);
        return result;
    }

    /// <summary>An optional input that is there and not empty.</summary>
    public static TensorFact? Given(TensorFact? fact) => fact is { Shape: { IsKnown: true } shape } && shape.Elements == 0 ? null : fact;

    private static void CheckCount(int count, int axes, string what)
    {
        if (count != axes) throw new InvalidModelException($"{count} {what} for {axes} axes");
    }

    private Shape Symbolic(InferContext context, Shape shape, int[] axes, TensorFact? scales, TensorFact? sizes)
    {
        Shape result = Unknown(shape, axes);
        if (sizes is not null && Aspect == ResizeAspect.Stretch && Contents.TryGet(context, 3, out ImmutableArray<Dim> lengths) && lengths.Length == axes.Length)
            for (int i = 0; i < axes.Length; i++) result = result.With(axes[i], lengths[i]);
        if (scales?.Constant is { } factors && factors.ElementCount == axes.Length)
            for (int i = 0; i < axes.Length; i++)
                if (factors.Span<float>()[i] is var factor) result = result.With(axes[i], Scaled(shape[axes[i]], factor));
        return result;
    }

    private static Dim Scaled(Dim dim, float factor)
    {
        if (dim.TryGetValue(out long length)) return (long)(length * factor);
        if (factor == MathF.Floor(factor) && factor < 1 << 20) return dim * (long)factor;
        float inverse = 1 / factor;
        return inverse == MathF.Floor(inverse) && inverse < 1 << 20 ? Dim.FloorDiv(dim, (long)inverse) : FreshDim.Of("resize");
    }

    private static Shape Unknown(Shape shape, int[] axes)
    {
        foreach (int axis in axes) shape = shape.With(axis, FreshDim.Of("resize"));
        return shape;
    }
}
