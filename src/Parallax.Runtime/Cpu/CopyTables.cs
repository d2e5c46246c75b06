using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Kernels.Copy;
using Parallax.Runtime.Cpu.Resampling;

namespace Parallax.Runtime.Cpu;

/// <summary>
/// The operators that are copies by tables of positions: <c>target[i, j, ..] = source[Axes[0][i] + Axes[1][j] + ..]</c>, or the fill value where a table says
/// <see cref="TableCopyKernel.Outside"/>. Shapes are static.
/// </summary>
/// <param name="Axes">Per axis of the target, offsets into the source in elements.</param>
/// <param name="FillInput">The input that holds the fill value; -1 for <paramref name="FillValue"/>.</param>
/// <param name="FillValue">The bytes of one element; null for zeros.</param>
internal sealed record CopyTables(long[][] Axes, int FillInput = -1, byte[]? FillValue = null)
{
    internal static CopyTables Of(Pad op, OperandFacts x)
    {
        long[] dims = x.Dims(0), pads = CopyParts.Ints(x, 1);
        int[] axes = x.TryGetInts(3, out long[] given) ? ShapeRules.Axes(given, dims.Length) : Mapping.Positions(dims.Length);
        var before = new long[dims.Length];
        for (int i = 0; i < axes.Length; i++) before[axes[i]] = pads[i];
        return new CopyTables(Tables(x, (axis, i, dim) => Source(op.Mode, i - before[axis], dim)), op.Mode == PadMode.Constant && x.Has(2) ? 2 : -1);
    }

    internal static CopyTables Of(CenterCropPad _, OperandFacts x)
    {
        long[] target = x.OutputDims(0);
        return new CopyTables(Tables(x, (axis, i, dim) => Source(PadMode.Constant, i + Shift(dim, target[axis]), dim)));

        // What is odd is cut from, or added to, the end.
        static long Shift(long dim, long wanted) => wanted < dim ? (dim - wanted) / 2 : -((wanted - dim) / 2);
    }

    /// <summary>Of a resize to nearest neighbours.</summary>
    internal static CopyTables Of(Resize op, OperandFacts x)
    {
        long[] strides = Shape.Strides(x.Dims(0));
        return new CopyTables([.. ResizeTables.Of(op, x).Select((t, i) => t.Nearest(strides[i]))], FillValue: Bytes(op.Extrapolation, x.Type(0)));
    }

    /// <param name="source">From axis, position in the target and length of the axis to the position in the source.</param>
    private static long[][] Tables(OperandFacts x, Func<int, long, long, long> source)
    {
        long[] dims = x.Dims(0), strides = Shape.Strides(dims), target = x.OutputDims(0);
        var tables = new long[dims.Length][];
        for (int axis = 0; axis < dims.Length; axis++)
        {
            tables[axis] = new long[target[axis]];
            for (long i = 0; i < target[axis]; i++)
                tables[axis][i] = source(axis, i, dims[axis]) is var at && at == TableCopyKernel.Outside ? at : at * strides[axis];
        }
        return tables;
    }

    /// <summary>The element of an axis that a position in or around it takes.</summary>
    private static long Source(PadMode mode, long at, long dim)
    {
        if (at >= 0 && at < dim) return at;
        if (mode == PadMode.Constant) return TableCopyKernel.Outside;
        if (dim == 0) throw new InvalidInputException($"an axis of length 0 cannot be padded in mode {mode}");
        if (mode == PadMode.Edge) return Math.Clamp(at, 0, dim - 1);
        if (mode == PadMode.Wrap) return (at % dim + dim) % dim;
        long period = Math.Max(1, 2 * (dim - 1)), folded = (at % period + period) % period;
        return Math.Min(folded, period - folded) is var mirrored && dim > 1 ? mirrored : 0;
    }

    private static byte[] Bytes(float value, DType type) => type switch
    {
        DType.Float32 => BitConverter.GetBytes(value),
        DType.Float64 => BitConverter.GetBytes((double)value),
        DType.Float16 => BitConverter.GetBytes((Half)value),
        DType.BFloat16 => BitConverter.GetBytes(BFloat16.Round(value).Bits),
        _ when type.IsInteger() => BitConverter.GetBytes((long)value)[..type.ElementBytes()],
        _ when value == 0 => new byte[type.ElementBytes()],
        _ => throw new UnsupportedModelException($"extrapolation of {type}", [$"Resize: extrapolation of {type}"]),
    };
}
