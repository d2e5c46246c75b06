using Parallax.Graphs.Ops;
using Xunit;
using static Parallax.Tests.OpenCL.ClHarness;

namespace Parallax.Tests.OpenCL;

public sealed class NormalizationTests
{
    [ClTheory]
    [InlineData(SoftmaxKind.Softmax)]
    [InlineData(SoftmaxKind.LogSoftmax)]
    public void Softmax_along_rows_of_any_length(SoftmaxKind kind)
    {
        foreach (long count in (long[])[0, 1, 3, 4, 7, 15, 16, 17, 31, 32, 49, 127, 128, 129, 1000, 70001])
            Agrees(new Softmax(kind), [Floats((int)count, 20, 3, 5, count)]);
        Tensor masked = Floats(1, 3, 4, 200);
        masked.Span<float>()[..150].Fill(float.NegativeInfinity);
        Agrees(new Softmax(kind), [masked]);
    }

    [ClTheory]
    [InlineData(SoftmaxKind.Softmax)]
    [InlineData(SoftmaxKind.LogSoftmax)]
    public void Softmax_along_an_axis_before_the_last(SoftmaxKind kind)
    {
        Agrees(new Softmax(kind, Axis: 1), [Floats(1, 5, 2, 40, 17)]);
        Agrees(new Softmax(kind, Axis: 0), [Floats(2, 5, 9, 1, 300)]);
        foreach (long inner in (long[])[2, 15, 16, 33]) Agrees(new Softmax(kind, Axis: 1), [Floats(2, 5, 3, 9, inner)]);
        Agrees(new Softmax(kind, Axis: 1, Flatten: true), [Floats(3, 5, 6, 4, 25)]);
        Agrees(new Softmax(kind), [Floats(4, 5)]);
    }

    [ClFact]
    public void Softmax_of_what_has_no_kernel_is_refused()
    {
        Assert.Equal("Hardmax is not supported", WhyNot(new Softmax(SoftmaxKind.Hardmax), [Floats(1, 1, 4)]));
        Assert.Equal("Float64 is not supported", WhyNot(new Softmax(SoftmaxKind.Softmax), [Tensor.Zeros(DType.Float64, [3])]));
    }

    [ClFact]
    public void LayerNormalization_of_rows_of_any_length()
    {
        foreach (long count in (long[])[1, 5, 16, 17, 128, 130, 768])
        {
            Tensor x = Shifted(Floats(1, 2, 7, count)), scale = Floats(2, 1, count), bias = Floats(3, 1, count);
            Agrees(new LayerNormalization(Epsilon: 1e-3f), [x, scale, bias], 2e-5);
            Agrees(new LayerNormalization(Epsilon: 1e-3f), [x, scale], 2e-5, outputCount: 3);
            Agrees(new LayerNormalization(Epsilon: 1e-3f), [x, scale, bias, Floats(4, 2, 7, count)], 2e-5);
            Agrees(new LayerNormalization(Epsilon: 1e-3f), [x, scale, null, Floats(4, 2, 7, count)], 2e-5);
            Agrees(new RMSNormalization(Epsilon: 1e-3f), [x, scale], 2e-5);
        }
    }

    [ClFact]
    public void LayerNormalization_over_several_axes()
    {
        Agrees(new LayerNormalization(Axis: 1), [Floats(1, 2, 3, 4, 50), Floats(2, 1, 4, 50), Floats(3, 1, 1, 4, 50)], 2e-5, outputCount: 2);
        Agrees(new RMSNormalization(Axis: 0), [Floats(1, 2, 3, 40), Floats(2, 1, 3, 40)], 2e-5);
    }

    [ClFact]
    public void A_scale_that_broadcasts_within_the_rows_is_refused()
    {
        Assert.Contains("input 1 of shape [1] does not have the shape", WhyNot(new LayerNormalization(), [Floats(1, 1, 3, 4), Floats(2, 1, 1)]) ?? "");
        Assert.Contains("input 2 of shape", WhyNot(new LayerNormalization(), [Floats(1, 1, 3, 4), Floats(2, 1, 4), Floats(3, 1, 3, 1)]) ?? "");
    }

    [ClFact]
    public void Statistics_of_another_type_are_refused_only_where_they_are_wanted()
    {
        Tensor[] inputs = [Floats(1, 1, 3, 4), Floats(2, 1, 4)];
        Assert.Null(WhyNot(new LayerNormalization(StashType: DType.Float64), inputs));
        Assert.Equal("mean and deviation as Float64 are not supported", WhyNot(new LayerNormalization(StashType: DType.Float64), inputs, outputCount: 3));
    }

    [ClFact]
    public void Normalizations_of_channels()
    {
        Tensor x = Shifted(Floats(1, 2, 2, 6, 5, 31)), scale = Floats(2, 1, 6), bias = Floats(3, 1, 6);
        Agrees(new InstanceNormalization(1e-3f), [x, scale, bias], 2e-5);
        Agrees(new InstanceNormalization(), [Floats(4, 1, 3, 6, 700), scale, bias], 2e-5);
        Agrees(new InstanceNormalization(), [Floats(4, 1, 3, 6, 1), scale, bias], 2e-5);
        foreach (long groups in (long[])[1, 2, 3, 6])
        {
            Agrees(new GroupNormalization(groups, 1e-3f), [x, scale, bias], 2e-5);
            Agrees(new GroupNormalization(groups, 1e-3f, AffinePerGroup: true), [x, Floats(2, 1, groups), Floats(3, 1, groups)], 2e-5);
        }
    }

    [ClFact]
    public void Normalizations_by_given_statistics()
    {
        Tensor[] channels = [Floats(2, 1, 6), Floats(3, 1, 6), Floats(4, 1, 6), Tensor.From([0.1f, 0.5f, 1, 2, 3, 4], [6])];
        foreach (long[] dims in (long[][])[[2, 6, 5, 31], [300, 6], [1, 6, 1000]])
            Agrees(new BatchNormalization(1e-3f), [Shifted(Floats(1, 2, dims)), .. channels], 2e-5);
        Assert.Equal("training is not supported", WhyNot(new BatchNormalization(Training: true), [Floats(1, 1, 2, 6, 3), .. channels]));
    }

    private static Tensor Shifted(Tensor x)
    {
        foreach (ref float value in x.Span<float>()) value += 3;
        return x;
    }
}
