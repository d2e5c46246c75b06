using Parallax.Graphs.Ops;
using Parallax.Kernels.Signal;

namespace Parallax.Runtime.Cpu.Hosts;

/// <summary>Tables computed from a few numbers.</summary>
internal static class WindowHost
{
    internal static Datum?[] Run(WindowFunction op, HostContext context)
    {
        int size = Size(context, 0);
        (double a0, double a1, double a2) = op.Kind switch
        {
            CosineWindow.Hann => (0.5, 0.5, 0.0),
            CosineWindow.Hamming => (25.0 / 46, 1 - 25.0 / 46, 0.0),
            _ => (0.42, 0.5, 0.08),
        };
        return [Convert(context, SignalKernels.CosineWindow(size, op.Periodic, a0, a1, a2), op.Type, [size])];
    }

    internal static Datum?[] Run(MelWeightMatrix op, HostContext context)
    {
        double[,] weights = SignalKernels.MelWeights(Size(context, 0), Size(context, 1), Size(context, 2), Number(context.Tensor(3)), Number(context.Tensor(4)));
        return [Convert(context, [.. weights.Cast<double>()], op.Type, [weights.GetLength(0), weights.GetLength(1)])];
    }

    private static int Size(HostContext context, int input)
    {
        long size = ControlFlowHost.ScalarInt(context.Tensor(input), "a size");
        return size is >= 0 and <= int.MaxValue ? (int)size : throw new InvalidInputException($"input {input} must be a size, got {size}");
    }

    private static double Number(Tensor scalar) => scalar.DType switch
    {
        DType.Float32 => scalar.Span<float>()[0],
        DType.Float64 => scalar.Span<double>()[0],
        DType.Float16 => (double)scalar.Span<Half>()[0],
        DType.BFloat16 => (float)scalar.Span<BFloat16>()[0],
        _ => throw new InvalidInputException($"a frequency must be a float, got {scalar}"),
    };

    private static Tensor Convert(HostContext context, double[] values, DType type, ReadOnlySpan<long> dims)
    {
        Tensor tensor = context.Allocate(type, dims);
        switch (type)
        {
            case DType.Float32: Fill<float>(tensor, values, v => (float)v); break;
            case DType.Float64: Fill<double>(tensor, values, v => v); break;
            case DType.Float16: Fill<Half>(tensor, values, v => (Half)v); break;
            case DType.BFloat16: Fill<BFloat16>(tensor, values, v => (BFloat16)(float)v); break;
            case DType.Int64: Fill<long>(tensor, values, v => (long)v); break;
            case DType.Int32: Fill<int>(tensor, values, v => (int)v); break;
            case DType.Int16: Fill<short>(tensor, values, v => (short)v); break;
            case DType.Int8: Fill<sbyte>(tensor, values, v => (sbyte)v); break;
            case DType.UInt64: Fill<ulong>(tensor, values, v => (ulong)v); break;
            case DType.UInt32: Fill<uint>(tensor, values, v => (uint)v); break;
            case DType.UInt16: Fill<ushort>(tensor, values, v => (ushort)v); break;
            case DType.UInt8: Fill<byte>(tensor, values, v => (byte)v); break;
            default: throw new UnsupportedModelException($"a table of {type} is not computed", [$"table of {type}"]);
        }
        return tensor;
    }

    private static void Fill<T>(Tensor tensor, double[] values, Func<double, T> convert) where T : unmanaged
    {
        Span<T> target = tensor.Span<T>();
        for (int i = 0; i < target.Length; i++) target[i] = convert(values[i]);
    }
}
