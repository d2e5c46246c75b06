using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>The codes, zero point included, that a quantized result may take: what a Relu or Clip before the rounding leaves of the type's range.</summary>
public readonly record struct CodeRange(int Low, int High)
{
    /// <summary>Whatever the type can hold.</summary>
    public static CodeRange OfType { get; } = new(int.MinValue, int.MaxValue);

    /// <summary>What <c>Clip(., <paramref name="low"/>, <paramref name="high"/>)</c> of values in this range can be; the upper bound wins where it is the lower.</summary>
    public CodeRange Clip(int low, int high) => new(Math.Min(Math.Max(Low, low), high), Math.Min(Math.Max(High, low), high));
}

/// <summary>
/// Products of 8-bit integers. Inputs in order: A, B, zero of A, zero of B (both optional); or, where the result is requantized, A, its scale and zero, B, its
/// scale and zero, scale and zero of the result, then optionally a bias (one number per output channel or column) and its scale. A float32 bias is in real units,
/// an int32 one in units of its scale or, in a convolution without that, of the product of A's and B's scales.
/// </summary>
public abstract record IntegerProduct(bool Requantizes) : Op
{
    /// <summary>Position of the bias.</summary>
    public const int Bias = 8;

    /// <summary>Position of the scale of the bias.</summary>
    public const int BiasScale = 9;

    /// <summary>The codes that a requantized result may take.</summary>
    public CodeRange Range { get; init; } = CodeRange.OfType;

    /// <summary>Whether zero points of 8-bit weights, 0 where there are none, lie in the middle of their type, so that differences from them are 8-bit numbers too.</summary>
    public static bool AreCentered(Tensor weights, Tensor? zeros)
    {
        byte middle = weights.DType == DType.Int8 ? (byte)0 : (byte)0x80;
        return zeros is null ? middle == 0 : !zeros.Bytes.ContainsAnyExcept(middle);
    }

    /// <summary>Position of B; A is input 0.</summary>
    public int B => Requantizes ? 3 : 1;

    public sealed override ImmutableArray<Fact> Infer(InferContext context)
    {
        foreach (int operand in (ReadOnlySpan<int>)[0, B])
            if (context.Tensor(operand) is { Type: not (DType.UInt8 or DType.Int8 or DType.Undefined) } wrong)
                throw new InvalidModelException($"input {operand} must be uint8 or int8, got {wrong}");
        var real = (TensorFact)Real.Infer(new InferContext([context.Tensor(0), context.Tensor(B)], 1))[0];
        return [new TensorFact(Requantizes ? context.Tensor(7).Type : DType.Int32, real.Shape)];
    }

    public sealed override Cost Cost(ReadOnlySpan<Fact?> inputs, ReadOnlySpan<Fact?> outputs) =>
        new(Real.Cost([inputs[0], inputs[B]], outputs).Macs, CostOf.Bytes(inputs) + CostOf.Bytes(outputs));

    /// <summary>The same product of real numbers.</summary>
    private protected abstract Op Real { get; }
}

/// <summary>
/// MatMul of uint8 or int8 matrices whose zero points are subtracted, summed in int32: the sums, or (<paramref name="Requantizes"/>) their nearest 8-bit integers
/// under the result's scale. Zero points and scales are scalars, or hold one number per row of A, per column of B.
/// </summary>
public sealed record IntegerMatMul(bool Requantizes) : IntegerProduct(Requantizes)
{
    public override string Name => Requantizes ? "QLinearMatMul" : "MatMulInteger";

    private protected override Op Real => new MatMul();
}

/// <summary>
/// Convolution of uint8 or int8 data whose zero points are subtracted, summed in int32: the sums, or (<paramref name="Requantizes"/>) their nearest 8-bit integers
/// under the result's scale. Zero point and scale of the weights are scalars, or hold one number per output channel.
/// </summary>
/// <param name="Window">An empty kernel is taken from the weights.</param>
public sealed record IntegerConv(SpatialWindow Window, long Groups, bool Requantizes) : IntegerProduct(Requantizes)
{
    public override string Name => Requantizes ? "QLinearConv" : "ConvInteger";

    /// <summary>Whether data and result are [N, spatial..., C]; of those, all inputs but the data are constant. The weights have the same form either way.</summary>
    public bool ChannelsLast { get; init; }

    public SpatialWindow WindowOver(Shape weights) => First.WindowOver(weights);

    private protected override Op Real => ChannelsLast ? new ConvLast(First) : First;

    private Conv First => new(Window, Groups);

    /// <summary>A convolution of data with channels last.</summary>
    private sealed record ConvLast(Conv First) : Op
    {
        public override ImmutableArray<Fact> Infer(InferContext context)
        {
            TensorFact data = context.Tensor(0);
            if (context.Shape(0, minRank: 3) is not { } x) return [new TensorFact(data.Type)];
            var first = (TensorFact)First.Infer(new InferContext([new TensorFact(data.Type, new Shape([.. Ops.ChannelsLast.DimsFirst(x.Dims.AsSpan())])), context.Tensor(1)], 1))[0];
            return [first.Shape is { } y ? new TensorFact(first.Type, new Shape([.. Ops.ChannelsLast.DimsLast(y.Dims.AsSpan())])) : first];
        }

        public override Cost Cost(ReadOnlySpan<Fact?> inputs, ReadOnlySpan<Fact?> outputs) => First.Cost(inputs, outputs);
    }
}

/// <summary>
/// <c>float((A - AZero) (B - BZero)) * scale + bias</c> for MatMul of uint8 or int8 matrices, summed in int32, rounded to float32 after each step. Inputs: A, B (a constant matrix), AZero (optional, one),
/// BZero (optional, constants that are all the same), scale (one, or one per column), bias (optional, one per column).
/// </summary>
public sealed record ScaledIntegerMatMul : Op
{
    /// <summary>Position of the scale.</summary>
    public const int Scale = 4;

    /// <summary>Position of the bias.</summary>
    public const int Bias = 5;

    private static readonly IntegerMatMul Product = new(Requantizes: false);

    public override string Name => "MatMulIntegerToFloat";

    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        var sums = (TensorFact)Product.Infer(new InferContext([context.Tensor(0), context.Tensor(1)], 1))[0];
        return [new TensorFact(DType.Float32, sums.Shape)];
    }

    public override Cost Cost(ReadOnlySpan<Fact?> inputs, ReadOnlySpan<Fact?> outputs) => new(new MatMul().Cost(inputs[..2], outputs).Macs, CostOf.Bytes(inputs) + CostOf.Bytes(outputs));
}
