using System.Numerics;
using Parallax.Graphs;
using Parallax.Graphs.Ops;

namespace Parallax.Runtime.Cpu.Hosts;

/// <summary>Tensors of one type as equal slices of elements, whatever the element: strings or bytes.</summary>
internal static class ElementSlices
{
    /// <summary>The slices of <c>[outer, length, inner]</c> with the given indices, in their order.</summary>
    internal static Tensor Take(Tensor data, long outer, long length, long inner, IReadOnlyList<long> indices, long[] dims, HostContext context)
    {
        if (data.DType == DType.String)
        {
            var strings = new List<string>();
            for (long row = 0; row < outer; row++)
                foreach (long i in indices) strings.AddRange(data.Strings.Slice((int)((row * length + i) * inner), (int)inner));
            return Tensor.FromStrings([.. strings], dims);
        }
        Tensor result = context.Allocate(data.DType, dims);
        long sliceBytes = inner * data.DType.ElementBytes(), to = 0;
        for (long row = 0; row < outer; row++)
            foreach (long i in indices)
            {
                Copy(data, (row * length + i) * sliceBytes, result, to, sliceBytes);
                to += sliceBytes;
            }
        return result;
    }

    private static void Copy(Tensor source, long from, Tensor target, long to, long bytes)
    {
        const int most = 1 << 30; // a span is at most 2 GiB
        for (; bytes > 0; bytes -= most, from += most, to += most)
        {
            int count = (int)Math.Min(bytes, most);
            source.Storage!.Slice(source.ByteOffset + from, count).CopyTo(target.Storage!.Slice(target.ByteOffset + to, count));
        }
    }
}

internal static class CompressHost
{
    internal static Datum?[] Run(Compress op, HostContext context)
    {
        Tensor data = context.Tensor(0), condition = context.Tensor(1);
        long[] dims = op.Axis is null ? [data.ElementCount] : data.Dims.ToArray();
        int axis = op.Axis is { } given ? ShapeRules.Axis(given, dims.Length) : 0;
        var taken = new List<long>();
        ReadOnlySpan<byte> wanted = condition.Span<byte>();
        for (int i = 0; i < wanted.Length; i++)
        {
            if (wanted[i] == 0) continue;
            if (i >= dims[axis]) throw new InvalidInputException($"condition {i} is true, but axis {axis} has {dims[axis]} elements");
            taken.Add(i);
        }
        long outer = Shape.Count(dims.AsSpan(0, axis)), inner = Shape.Count(dims.AsSpan(axis + 1)), length = dims[axis];
        dims[axis] = taken.Count;
        return [ElementSlices.Take(data, outer, length, inner, taken, dims, context)];
    }
}

internal static class NonZeroHost
{
    internal static Tensor Run(Tensor data, HostContext context)
    {
        List<long> found = Find(data);
        Tensor result = context.Allocate(DType.Int64, [data.Rank, found.Count]);
        Span<long> coordinates = result.Span<long>();
        for (int i = 0; i < found.Count; i++)
        {
            long rest = found[i];
            for (int axis = data.Rank - 1; axis >= 0; axis--)
            {
                (rest, long at) = Math.DivRem(rest, data.Dims[axis]);
                coordinates[axis * found.Count + i] = at;
            }
        }
        return result;
    }

    private static List<long> Find(Tensor data) => data.DType switch
    {
        DType.Float32 => Find<float>(data.Span<float>()),
        DType.Float64 => Find<double>(data.Span<double>()),
        DType.Float16 => Find<Half>(data.Span<Half>()),
        DType.BFloat16 => FindBFloat16(data.Span<BFloat16>()),
        DType.Int64 => Find<long>(data.Span<long>()),
        DType.Int32 => Find<int>(data.Span<int>()),
        DType.Int16 => Find<short>(data.Span<short>()),
        DType.Int8 => Find<sbyte>(data.Span<sbyte>()),
        DType.UInt64 => Find<ulong>(data.Span<ulong>()),
        DType.UInt32 => Find<uint>(data.Span<uint>()),
        DType.UInt16 => Find<ushort>(data.Span<ushort>()),
        DType.UInt8 or DType.Bool => Find<byte>(data.Span<byte>()),
        _ => throw new UnsupportedModelException($"NonZero of {data.DType}", [$"NonZero of {data.DType}"]),
    };

