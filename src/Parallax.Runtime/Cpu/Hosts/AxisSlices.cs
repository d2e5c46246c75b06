using Parallax.Graphs;
using Parallax.Graphs.Ops;

namespace Parallax.Runtime.Cpu.Hosts;

/// <summary>A tensor of whole-byte elements or strings, read and written slice by slice along an axis.</summary>
internal sealed class AxisSlices
{
    private readonly long outer, innerElements;
    private readonly long[] sliceDims;

    internal AxisSlices(Tensor whole, int axis)
    {
        Whole = whole;
        Count = whole.Dims[axis];
        outer = Shape.Count(whole.Dims[..axis]);
        innerElements = Shape.Count(whole.Dims[(axis + 1)..]);
        sliceDims = [.. whole.Dims[..axis], .. whole.Dims[(axis + 1)..]];
        if (whole.DType != DType.String) whole.DType.ElementBytes();
    }

    internal Tensor Whole { get; }

    internal long Count { get; }

    /// <summary>A tensor of zeros (or empty strings) with room for <paramref name="count"/> slices like <paramref name="slice"/>.</summary>
    internal static AxisSlices For(HostContext context, Tensor slice, long axis, long count) =>
        Zeros(context, slice.DType, slice.Dims, ShapeRules.Axis(axis, slice.Rank + 1), count);

    /// <summary>A scan output none of whose steps was run, as far as the body tells its dims.</summary>
    internal static Tensor NoSteps(Scan op, HostContext context, int bodyOutput, long count)
    {
        var fact = op.Body.TensorFact(op.Body.Outputs[bodyOutput].Value);
        if (fact is null || fact.Type == DType.Undefined)
            throw new InvalidInputException($"scan output '{op.Body.Outputs[bodyOutput].Name}' has no steps, and the model does not tell its type");
        long[] dims = fact.Shape is { } shape ? [.. shape.Dims.Select(d => d.TryGetValue(out long value) ? value : 0)] : [];
        return Zeros(context, fact.Type, dims, ShapeRules.Axis(op.OutputAxes[bodyOutput - op.StateCount], dims.Length + 1), count).Whole;
    }

    /// <summary>One slice: a view where the axis is the outermost, else a copy.</summary>
    internal Tensor Read(long index)
    {
        if (Whole.DType == DType.String) return ReadStrings((int)index);
        long bytes = innerElements * Whole.DType.ElementBytes();
        if (outer == 1) return new Tensor(Whole.DType, sliceDims, Whole.Storage!, Whole.ByteOffset + index * bytes);
        Tensor slice = Tensor.Allocate(Whole.DType, sliceDims);
        for (long o = 0; o < outer; o++) Bytes.Copy(Whole.Storage!, Whole.ByteOffset + (o * Count + index) * bytes, slice.Storage!, slice.ByteOffset + o * bytes, bytes);
        return slice;
    }

    internal void Write(long index, Tensor slice)
    {
        if (slice.DType != Whole.DType || !slice.Dims.SequenceEqual(sliceDims))
            throw new InvalidInputException($"step {index} gives {slice}, the first step gave {Whole.DType}{Shape.ToString(sliceDims)}");
        if (Whole.DType == DType.String)
        {
            for (int o = 0; o < outer; o++)
                slice.Strings.Slice(o * (int)innerElements, (int)innerElements).CopyTo(Whole.Strings[(int)((o * Count + index) * innerElements)..]);
            return;
        }
        long bytes = innerElements * Whole.DType.ElementBytes();
        for (long o = 0; o < outer; o++) Bytes.Copy(slice.Storage!, slice.ByteOffset + o * bytes, Whole.Storage!, Whole.ByteOffset + (o * Count + index) * bytes, bytes);
    }

    private static AxisSlices Zeros(HostContext context, DType type, ReadOnlySpan<long> sliceDims, int axis, long count)
    {
        long[] dims = [.. sliceDims[..axis], count, .. sliceDims[axis..]];
        if (type == DType.String) return new AxisSlices(Tensor.Allocate(type, dims), axis);
        Tensor whole = context.Allocate(type, dims);
        for (long done = 0; done < whole.ByteCount; done += 1 << 30)
            whole.Storage!.Slice(whole.ByteOffset + done, (int)Math.Min(1 << 30, whole.ByteCount - done)).Clear();
        return new AxisSlices(whole, axis);
    }

    private Tensor ReadStrings(int index)
    {
        var slice = new string[outer * innerElements];
        for (int o = 0; o < outer; o++)
            Whole.Strings.Slice((int)((o * Count + index) * innerElements), (int)innerElements).CopyTo(slice.AsSpan(o * (int)innerElements));
        return Tensor.FromStrings(slice, sliceDims);
    }
}
