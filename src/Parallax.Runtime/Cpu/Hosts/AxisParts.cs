namespace Parallax.Runtime.Cpu.Hosts;

/// <summary>Cuts tensors along an axis and puts them together again; elements of whole bytes, or strings.</summary>
internal static class AxisParts
{
    /// <summary>A copy of positions <paramref name="start"/> to <paramref name="start"/> + <paramref name="count"/> of an axis.</summary>
    internal static Tensor Copy(Tensor from, int axis, long start, long count)
    {
        long[] dims = [.. from.Dims[..axis], count, .. from.Dims[(axis + 1)..]];
        Tensor part = Tensor.Allocate(from.DType, dims);
        Copy(from, axis, start, part, 0, count);
        return part;
    }

    internal static Tensor Concat(HostContext context, IReadOnlyList<Tensor> parts, int axis)
    {
        long[] dims = parts[0].Dims.ToArray();
        foreach (Tensor part in parts.Skip(1))
        {
            long[] like = [.. dims[..axis], part.Rank > axis ? part.Dims[axis] : 0, .. dims[(axis + 1)..]];
            if (part.DType != parts[0].DType || !part.Dims.SequenceEqual(like)) throw new InvalidInputException($"{parts[0]} and {part} cannot be concatenated along axis {axis}");
        }
        dims[axis] = parts.Sum(p => p.Dims[axis]);
        Tensor whole = parts[0].DType == DType.String ? Tensor.Allocate(DType.String, dims) : context.Allocate(parts[0].DType, dims);
        long at = 0;
        foreach (Tensor part in parts)
        {
            Copy(part, axis, 0, whole, at, part.Dims[axis]);
            at += part.Dims[axis];
        }
        return whole;
    }

    private static void Copy(Tensor from, int axis, long fromStart, Tensor to, long toStart, long count)
    {
        long outer = Shape.Count(from.Dims[..axis]), inner = Shape.Count(from.Dims[(axis + 1)..]);
        for (long o = 0; o < outer; o++)
        {
            long source = (o * from.Dims[axis] + fromStart) * inner, target = (o * to.Dims[axis] + toStart) * inner;
            if (from.DType == DType.String)
            {
                from.Strings.Slice((int)source, (int)(count * inner)).CopyTo(to.Strings[(int)target..]);
                continue;
            }
            int size = from.DType.ElementBytes();
            Bytes.Copy(from.Storage!, from.ByteOffset + source * size, to.Storage!, to.ByteOffset + target * size, count * inner * size);
        }
    }
}