    private static List<long> Find<T>(ReadOnlySpan<T> values) where T : INumberBase<T>
    {
        var found = new List<long>();
        for (int i = 0; i < values.Length; i++)
            if (!T.IsZero(values[i])) found.Add(i);
        return found;
    }

    private static List<long> FindBFloat16(ReadOnlySpan<BFloat16> values)
    {
        var found = new List<long>();
        for (int i = 0; i < values.Length; i++)
            if ((values[i].Bits & 0x7FFF) != 0) found.Add(i);
        return found;
    }
}

internal static class UniqueHost
{
    internal static Datum?[] Run(Unique op, HostContext context)
    {
        Tensor data = context.Tensor(0);
        long[] dims = op.Axis is null ? [data.ElementCount] : data.Dims.ToArray();
        int axis = op.Axis is { } given ? ShapeRules.Axis(given, dims.Length) : 0;
        long outer = Shape.Count(dims.AsSpan(0, axis)), inner = Shape.Count(dims.AsSpan(axis + 1)), length = dims[axis];
        Comparison<int> compare = Comparer(data, outer, length, inner);
        List<List<int>> groups = Groups((int)length, compare);
        if (!op.Sorted) groups.Sort((a, b) => a[0].CompareTo(b[0]));
        var places = new long[length];
        for (int group = 0; group < groups.Count; group++)
            foreach (int i in groups[group]) places[i] = group;
        long[] first = [.. groups.Select(g => (long)g[0])], counts = [.. groups.Select(g => (long)g.Count)];
        dims[axis] = groups.Count;
        Datum[] all = [ElementSlices.Take(data, outer, length, inner, first, dims, context), Line(first), Line(places), Line(counts)];
        return all[..context.OutputCount];
    }

    private static Tensor Line(long[] values) => Tensor.From(values, [values.Length]);

    /// <summary>Indices of equal slices together, each group and the indices inside in rising order.</summary>
    private static List<List<int>> Groups(int count, Comparison<int> compare)
    {
        int[] order = [.. Enumerable.Range(0, count)];
        Array.Sort(order, (a, b) => compare(a, b) is var sign and not 0 ? sign : a.CompareTo(b));
        var groups = new List<List<int>>();
        foreach (int i in order)
        {
            if (groups.Count > 0 && compare(groups[^1][0], i) == 0) groups[^1].Add(i);
            else groups.Add([i]);
        }
        return groups;
    }

    private static Comparison<int> Comparer(Tensor data, long outer, long length, long inner)
    {
        return data.DType switch
        {
            DType.Float32 => Of(data.Span<float>().ToArray()),
            DType.Float64 => Of(data.Span<double>().ToArray()),
            DType.Float16 => Of(data.Span<Half>().ToArray()),
            DType.BFloat16 => Of(Array.ConvertAll(data.Span<BFloat16>().ToArray(), BFloat16.Widen)),
            DType.Int64 => Of(data.Span<long>().ToArray()),
            DType.Int32 => Of(data.Span<int>().ToArray()),
            DType.Int16 => Of(data.Span<short>().ToArray()),
            DType.Int8 => Of(data.Span<sbyte>().ToArray()),
            DType.UInt64 => Of(data.Span<ulong>().ToArray()),
            DType.UInt32 => Of(data.Span<uint>().ToArray()),
            DType.UInt16 => Of(data.Span<ushort>().ToArray()),
            DType.UInt8 or DType.Bool => Of(data.Span<byte>().ToArray()),
            DType.String => Of(Array.ConvertAll(data.Strings.ToArray(), s => new OrdinalString(s))),
            _ => throw new UnsupportedModelException($"Unique of {data.DType}", [$"Unique of {data.DType}"]),
        };

        Comparison<int> Of<T>(T[] values) where T : IComparable<T> => (a, b) =>
        {
            for (long row = 0; row < outer; row++)
                for (long i = 0; i < inner; i++)
                    if (values[(row * length + a) * inner + i].CompareTo(values[(row * length + b) * inner + i]) is var sign and not 0) return sign;
            return 0;
        };
    }

    private readonly record struct OrdinalString(string Text) : IComparable<OrdinalString>
    {
        public int CompareTo(OrdinalString other) => string.CompareOrdinal(Text, other.Text);
    }
}
