using Parallax.Graphs.Ops;
using Parallax.Suite;
using Xunit;
using static Parallax.Tests.OpenCL.ClHarness;

namespace Parallax.Tests.OpenCL;

public sealed class TableTests
{
    [ClTheory]
    [InlineData(PadMode.Constant)]
    [InlineData(PadMode.Edge)]
    [InlineData(PadMode.Reflect)]
    [InlineData(PadMode.Wrap)]
    public void Pads(PadMode mode)
    {
        foreach (DType type in (DType[])[DType.UInt8, DType.Float16, DType.Float32, DType.Int64])
            Agrees(new Pad(mode), [Filled(type, 3, 1, 5, 17), Ints(1, 0, 2, 3, 1, 0, 1, 4)], 0, 1, 1);
        Agrees(new Pad(mode), [Floats(1, 1, 4, 300), Ints(-1, 5, 2, -7)], 0, 1, 1);
        Agrees(new Pad(mode), [Floats(1, 1, 2, 3, 40), Ints(2, 3), null, Ints(-1)], 0, 1, 1, 3);
    }

    [ClFact]
    public void Pads_are_filled_from_an_input()
    {
        Agrees(new Pad(PadMode.Constant), [Floats(1, 1, 2, 33), Ints(1, 2, 0, 3), Tensor.Scalar(-2.5f)], 0, 1, 1);
        Assert.Equal("Float32 filled up with Int64 is not supported", WhyNot(new Pad(PadMode.Constant), [Floats(1, 1, 4), Ints(1, 1), Tensor.Scalar(1L)], 1, 1));
    }

    [ClFact]
    public void Centers_are_cut_and_padded() =>
        Agrees(new CenterCropPad(), [Floats(1, 1, 5, 8, 33), Ints(2, 11, 33)], 0, 1, 1);

    [ClFact]
    public void Resizes_to_nearest_neighbours()
    {
        foreach (ResizeCoordinates coordinates in (ResizeCoordinates[])[ResizeCoordinates.HalfPixel, ResizeCoordinates.Asymmetric, ResizeCoordinates.AlignCorners])
            foreach (ResizeRounding rounding in Enum.GetValues<ResizeRounding>())
                Agrees(new Resize(ResizeMode.Nearest) { Coordinates = coordinates, Rounding = rounding }, [Filled(DType.Int32, 1, 3, 7, 9), null, null, Ints(1, 3, 13, 6)], 0, 1, 3);
        Agrees(new Resize(ResizeMode.Nearest) { Coordinates = ResizeCoordinates.Asymmetric, Rounding = ResizeRounding.Floor }, [Floats(1, 1, 2, 3, 20, 20), null, Scales(1, 1, 2, 2)], 0, 1, 2);
        Agrees(new Resize(ResizeMode.Nearest), [Filled(DType.UInt8, 30), null, Scales(1.7f)], 0, 1, 2);
        Agrees(new Resize(ResizeMode.Nearest), [Filled(DType.Float32, 2, 5, 300, 300), null, Scales(1, 1, 2, 3)], 0, 1, 2);
    }

    [ClTheory]
    [InlineData(ResizeMode.Linear)]
    [InlineData(ResizeMode.Cubic)]
    public void Resizes_by_weights(ResizeMode mode)
    {
        foreach (ResizeCoordinates coordinates in (ResizeCoordinates[])[ResizeCoordinates.HalfPixel, ResizeCoordinates.PytorchHalfPixel, ResizeCoordinates.AlignCorners])
        {
            Agrees(new Resize(mode) { Coordinates = coordinates }, [Floats(1, 1, 2, 3, 7, 9), null, null, Ints(2, 3, 15, 5)], 2e-6, 1, 3);
            Agrees(new Resize(mode) { Coordinates = coordinates }, [Floats(1, 1, 2, 7, 9, 3), null, Scales(1, 2, 2, 1)], 2e-6, 1, 2);
        }
        Agrees(new Resize(mode) { Antialias = true, ExcludeOutside = true }, [Floats(1, 1, 1, 2, 33, 20), null, Scales(1, 1, 0.3f, 0.6f)], 2e-6, 1, 2);
        Agrees(new Resize(mode), [Floats(1, 1, 5, 6), null, Scales(1, 1)], 0, 1, 2);
    }

    [ClFact]
    public void Positions_outside_of_the_region_take_the_extrapolated_value()
    {
        Tensor region = Tensor.From([0f, -0.2f, 1f, 1.3f], [4]);
        foreach (ResizeMode mode in Enum.GetValues<ResizeMode>())
            Agrees(new Resize(mode) { Coordinates = ResizeCoordinates.TfCropAndResize, Extrapolation = 7.5f }, [Floats(1, 1, 3, 20), region, null, Ints(3, 50)], 2e-6, 1, 1, 3);
        Assert.Equal("extrapolation of Int32 is not supported", WhyNot(new Resize(ResizeMode.Nearest) { Extrapolation = 1 }, [Filled(DType.Int32, 4), null, Scales(2)], 1, 2));
        Assert.Equal("Int32 is not supported", WhyNot(new Resize(ResizeMode.Linear), [Filled(DType.Int32, 4), null, Scales(2)], 1, 2));
    }

    private static Tensor Filled(DType type, params long[] dims)
    {
        Tensor tensor = Tensor.Zeros(type, dims);
        RandomData.Integers<byte>((int)tensor.ByteCount, (int)Shape.Count(dims), 1, 100).CopyTo(tensor.Bytes);
        return tensor;
    }

    private static Tensor Ints(params long[] values) => Tensor.From(values, [values.Length]);

    private static Tensor Scales(params float[] values) => Tensor.From(values, [values.Length]);
}
