using Parallax.Graphs.Ops;
using Parallax.Suite;
using Xunit;
using static Parallax.Tests.OpenCL.ClHarness;

namespace Parallax.Tests.OpenCL;

public sealed class ElementwiseTests
{
    [ClTheory]
    [InlineData(UnaryFunction.Abs, 0f, 0f)]
    [InlineData(UnaryFunction.Neg, 0f, 0f)]
    [InlineData(UnaryFunction.Sign, 0f, 0f)]
    [InlineData(UnaryFunction.Exp, 0f, 0f)]
    [InlineData(UnaryFunction.Log, 0f, 0f)]
    [InlineData(UnaryFunction.Sqrt, 0f, 0f)]
    [InlineData(UnaryFunction.Reciprocal, 0f, 0f)]
    [InlineData(UnaryFunction.Floor, 0f, 0f)]
    [InlineData(UnaryFunction.Ceil, 0f, 0f)]
    [InlineData(UnaryFunction.Round, 0f, 0f)]
    [InlineData(UnaryFunction.Sin, 0f, 0f)]
    [InlineData(UnaryFunction.Cos, 0f, 0f)]
    [InlineData(UnaryFunction.Tan, 0f, 0f)]
    [InlineData(UnaryFunction.Asin, 0f, 0f)]
    [InlineData(UnaryFunction.Acos, 0f, 0f)]
    [InlineData(UnaryFunction.Atan, 0f, 0f)]
    [InlineData(UnaryFunction.Sinh, 0f, 0f)]
    [InlineData(UnaryFunction.Cosh, 0f, 0f)]
    [InlineData(UnaryFunction.Asinh, 0f, 0f)]
    [InlineData(UnaryFunction.Acosh, 0f, 0f)]
    [InlineData(UnaryFunction.Atanh, 0f, 0f)]
    [InlineData(UnaryFunction.Erf, 0f, 0f)]
    [InlineData(UnaryFunction.IsNaN, 0f, 0f)]
    [InlineData(UnaryFunction.IsInf, 1f, 0f)]
    [InlineData(UnaryFunction.Relu, 0f, 0f)]
    [InlineData(UnaryFunction.LeakyRelu, 0.1f, 0f)]
    [InlineData(UnaryFunction.Elu, 1.5f, 0f)]
    [InlineData(UnaryFunction.Selu, 1.67f, 1.05f)]
    [InlineData(UnaryFunction.Celu, 2f, 0f)]
    [InlineData(UnaryFunction.Sigmoid, 0f, 0f)]
    [InlineData(UnaryFunction.HardSigmoid, 0.2f, 0.5f)]
    [InlineData(UnaryFunction.HardSwish, 0f, 0f)]
    [InlineData(UnaryFunction.Softplus, 0f, 0f)]
    [InlineData(UnaryFunction.Softsign, 0f, 0f)]
    [InlineData(UnaryFunction.Tanh, 0f, 0f)]
    [InlineData(UnaryFunction.ThresholdedRelu, 0.7f, 0f)]
    [InlineData(UnaryFunction.Shrink, 0.5f, 0.25f)]
    [InlineData(UnaryFunction.Mish, 0f, 0f)]
    [InlineData(UnaryFunction.Gelu, 0f, 0f)]
    [InlineData(UnaryFunction.GeluTanh, 0f, 0f)]
    [InlineData(UnaryFunction.Swish, 1.702f, 0f)]
    public void Functions_of_one_float(UnaryFunction function, float alpha, float beta)
    {
        foreach (int count in (int[])[0, 1, 3, 16, 255, 257, 5000])
        {
            Tensor x = Floats(count + 1, 5, count);
            float[] special = [0f, float.NaN, float.PositiveInfinity];
            if (count > 255) special.CopyTo(x.Span<float>()[7..]);
            Agrees(new Unary(function, alpha, beta), [x], 2e-5);
        }
    }

    [ClFact]
    public void Elements_of_every_length_and_of_many_chunks()
    {
        for (int count = 1; count <= 50; count++) Agrees(new Unary(UnaryFunction.Gelu), [Floats(count, 3, count)], 2e-5);
        Agrees(new Unary(UnaryFunction.Gelu), [Floats(1, 3, 1_500_007)], 2e-5);
    }

    [ClFact]
    public void Vectors_keep_what_functions_do_far_from_zero()
    {
        float[] far = [-0f, 1e-30f, -1e-30f, 1e-6f, -1e-6f, 0.624f, 0.626f, 9.9f, -9.9f, 19f, 87f, -87f, 88.7f, -88.7f, 89f, -104f, 200f, -200f, 1e30f, -1e30f, float.MaxValue, float.MinValue,
            float.PositiveInfinity, float.NegativeInfinity, float.NaN, float.Epsilon, 0.92f, 0.94f, 3.9f, 4.1f, -3.9f, -4.1f];
        foreach (UnaryFunction function in (UnaryFunction[])[UnaryFunction.Exp, UnaryFunction.Sigmoid, UnaryFunction.Tanh, UnaryFunction.Erf, UnaryFunction.Relu, UnaryFunction.Abs])
            Agrees(new Unary(function), [Tensor.From(far, [far.Length])], 2e-6);
    }

