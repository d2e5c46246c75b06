using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>
/// Products of 8-bit integers. Inputs in order: A, B, zero of A, zero of B (both optional); or, where the result is requantized, A, its scale and zero, B, its
/// scale and zero, scale and zero of the result, and of a convolution the int32 bias (optional).
/// </summary>
public abstract record IntegerProduct(bool Requantizes) : Op
{
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

    public SpatialWindow WindowOver(Shape weights) => new Conv(Window, Groups).WindowOver(weights);

    private protected override Op Real => new Conv(Window, Groups);
}
