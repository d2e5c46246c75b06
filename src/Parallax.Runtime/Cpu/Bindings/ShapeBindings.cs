using Parallax.Graphs.Ops;
using Parallax.Kernels;
using Parallax.Kernels.Copy;

namespace Parallax.Runtime.Cpu.Bindings;

/// <summary>Views (Reshape and its like) need no binding.</summary>
internal static class ShapeBindings
{
    internal static readonly Binding[] All =
    [
        Binding.Moving<ShapeOf>(MeasureShape, (op, x) => [Measured(op, x.Tensor(0))]),
        Binding.Moving<SizeOf>((op, x) => new ConstantKernel<long>("size", [Shape.Count(x.Dims(0))]), (op, x) => [Tensor.Scalar(x.Tensor(0).ElementCount)]),
        Binding.Moving<ConstantOfShape>((op, x) => new FillKernel(op.Value.Bytes, Shape.Count(x.OutputDims(0)))),
        Binding.Moving<Expand>((op, x) => new CopyKernel("expand", CopyParts.Of(op, x))),
        Binding.Kernel<EyeLike>((op, x) => new EyeKernel(One(x.OutputType(0)), x.OutputDims(0)[0], x.OutputDims(0)[1], op.Diagonal)),
        Binding.Kernel<NumberRange>(Count),
    ];

    private static Kernel Count(NumberRange op, PrepareContext x)
    {
        for (int input = 0; input < 3; input++) x.Require(input, x.Type(0), 1);
        return TypeDispatch.ForNumber(x.OutputType(0), new RangeFactory(x.OutputDims(0)[0]));
    }

    private static Kernel MeasureShape(ShapeOf op, PrepareContext x)
    {
        (int start, int end) = op.Bounds(x.Dims(0).Length);
        return new ConstantKernel<long>("shape", x.Dims(0)[start..end]);
    }

    private static Tensor Measured(ShapeOf op, Tensor tensor)
    {
        (int start, int end) = op.Bounds(tensor.Rank);
        return Tensor.From(tensor.Dims[start..end], [end - start]);
    }

    /// <summary>The bytes of the number 1.</summary>
    private static byte[] One(DType type) => type switch
    {
        DType.Float32 => BitConverter.GetBytes(1f),
        DType.Float64 => BitConverter.GetBytes(1d),
        DType.Float16 => BitConverter.GetBytes((Half)1),
        DType.BFloat16 => BitConverter.GetBytes(BFloat16.Round(1).Bits),
        _ when type.IsInteger() || type == DType.Bool => BitConverter.GetBytes(1L)[..type.ElementBytes()],
        _ => throw new UnsupportedModelException($"EyeLike of {type}", [$"EyeLike of {type}"]),
    };
}
