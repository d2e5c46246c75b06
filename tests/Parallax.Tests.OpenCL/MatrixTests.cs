using Parallax.Graphs.Ops;
using Parallax.OpenCL.Bindings;
using Xunit;
using static Parallax.Tests.OpenCL.ClHarness;

namespace Parallax.Tests.OpenCL;

public sealed class MatrixTests
{
    private const double Tolerance = 1e-4;

    [ClTheory]
    [InlineData("1,1", "1,1")]
    [InlineData("5,7", "7,3")]
    [InlineData("17,33", "33,40")]
    [InlineData("64,64", "64,64")]
    [InlineData("1,300", "300,77")]
    [InlineData("3,19", "19,130")]
    [InlineData("9", "9")]
    [InlineData("9", "9,5")]
    [InlineData("4,9", "9")]
    [InlineData("3,4,9", "9")]
    [InlineData("4,0", "0,5")]
    [InlineData("0,4", "4,5")]
    [InlineData("3,6,10", "10,12")]
    [InlineData("3,6,10", "3,10,16")]
    [InlineData("3,1,6,10", "4,10,7")]
    [InlineData("1,4,6,10", "3,1,10,8")]
    [InlineData("2,1,2,5,4", "1,3,1,4,9")]
    public void Products_of_batches(string first, string second)
    {
        Tensor a = Floats(1, 1, Dims(first)), b = Floats(2, 1, Dims(second));
        Agrees(new MatMul(), [a, b], Tolerance);
        Agrees(new MatMul(Alpha: 0.5f), [a, b], Tolerance, constants: 1);
    }

    [ClTheory]
    [InlineData("7,5", "7,9", true, false)]
    [InlineData("5,7", "16,7", false, true)]
    [InlineData("3,7,5", "7,9", true, false)]
    [InlineData("3,7,5", "3,11,7", true, true)]
    [InlineData("2,3,5,7", "3,8,7", false, true)]
    public void Products_of_transposed_operands(string first, string second, bool transposeA, bool transposeB)
    {
        Tensor a = Floats(1, 1, Dims(first)), b = Floats(2, 1, Dims(second));
        Agrees(new MatMul(transposeA, transposeB), [a, b], Tolerance);
        Agrees(new MatMul(transposeA, transposeB), [a, b], Tolerance, constants: 1);
    }

    [ClTheory]
    [InlineData("")]
    [InlineData("1")]
    [InlineData("21")]
    [InlineData("1,21")]
    [InlineData("13,1")]
    [InlineData("13,21")]
    public void Gemm_adds_a_broadcast_term(string third)
    {
        Tensor a = Floats(1, 1, 13, 30), b = Floats(2, 1, 30, 21), at = Floats(1, 1, 30, 13), bt = Floats(2, 1, 21, 30), c = Floats(3, 1, Dims(third));
        Agrees(new Gemm(0.5f, 2), [a, b, c], Tolerance);
        Agrees(new Gemm(0.5f, 2, TransposeA: true, TransposeB: true), [at, bt, c], Tolerance, constants: [1, 2]);
        AgreesInParts(new Gemm(0.5f, 2, TransposeB: true), [a, bt, c], Parts(21, 8), Tolerance, constants: [1, 2]);
    }

    [ClFact]
    public void Every_activation_follows_bias_and_residual()
    {
        Tensor a = Floats(1, 1, 2, 11, 18), b = Floats(2, 1, 18, 27), bias = Floats(3, 1, 27), residual = Floats(4, 1, 2, 11, 27);
        foreach (ActivationKind kind in Enum.GetValues<ActivationKind>())
        {
            var activation = new Activation(kind, kind == ActivationKind.Clip ? -0.5f : 0.2f, 0.5f);
            Agrees(new MatMul { Activation = activation }, [a, b, bias, residual], Tolerance, constants: 1);
            Agrees(new MatMul { Activation = activation, ResidualAfterActivation = true }, [a, b, null, residual], Tolerance);
        }
    }

    [ClTheory]
    [InlineData(16)]
    [InlineData(5)]
    public void A_call_computes_a_part_of_the_columns(int first)
    {
        Tensor a = Floats(1, 1, 3, 10, 15), bias = Floats(3, 1, 32), residual = Floats(4, 1, 3, 10, 32);
        foreach (Tensor b in (Tensor[])[Floats(2, 1, 15, 32), Floats(2, 1, 3, 15, 32)])
        {
            var op = new MatMul { Activation = Activation.Relu };
            AgreesInParts(op, [a, b, bias, residual], Parts(32, first), Tolerance);
            AgreesInParts(op, [a, b, bias, residual], Parts(32, first), Tolerance, constants: [1, 2]);
        }
    }

    [ClTheory]
    [InlineData(4)]
    [InlineData(7)]
    public void A_call_computes_a_part_of_the_rows(int first)
    {
        Tensor a = Floats(1, 1, 3, 10, 15), bias = Floats(3, 1, 37), residual = Floats(4, 1, 3, 10, 37);
        var op = new MatMul { Activation = Activation.Relu };
        AgreesInParts(op, [a, Floats(2, 1, 15, 37), bias, residual], Rows(30, 3 * first), Tolerance);
        AgreesInParts(op, [a, Floats(2, 1, 15, 37), bias, residual], Rows(30, 3 * first), Tolerance, constants: [1, 2]);
        AgreesInParts(op, [a, Floats(2, 1, 3, 15, 37), bias, residual], Rows(10, first), Tolerance);
        AgreesInParts(new MatMul(TransposeA: true), [Floats(1, 1, 2, 15, 10), Floats(2, 1, 15, 37)], Rows(10, first), Tolerance, constants: 1);
        AgreesInParts(new MatMul(), [a, Floats(2, 1, 15, 1)], Rows(30, first), Tolerance);
        AgreesInParts(new MatMul(), [Floats(1, 1, 10, 15), Floats(2, 1, 15, 37)], Rows(10, first), Tolerance, constants: 0);
        foreach (long[] third in (long[][])[[10, 1], [10, 37], [1]])
            AgreesInParts(new Gemm(0.5f, 2, TransposeA: true), [Floats(1, 1, 15, 10), Floats(2, 1, 15, 37), Floats(3, 1, third)], Rows(10, first), Tolerance, constants: 1);
    }

    [ClFact]
    public void Unsupported_products_are_refused()
    {
        Assert.Equal("Float64 is not supported", WhyNot(new Gemm(), [Tensor.Zeros(DType.Float64, [3, 3]), Tensor.Zeros(DType.Float64, [3, 3])]));
        Assert.Contains("dims of the batch", WhyNot(new MatMul(), [Floats(1, 1, 2, 1, 2, 1, 2, 3, 3), Floats(1, 1, 1, 2, 1, 2, 1, 3, 3)]) ?? "");
    }

    private static OutputPart?[] Parts(long count, long first) => [new OutputPart(0, first), new OutputPart(first, count - first)];

    private static OutputPart?[] Rows(long count, long first) => [new OutputPart(0, first, OutputAxis.Rows), new OutputPart(first, count - first, OutputAxis.Rows)];

    private static long[] Dims(string text) => text.Length == 0 ? [] : [.. text.Split(',').Select(long.Parse)];
}
