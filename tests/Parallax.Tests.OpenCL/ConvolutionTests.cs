using Parallax.Graphs.Ops;
using Parallax.OpenCL.Bindings;
using Parallax.OpenCL.Calls;
using Parallax.Runtime;
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

    /// <summary>Images of one tile and of many, whose sizes are multiples of a tile and are not, with rows of tiles that are shorter and longer than vectors.</summary>
    [ClTheory]
    [InlineData("1,1,3,3", 1, "0,0,0,0")]
    [InlineData("1,3,4,4", 5, "1,1,1,1")]
    [InlineData("2,16,8,8", 24, "1,1,1,1")]
    [InlineData("3,5,9,10", 8, "0,0,0,0")]
    [InlineData("2,3,15,13", 17, "0,1,2,3")]
    [InlineData("1,7,1,2", 9, "3,0,1,5")]
    [InlineData("2,9,6,75", 13, "2,2,0,0")]
    [InlineData("1,4,37,70", 6, "1,1,1,1")]
    [InlineData("1,40,33,31", 33, "6,7,8,9")]
    [InlineData("1,24,64,64", 48, "1,1,1,1")]
    [InlineData("0,3,4,4", 4, "1,1,1,1")]
    public void Transformed_tiles(string input, long outputs, string pads)
    {
        long[] dims = Dims(input);
        Tensor x = Floats(1, 1, dims), w = Floats(2, 1, outputs, dims[1], 3, 3), bias = Floats(3, 1, outputs);
        var op = new Conv(new SpatialWindow([], [1, 1], [1, 1], [.. Dims(pads)]));
        TilesAgree(op, [x, w], [null]);
        TilesAgree(op, [x, w, bias], [null]);
    }

    [ClFact]
    public void Activations_follow_transformed_tiles()
    {
        Tensor x = Floats(1, 1, 2, 6, 6, 22), w = Floats(2, 1, 10, 6, 3, 3), bias = Floats(3, 1, 10), residual = Floats(4, 1, 2, 10, 6, 22);
        foreach (ActivationKind kind in (ActivationKind[])[ActivationKind.None, ActivationKind.Relu, ActivationKind.Clip, ActivationKind.Silu])
        {
            var op = new Conv(Window(2, 1, 1, 1)) { Activation = new Activation(kind, kind == ActivationKind.Clip ? -0.5f : 0.2f, 0.5f) };
            TilesAgree(op, [x, w, bias, residual], [null]);
            TilesAgree(op with { ResidualAfterActivation = true }, [x, w, null, residual], [null]);
        }
    }

    [ClFact]
    public void A_call_transforms_the_filters_of_its_part()
    {
        Tensor x = Floats(1, 1, 2, 6, 7, 9), w = Floats(2, 1, 21, 6, 3, 3), bias = Floats(3, 1, 21), residual = Floats(4, 1, 2, 21, 7, 9);
        var op = new Conv(Window(2, 1, 1, 1)) { Activation = Activation.Relu };
        TilesAgree(op, [x, w, bias, residual], Parts(21, 8));
        TilesAgree(op, [x, w, null, residual], Parts(21, 20));
    }

    [ClFact]
    public void What_lies_outside_of_an_image_is_in_no_tile()
    {
        Tensor x = Floats(1, 1, 2, 4, 10, 20), w = Floats(2, 1, 8, 4, 3, 3);
        x.Span<float>()[^1] = float.NaN; // of the last tile of the last channel: of no other image, no tile far from it
        var op = new Conv(Window(2, 1, 1, 1));
        foreach (Tensor result in OnDevice(op, [x, w], Tiled(op), 1))
            for (int i = 0; i < result.Span<float>().Length; i++)
            {
                int image = i / (8 * 10 * 20), row = i / 20 % 10, column = i % 20;
                Assert.Equal(image == 1 && row >= 8 && column >= 16, float.IsNaN(result.Span<float>()[i]));
            }
    }

    [ClFact]
    public void Tiles_are_transformed_where_it_pays()
    {
        string[] tiled = ["winograd4_input", "gemm", "winograd4_output"], direct = ["pad_planes", "gemm"];
        Tensor x = Floats(1, 1, 1, 32, 40, 40), w = Floats(2, 1, 48, 32, 3, 3);
        var op = new Conv(Window(2, 1, 1, 1));
        Assert.Equal(tiled, KernelsOf(op, [x, w], null, Precision.Standard, 1));
        Assert.Equal(tiled, KernelsOf(op, [x, w], new OutputPart(24, 24), Precision.Standard, 1));
        Assert.Equal(direct, KernelsOf(op, [x, w], new OutputPart(47, 1), Precision.Standard, 1));
        Assert.Equal(direct, KernelsOf(op, [x, w], null, Precision.Strict, 1));
        Assert.Equal(direct, KernelsOf(op, [x, w], null, Precision.Standard));
        Assert.Equal(direct, KernelsOf(new Conv(Window(2, 2, 1, 1)), [x, w], null, Precision.Standard, 1));
        Assert.Equal(direct, KernelsOf(new Conv(Window(2, 1, 2, 1)), [x, w], null, Precision.Standard, 1));
        Assert.Equal(direct, KernelsOf(op, [Floats(1, 1, 1, 32, 3, 3), w], null, Precision.Standard, 1));
        Assert.Equal(direct, KernelsOf(op, [Floats(1, 1, 1, 3, 40, 40), Floats(2, 1, 16, 3, 3, 3)], null, Precision.Standard, 1));
        Assert.Equal(direct, KernelsOf(op with { Groups = 2 }, [x, Floats(2, 1, 48, 16, 3, 3)], null, Precision.Standard, 1));
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

    private static void TilesAgree(Conv op, Tensor?[] inputs, OutputPart?[] parts) => AgreesByMaximum(op, inputs, parts, Tiled(op), 5e-5, 1);

    /// <summary>Transforms tiles whether it pays or not.</summary>
    private static Func<ClPrepareContext, ClCall> Tiled(Conv op) => x =>
    {
        OutputPart part = x.Part ?? new OutputPart(0, x.Dims(1)[0]);
        return ClWinograd.TryOf(op, x, ConvolutionBindings.Planes(op, x), part.Count)!.Prepare(op, x, part);
    };

    private static SpatialWindow Window(int axes, long stride, long dilation, long pad) => new(
        [], [.. Enumerable.Repeat(stride, axes)], [.. Enumerable.Repeat(dilation, axes)], [.. Enumerable.Repeat(pad, 2 * axes)]);

    private static OutputPart?[] Parts(long count, long first) => [new OutputPart(0, first), new OutputPart(first, count - first)];

    private static long[] Dims(string text) => [.. text.Split(',').Select(long.Parse)];
}
