using Parallax.Kernels;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Kernels;

public sealed class QuantizeTests
{
    private const int Seed = 41;

    public static TheoryData<string, string, int, int> Layouts => new()
    {
        { "5", "", 0, 0 }, { "1000", "1", 0, 0 }, { "20001", "", 0, 0 }, { "3,7", "7", 1, 0 }, { "3,7", "3", 0, 0 }, { "2,5,33", "5", 1, 0 }, { "2,4,600", "4", 1, 0 },
        { "3,700", "700", 1, 0 }, { "4,10", "4,4", 1, 3 }, { "6,5", "2,5", 0, 3 }, { "2,7,9", "2,2,9", 1, 4 }, { "3,1100", "3,3", 1, 500 }, { "0,4", "4", 1, 0 },
    };

    [Theory]
    [MemberData(nameof(Layouts))]
    public void EveryElementFindsItsScale(string dimsText, string scaleText, int axis, int block)
    {
        long[] dims = Dims(dimsText), scaleDims = Dims(scaleText);
        int count = (int)Shape.Count(dims), scales = (int)Shape.Count(scaleDims);
        float[] data = [.. RandomData.Floats(count, Seed).Select(v => v * 300)], scale = [.. RandomData.Floats(scales, Seed + 1).Select(v => 1.5f + v)];
        byte[] zero = RandomData.Integers<byte>(scales, Seed + 2, 0, 255);
        var layout = QuantizationLayout.Of(dims, scaleDims, axis, block);
        Tensor scaleTensor = Tensor.From(scale, scaleDims), zeroTensor = Tensor.From(zero, scaleDims);
        Tensor quantized = KernelRun.Run(QuantizeKernels.Quantize(layout, DType.Float32, DType.Float32, DType.UInt8, true, true), DType.UInt8, dims, Tensor.From(data, dims), scaleTensor, zeroTensor);
        Tensor restored = KernelRun.Run(QuantizeKernels.Dequantize(layout, DType.UInt8, DType.Float32, DType.Float32, true), DType.Float32, dims, quantized, scaleTensor, zeroTensor);
        for (int i = 0; i < count; i++)
        {
            int at = ScaleOf(i, dims, scaleDims, axis, block);
            byte expected = (byte)Math.Clamp(MathF.Round(data[i] / scale[at]) + zero[at], 0, 255);
            Assert.Equal(expected, quantized.Span<byte>()[i]);
            Assert.Equal((expected - zero[at]) * scale[at], restored.Span<float>()[i]);
        }
    }

    [Fact]
    public void PackedTypesSurviveOddRows()
    {
        long[] dims = [3, 5], scaleDims = [3];
        float[] data = [.. Enumerable.Range(-7, 15).Select(v => (float)v)];
        var layout = QuantizationLayout.Of(dims, scaleDims, 0, 0);
        Tensor scale = Tensor.From([1f, 2f, 0.5f], scaleDims), zero = Tensor.Allocate(DType.Int4, scaleDims);
        new byte[] { 0x1F, 0x02 }.CopyTo(zero.Bytes); // -1, 1, 2
        Tensor quantized = KernelRun.Run(QuantizeKernels.Quantize(layout, DType.Float32, DType.Float32, DType.Int4, true, true), DType.Int4, dims, Tensor.From(data, dims), scale, zero);
        Tensor restored = KernelRun.Run(QuantizeKernels.Dequantize(layout, DType.Int4, DType.Float32, DType.Float32, true), DType.Float32, dims, quantized, scale, zero);
        Assert.Equal([-7f, -6f, -5f, -4f, -3f, -2f, -0f, 0f, 0f, 2f, 2.5f, 2.5f, 2.5f, 2.5f, 2.5f], restored.Span<float>().ToArray());
    }

    [Fact]
    public void RoundingTiesToEvenSaturatesAndTakesNaNAsZero()
    {
        float[] data = [0.5f, 1.5f, -0.5f, 1e30f, float.NegativeInfinity, float.NaN, 2.5f];
        var layout = QuantizationLayout.Of([7], [], 0, 0);
        Tensor quantized = KernelRun.Run(QuantizeKernels.Quantize(layout, DType.Float32, DType.Float32, DType.Int8, false, true), DType.Int8, [7], Tensor.From(data, [7]), Tensor.Scalar(1f));
        Assert.Equal([0, 2, 0, 127, -128, 0, 2], quantized.Span<sbyte>().ToArray());
        // Ties are those before the zero point is added; whole vectors say the same.
        const int repetitions = 9;
        long[] dims = [repetitions * 7];
        Tensor many = Tensor.From([.. Enumerable.Repeat(data, repetitions).SelectMany(v => v)], dims);
        quantized = KernelRun.Run(QuantizeKernels.Quantize(QuantizationLayout.Of(dims, [], 0, 0), DType.Float32, DType.Float32, DType.Int8, true, true), DType.Int8, dims, many, Tensor.Scalar(1f), Tensor.Scalar((sbyte)3));
        Assert.Equal(Enumerable.Repeat((sbyte[])[3, 5, 3, 127, -128, 0, 5], repetitions).SelectMany(v => v), quantized.Span<sbyte>().ToArray());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(513)]
    [InlineData(40_000)]
    public void DynamicQuantizationCoversTheRange(int count)
    {
        float[] data = [.. RandomData.Floats(count, Seed).Select(v => v * 5 + 2)];
        Tensor y = Tensor.Allocate(DType.UInt8, [count]), scale = Tensor.Allocate(DType.Float32, []), zero = Tensor.Allocate(DType.UInt8, []);
        KernelRun.Run(new DynamicQuantizeKernel(count), [Tensor.From(data, [count])], [y, scale, zero]);
        float min = Math.Min(0, data.Min()), max = Math.Max(0, data.Max()), s = (max - min) / 255;
        Assert.Equal(s, scale.Span<float>()[0]);
        Assert.Equal((byte)MathF.Round(-min / s), zero.Span<byte>()[0]);
        for (int i = 0; i < count; i++) Assert.Equal((byte)Math.Clamp(MathF.Round(data[i] / s) + zero.Span<byte>()[0], 0, 255), y.Span<byte>()[i]);
    }

    private static int ScaleOf(int i, long[] dims, long[] scaleDims, int axis, int block)
    {
        if (block == 0 && Shape.Count(scaleDims) == 1) return 0;
        long inner = Shape.Count(dims.AsSpan(axis + 1)), along = i / inner % dims[axis], outer = i / inner / dims[axis];
        return block == 0 ? (int)along : (int)((outer * scaleDims[axis] + along / block) * inner + i % inner);
    }

    private static long[] Dims(string text) => text.Length == 0 ? [] : [.. text.Split(',').Select(long.Parse)];
}
