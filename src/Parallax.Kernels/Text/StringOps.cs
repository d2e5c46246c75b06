namespace Parallax.Kernels.Text;

/// <summary>Operations on string tensors. Results are new tensors.</summary>
public static class StringOps
{
    /// <summary>The strings without stop words, changed by <paramref name="change"/>; one empty string where none is left.</summary>
    /// <param name="source">[C] or [1xC].</param>
    public static Tensor Normalize(Tensor source, IEnumerable<string> stopWords, bool isCaseSensitive, Func<string, string>? change)
    {
        if (source.Rank is not (1 or 2) || (source.Rank == 2 && source.Dims[0] != 1)) throw new InvalidInputException($"strings must be [C] or [1xC], got {source}");
        var stops = new HashSet<string>(stopWords, isCaseSensitive ? StringComparer.Ordinal : StringComparer.OrdinalIgnoreCase);
        var kept = new List<string>();
        foreach (string word in source.Strings)
            if (!stops.Contains(word)) kept.Add(change is null ? word : change(word));
        if (kept.Count == 0) kept.Add("");
        return Tensor.FromStrings([.. kept], source.Rank == 1 ? [kept.Count] : [1, kept.Count]);
    }

    /// <summary>Elementwise concatenation, with broadcasting.</summary>
    public static Tensor Concat(Tensor a, Tensor b)
    {
        int rank = Math.Max(a.Rank, b.Rank);
        long[] left = Pad(a.Dims, rank), right = Pad(b.Dims, rank), dims = new long[rank];
        for (int i = 0; i < rank; i++)
        {
            if (left[i] != right[i] && left[i] != 1 && right[i] != 1) throw new InvalidInputException($"{a} and {b} do not broadcast");
            dims[i] = left[i] == 1 ? right[i] : left[i];
        }
        long[] leftStrides = BroadcastStrides(left), rightStrides = BroadcastStrides(right);
        var result = new string[Shape.Count(dims)];
        for (int at = 0; at < result.Length; at++)
        {
            long rest = at, l = 0, r = 0;
            for (int i = rank - 1; i >= 0; i--)
            {
                (rest, long index) = Math.DivRem(rest, dims[i]);
                l += index * leftStrides[i];
                r += index * rightStrides[i];
            }
            result[at] = a.Strings[(int)l] + b.Strings[(int)r];
        }
        return Tensor.FromStrings(result, dims);
    }

    /// <summary>The parts of each string, padded with empty strings along a new last axis, and their counts.</summary>
    /// <param name="delimiter">Null or empty: runs of white space, and none at the ends.</param>
    /// <param name="maxSplit">The most cuts in one string.</param>
    public static (Tensor Parts, Tensor Counts) Split(Tensor source, string? delimiter, long maxSplit = long.MaxValue)
    {
        var split = new List<string>[source.ElementCount];
        Tensor counts = Tensor.Allocate(DType.Int64, source.Dims);
        int longest = 0;
        for (int i = 0; i < split.Length; i++)
        {
            split[i] = string.IsNullOrEmpty(delimiter) ? SplitAtSpace(source.Strings[i], maxSplit) : SplitAt(source.Strings[i], delimiter, maxSplit);
            counts.Span<long>()[i] = split[i].Count;
            longest = Math.Max(longest, split[i].Count);
        }
        Tensor parts = Tensor.Allocate(DType.String, [.. source.Dims, longest]);
        for (int i = 0; i < split.Length; i++) split[i].CopyTo(parts.Strings.Slice(i * longest, longest));
        return (parts, counts);
    }

    private static void CopyTo(this List<string> parts, Span<string> target) => parts.ToArray().CopyTo(target);

    private static List<string> SplitAt(string text, string delimiter, long maxSplit)
    {
        var parts = new List<string>();
        int start = 0;
        while (parts.Count < maxSplit && text.IndexOf(delimiter, start, StringComparison.Ordinal) is var end and >= 0)
        {
            parts.Add(text[start..end]);
            start = end + delimiter.Length;
        }
        parts.Add(text[start..]);
        return parts;
    }

    private static List<string> SplitAtSpace(string text, long maxSplit)
    {
        var parts = new List<string>();
        int at = 0;
        while (true)
        {
            while (at < text.Length && char.IsWhiteSpace(text[at])) at++;
            if (at == text.Length) return parts;
            int end = at;
            if (parts.Count >= maxSplit) end = text.Length;
            while (end < text.Length && !char.IsWhiteSpace(text[end])) end++;
            parts.Add(text[at..end]);
            at = end;
        }
    }

    private static long[] Pad(ReadOnlySpan<long> dims, int rank) => [.. Enumerable.Repeat(1L, rank - dims.Length), .. dims];

    private static long[] BroadcastStrides(long[] dims)
    {
        long[] strides = Shape.Strides(dims);
        for (int i = 0; i < dims.Length; i++)
            if (dims[i] == 1) strides[i] = 0;
        return strides;
    }
}