    [ClFact]
    public void Functions_of_one_integer_or_truth()
    {
        foreach (UnaryFunction function in (UnaryFunction[])[UnaryFunction.Abs, UnaryFunction.Neg])
        {
            Agrees(new Unary(function), [Tensor.From(RandomData.Integers<int>(300, 1, -9, 9), [300])]);
            Agrees(new Unary(function), [Tensor.From(RandomData.Integers<long>(300, 1, -9, 9), [300])]);
        }
        Agrees(new Unary(UnaryFunction.Not), [Truths(2, 77)]);
    }

    [ClTheory]
    [InlineData("", "")]
    [InlineData("7", "")]
    [InlineData("0,3", "3")]
    [InlineData("5,1,7", "1,4,1")]
    [InlineData("2,3,4,5", "3,1,1")]
    [InlineData("2,3,4,5", "2,3,4,5")]
    [InlineData("1,1,33", "17,1")]
    [InlineData("70000", "70000")]
    [InlineData("3,20000", "3,1")]
    [InlineData("5000,3", "5000,1")]
    [InlineData("9,3,33", "3,1")]
    [InlineData("4,3,17,5", "3,1,5")]
    [InlineData("37,16", "16")]
    [InlineData("37,1", "1,49")]
    [InlineData("2,1,2,1,2,1,2", "2,1,2,1,2")]
    [InlineData("2,1,2,1,2,1,2,1,2", "1,3,1,3,1,3,1,3,1")]
    public void Broadcasting(string first, string second)
    {
        Tensor a = Floats(1, 2, Dims(first)), b = Floats(2, 2, Dims(second));
        Agrees(new Binary(BinaryFunction.Sub), [a, b]);
        Agrees(new Binary(BinaryFunction.Less), [b, a]);
    }

    [ClFact]
    public void Broadcasting_over_too_many_dims_is_refused() =>
        Assert.Contains("dims", WhyNot(new Binary(BinaryFunction.Add), [Floats(1, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1), Floats(1, 1, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2)]) ?? "");

    [ClFact]
    public void Functions_of_two_floats()
    {
        foreach (BinaryFunction function in Enum.GetValues<BinaryFunction>())
        {
            Tensor a = Floats(3, 4, 9, 41), b = Floats(4, 4, 41);
            a.Span<float>()[5] = float.NaN;
            b.Span<float>()[6] = float.NaN;
            if (function == BinaryFunction.Pow)
                foreach (ref float x in a.Span<float>()) x = Math.Abs(x);
            if (function is BinaryFunction.And or BinaryFunction.Or or BinaryFunction.Xor or >= BinaryFunction.BitwiseAnd and <= BinaryFunction.ShiftRight)
                Assert.Contains("is not supported", WhyNot(new Binary(function), [a, b]) ?? "");
            else Agrees(new Binary(function), [a, b], 2e-5);
        }
    }

    [ClTheory]
    [InlineData(BinaryFunction.Add)]
    [InlineData(BinaryFunction.Sub)]
    [InlineData(BinaryFunction.Mul)]
    [InlineData(BinaryFunction.Min)]
    [InlineData(BinaryFunction.Max)]
    [InlineData(BinaryFunction.Equal)]
    [InlineData(BinaryFunction.Greater)]
    [InlineData(BinaryFunction.GreaterOrEqual)]
    [InlineData(BinaryFunction.Less)]
    [InlineData(BinaryFunction.LessOrEqual)]
    public void Functions_of_two_integers(BinaryFunction function)
    {
        Agrees(new Binary(function), [Tensor.From(RandomData.Integers<int>(60, 1, -9, 9), [5, 12]), Tensor.From(RandomData.Integers<int>(12, 2, -9, 9), [12])]);
        Agrees(new Binary(function), [Tensor.From(RandomData.Integers<long>(60, 1, -9, 9), [5, 12]), Tensor.From(RandomData.Integers<long>(5, 2, -9, 9), [5, 1])]);
    }

    [ClFact]
    public void Functions_of_two_truths()
    {
        foreach (BinaryFunction function in (BinaryFunction[])[BinaryFunction.And, BinaryFunction.Or, BinaryFunction.Xor, BinaryFunction.Equal])
            Agrees(new Binary(function), [Truths(1, 50), Truths(2, 50)]);
    }

    [ClFact]
    public void Clip_takes_limits_from_its_inputs()
    {
        Tensor x = Floats(1, 3, 4, 33), low = Tensor.Scalar(-1f), high = Tensor.Scalar(0.5f);
        x.Span<float>()[3] = float.NaN;
        Agrees(new Clip(), [x]);
        Agrees(new Clip(), [x, low]);
        Agrees(new Clip(), [x, null, high]);
        Agrees(new Clip(), [x, low, high]);
        Agrees(new Clip(), [x, high, low]);
        Agrees(new Clip(), [Tensor.From<long>([-3, 0, 1L << 40, 9], [4]), Tensor.Scalar(-1L), Tensor.Scalar(8L)]);
        Agrees(new Clip(), [Tensor.From([-3, 0, 7, 9], [4]), Tensor.Scalar(1)]);
        Assert.Equal("Float64 is not supported", WhyNot(new Clip(), [Tensor.Zeros(DType.Float64, [3])]));
        Assert.Equal("limits of another type are not supported", WhyNot(new Clip(), [x, Tensor.Scalar(1L)]));
    }

    private static Tensor Truths(int seed, int count) =>
        Tensor.From(RandomData.Integers<byte>(count, seed, 0, 1).Select(v => v != 0).ToArray(), [count]);

    private static long[] Dims(string text) => text.Length == 0 ? [] : [.. text.Split(',').Select(long.Parse)];
}
