using Parallax.Graphs.Ops;
using Parallax.Kernels;

namespace Parallax.Runtime.Cpu.Bindings;

internal static class ElementwiseBindings
{
    internal static readonly Binding[] All =
    [
        Binding.Kernel<Unary>((op, x) => UnaryKernels.Create(op.Function, x.Type(0), Shape.Count(x.Dims(0)), op.Alpha, op.Beta)),
        Binding.Kernel<Clip>((op, x) => TypeDispatch.ForNumber(x.Type(0), new ClipFactory(Shape.Count(x.Dims(0)), x.Has(1), x.Has(2)))),
        Binding.Moving<Binary>(PrepareBinary, CompareStrings),
        Binding.Moving<Where>((op, x) => TypeDispatch.ForElement(x.Type(1), new SelectFactory(new Broadcast(x.OutputDims(0), x.Dims(0), x.Dims(1), x.Dims(2))))),
        Binding.Moving<Cast>((op, x) => CastKernels.Create(x.Type(0), op.To, Shape.Count(x.Dims(0)), op.Saturate, op.Rounding), ConvertManaged),
    ];

    private static Kernel PrepareBinary(Binary op, PrepareContext x)
    {
        var loop = new Broadcast(x.OutputDims(0), x.Dims(0), x.Dims(1));
        return op.Function == BinaryFunction.Pow ? PowKernels.Create(x.Type(0), x.Type(1), loop) : BinaryKernels.Create(op.Function, x.Type(0), loop);
    }

    private static Datum?[] CompareStrings(Binary op, HostContext x)
    {
        Tensor a = x.Tensor(0), b = x.Tensor(1);
        if (op.Function != BinaryFunction.Equal || a.DType != DType.String || b.DType != DType.String)
            throw new UnsupportedModelException($"{op.Function} of {a} and {b}", [$"{op.Function} on {a.DType}"]);
        long[] dims = BroadcastDims(a, b);
        Tensor result = x.Allocate(DType.Bool, dims);
        var loop = new Broadcast(dims, a.Dims.ToArray(), b.Dims.ToArray());
        Span<byte> truths = result.Span<byte>();
        for (int block = 0; block < loop.BlockCount; block++)
            for (Broadcast.Runs run = loop.Block(block); run.Next();)
                for (int i = 0; i < run.Count; i++)
                    truths[(int)run.Start + i] = a.Strings[(int)run.First + (loop.Advances(0) ? i : 0)] == b.Strings[(int)run.Second + (loop.Advances(1) ? i : 0)] ? (byte)1 : (byte)0;
        return [result];
    }

    private static long[] BroadcastDims(Tensor a, Tensor b) => Graphs.ShapeRules.Broadcast(a.Shape, b.Shape)!.Value.ToArray();

    /// <summary>Casts from and to strings and packed types.</summary>
    private static Datum?[] ConvertManaged(Cast op, HostContext x)
    {
        Tensor from = x.Tensor(0);
        if (op.To == DType.String) return [TextConversion.ToStrings(from)];
        if (from.DType == DType.String) return [TextConversion.FromStrings(from, op, x)];
        Tensor to = x.Allocate(op.To, from.Dims);
        using Kernel kernel = CastKernels.Create(from.DType, op.To, from.ElementCount, op.Saturate, op.Rounding);
        x.RunKernel(kernel, [from], [to]);
        return [to];
    }

    private readonly record struct SelectFactory(Broadcast Loop) : IElementKernelFactory
    {
        public Kernel Create<T>() where T : unmanaged => new SelectKernel<T>(Loop);
    }
}
