using Parallax.Graphs;

namespace Parallax.Runtime.Cpu.Hosts;

/// <summary>Stacks tensors of one shape along a new leading axis, without knowing how many will come.</summary>
/// <param name="expectedCount">The count, where it is known; an upper bound otherwise.</param>
internal sealed class TensorStack(HostContext context, long expectedCount)
{
    private const long MaxFirstBytes = 1 << 20;

    private DType type;
    private long[]? partDims;
    private Storage? buffer;
    private readonly List<string> strings = [];
    private long count, capacity;

    internal void Add(Tensor part)
    {
        if (partDims is null) (type, partDims) = (part.DType, part.Dims.ToArray());
        if (part.DType != type || !part.Dims.SequenceEqual(partDims))
            throw new InvalidInputException($"scan output: iteration {count} gives {part}, the first gave {type}{Shape.ToString(partDims)}");
        if (part.DType == DType.String) strings.AddRange(part.Strings);
        else Copy(part);
        count++;
    }

    internal Tensor ToTensor()
    {
        long[] dims = [count, .. partDims!];
        if (type == DType.String) return Tensor.FromStrings([.. strings], dims);
        Tensor result = context.Allocate(type, dims);
        if (buffer is not null) Bytes.Copy(buffer, 0, result.Storage!, result.ByteOffset, result.ByteCount);
        return result;
    }

    /// <summary>The stack of no tensor, as far as the body tells its dims.</summary>
    internal static Tensor Empty(HostContext context, Graph body, int output)
    {
        var fact = body.TensorFact(body.Outputs[output].Value);
        if (fact is null || fact.Type == DType.Undefined)
            throw new InvalidInputException($"scan output '{body.Outputs[output].Name}' has no parts, and the model does not tell its type");
        long[] dims = [0, .. fact.Shape is { } shape ? shape.Dims.Select(d => d.TryGetValue(out long value) ? value : 0) : []];
        return fact.Type == DType.String ? Tensor.FromStrings([], dims) : context.Allocate(fact.Type, dims);
    }

    private void Copy(Tensor part)
    {
        long bytes = part.ByteCount;
        if (part.DType.IsSubByte() && bytes * 8 != part.ElementCount * part.DType.BitWidth())
            throw new UnsupportedModelException($"a scan output of {part} does not fill whole bytes", [$"stacking {part}"]);
        if (count == capacity) Grow(bytes);
        Bytes.Copy(part.Storage!, part.ByteOffset, buffer!, count * bytes, bytes);
    }

    private void Grow(long partBytes)
    {
        long start = Math.Clamp(MaxFirstBytes / Math.Max(1, partBytes), 1, Math.Max(1, expectedCount));
        capacity = capacity == 0 ? start : checked(capacity * 2);
        Storage larger = Storage.AllocateUninitialized(checked(capacity * partBytes));
        if (buffer is not null) Bytes.Copy(buffer, 0, larger, 0, count * partBytes);
        buffer = larger;
    }
}

/// <summary>Copies between storages of any size.</summary>
internal static class Bytes
{
    private const int Window = 1 << 30;

    internal static void Copy(Storage from, long fromOffset, Storage to, long toOffset, long count)
    {
        for (long done = 0; done < count; done += Window)
        {
            int part = (int)Math.Min(Window, count - done);
            from.Slice(fromOffset + done, part).CopyTo(to.Slice(toOffset + done, part));
        }
    }
}
