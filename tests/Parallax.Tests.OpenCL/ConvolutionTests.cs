using Parallax.Graphs.Ops;
using Parallax.OpenCL.Bindings;
using Xunit;
using static Parallax.Tests.OpenCL.ClHarness;

namespace Parallax.Tests.OpenCL;

public sealed class ConvolutionTests
{
    private const double Tolerance = 1e-4;

    [ClTheory]
    [InlineData("1,3,7,9", "5,3,1,1", 1, 1, 1, 0)]
    [InlineData("2,16,8,8", "24,16,1,1", 1, 1, 1, 0)]
    [InlineData("1,5,9,10", "8,5,3,3", 1, 1, 1, 1)]
    [InlineData("2,3,15,13", "17,3,3,3", 1, 2, 1, 1)]
    [InlineData("1,4,12,25", "9,4,3,5", 1, 1, 2, 3)]
    [InlineData("1,2,9,9", "3,2,2,2", 1, 3, 1, 0)]
    [InlineData("1,8,11,17", "8,1,3,3", 8, 1, 1, 1)]
    [InlineData("2,8,11,17", "16,1,5,5", 8, 2, 1, 2)]
    [InlineData("1,12,6,30", "20,6,3,3", 2, 1, 1, 1)]
    [InlineData("1,3,4,4", "4,3,3,3", 1, 1, 1, 6)]
    [InlineData("0,3,4,4", "4,3,3,3", 1, 1, 1, 1)]
    [InlineData("2,5,40", "7,5,3", 1, 1, 1, 1)]
    [InlineData("1,6,41", "6,1,7", 6, 2, 1, 3)]
    [InlineData("1,6,33", "10,3,3", 2, 1, 2, 2)]
    public void Convolutions(string input, string weights, long groups, long stride, long dilation, long pad)
    {
        Tensor x = Floats(1, 1, Dims(input)), w = Floats(2, 1, Dims(weights)), bias = Floats(3, 1, Dims(weights)[0]);
        var op = new Conv(Window(Dims(input).Length - 2, stride, dilation, pad), groups);
        Agrees(op, [x, w], Tolerance);
        Agrees(op, [x, w, bias], Tolerance, constants: [1, 2]);
    }

    [ClFact]
    public void Padding_of_any_kind_is_no_product_with_zero()
    {
        Tensor x = Floats(1, 1, 1, 2, 10, 11), w = Floats(2, 1, 4, 2, 4, 4);
        foreach (AutoPad pad in (AutoPad[])[AutoPad.SameLower, AutoPad.SameUpper, AutoPad.Valid])
            Agrees(new Conv(Window(2, 2, 1, 0) with { Pads = [], AutoPad = pad }), [x, w], Tolerance, constants: 1);
        x.Span<float>()[0] = float.PositiveInfinity; // what stands for an element outside must not leak into the result
        Agrees(new Conv(Window(2, 3, 1, 3)), [x, w], Tolerance, constants: 1);
    }

    [ClFact]
    public void Every_activation_follows_bias_and_residual()
    {
        Tensor x = Floats(1, 1, 2, 6, 5, 9), w = Floats(2, 1, 10, 3, 3, 3), bias = Floats(3, 1, 10), residual = Floats(4, 1, 2, 10, 5, 9);
        foreach (ActivationKind kind in Enum.GetValues<ActivationKind>())
        {
            var activation = new Activation(kind, kind == ActivationKind.Clip ? -0.5f : 0.2f, 0.5f);
            var op = new Conv(Window(2, 1, 1, 1), 2) { Activation = activation };
            Agrees(op, [x, w, bias, residual], Tolerance, constants: 1);
            Agrees(op with { ResidualAfterActivation = true }, [x, w, null, residual], Tolerance);
        }
    }

    [ClFact]
    public void A_call_computes_a_part_of_the_channels()
    {
        Tensor x = Floats(1, 1, 2, 6, 7, 9), w = Floats(2, 1, 21, 6, 3, 3), bias = Floats(3, 1, 21), residual = Floats(4, 1, 2, 21, 7, 9);
        var op = new Conv(Window(2, 1, 1, 1)) { Activation = Activation.Relu };
        AgreesInParts(op, [x, w, bias, residual], Parts(21, 8), Tolerance, constants: 1);
        AgreesInParts(op, [x, w, bias, residual], Parts(21, 19), Tolerance);
        Tensor grouped = Floats(2, 1, 12, 2, 3, 3), ofGroups = Floats(4, 1, 2, 12, 7, 9);
        AgreesInParts(op with { Groups = 3 }, [x, grouped, null, ofGroups], Parts(12, 4), Tolerance, constants: 1);
        Assert.Throws<ArgumentException>(() => AgreesInParts(op with { Groups = 3 }, [x, grouped, null, ofGroups], Parts(12, 6)));
    }

    [ClTheory]
    [InlineData("1,3,5,7", "3,4,3,3", 1, 1, 1, 0, 0)]
    [InlineData("2,4,4,6", "4,5,2,2", 1, 2, 1, 0, 0)]
    [InlineData("2,6,5,8", "6,3,3,4", 2, 2, 1, 1, 1)]
    [InlineData("1,2,6,5", "2,3,3,2", 1, 3, 2, 1, 2)]
    [InlineData("1,4,4,4", "4,1,4,4", 4, 4, 1, 0, 0)]
    [InlineData("2,5,19", "5,4,5", 1, 2, 1, 2, 1)]
    [InlineData("0,5,19", "5,4,5", 1, 2, 1, 2, 1)]
    public void Transposed_convolutions(string input, string weights, long groups, long stride, long dilation, long pad, long more)
    {
        int axes = Dims(input).Length - 2;
        Tensor x = Floats(1, 1, Dims(input)), w = Floats(2, 1, Dims(weights)), bias = Floats(3, 1, Dims(weights)[1] * groups);
        var op = new ConvTranspose(Window(axes, stride, dilation, pad), groups, more == 0 ? [] : [.. Enumerable.Repeat(more, axes)], []);
        Agrees(op, [x, w], Tolerance);
        Agrees(op, [x, w, bias], Tolerance, constants: [1, 2]);
    }

    [ClFact]
    public void A_transposed_convolution_of_a_given_size() =>
        Agrees(new ConvTranspose(Window(2, 2, 1, 0), 1, [], [9, 10]), [Floats(1, 1, 1, 2, 4, 5), Floats(2, 1, 2, 3, 3, 3)], Tolerance);

    [ClFact]
    public void Unsupported_convolutions_are_refused()
    {
        Assert.Equal("3 spatial axes are not supported, only 1 and 2", WhyNot(new Conv(Window(3, 1, 1, 0)), [Floats(1, 1, 1, 2, 3, 3, 3), Floats(2, 1, 4, 2, 1, 1, 1)]));
        Assert.Equal("Float64 is not supported", WhyNot(new Conv(Window(1, 1, 1, 0)), [Tensor.Zeros(DType.Float64, [1, 2, 3]), Tensor.Zeros(DType.Float64, [4, 2, 1])]));
    }

    private static SpatialWindow Window(int axes, long stride, long dilation, long pad) => new(
        [], [.. Enumerable.Repeat(stride, axes)], [.. Enumerable.Repeat(dilation, axes)], [.. Enumerable.Repeat(pad, 2 * axes)]);

    private static OutputPart?[] Parts(long count, long first) => [new OutputPart(0, first), new OutputPart(first, count - first)];

    private static long[] Dims(string text) => [.. text.Split(',').Select(long.Parse)];
}
