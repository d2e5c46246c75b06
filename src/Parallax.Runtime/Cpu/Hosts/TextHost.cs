using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Parallax.Graphs.Ops;
using Parallax.Kernels.Text;

namespace Parallax.Runtime.Cpu.Hosts;

/// <summary>Operators on strings. What is made from attributes alone, such as a compiled pattern, is made once per operator.</summary>
internal static class TextHost
{
    private static readonly ConditionalWeakTable<RegexFullMatch, Regex> Patterns = [];
    private static readonly ConditionalWeakTable<TfIdfVectorizer, object> Counters = [];

    internal static Datum?[] Normalize(StringNormalizer op, HostContext context) =>
    [
        StringOps.Normalize(context.Tensor(0), op.StopWords, op.IsCaseSensitive, op.Case switch
        {
            CaseChange.Lower => text => text.ToLowerInvariant(),
            CaseChange.Upper => text => text.ToUpperInvariant(),
            _ => null,
        }),
    ];

    internal static Datum?[] Split(StringSplit op, HostContext context)
    {
        (Tensor parts, Tensor counts) = StringOps.Split(context.Tensor(0), op.Delimiter, op.MaxSplit ?? long.MaxValue);
        return [parts, counts];
    }

    internal static Datum?[] Match(RegexFullMatch op, HostContext context)
    {
        Regex pattern = Patterns.GetValue(op, o => Re2.FullMatch(o.Pattern));
        Tensor text = context.Tensor(0), matches = context.Allocate(DType.Bool, text.Dims);
        Span<byte> target = matches.Span<byte>();
        for (int i = 0; i < target.Length; i++) target[i] = pattern.IsMatch(text.Strings[i]) ? (byte)1 : (byte)0;
        return [matches];
    }

    internal static Datum?[] Count(TfIdfVectorizer op, HostContext context)
    {
        Tensor items = context.Tensor(0);
        if (items.DType == DType.String) return [Count(op, context, Counter(op, op.StringPool), items, items.Strings)];
        long[] numbers = items.DType == DType.Int64 ? items.Span<long>().ToArray() : Array.ConvertAll(items.Span<int>().ToArray(), v => (long)v);
        return [Count(op, context, Counter(op, op.IntPool), items, numbers.AsSpan())];
    }

    private static NgramCounter<T> Counter<T>(TfIdfVectorizer op, ImmutableArray<T> pool) where T : notnull =>
        (NgramCounter<T>)Counters.GetValue(op, o => new NgramCounter<T>(pool.AsSpan(), o.Starts.AsSpan(), o.Indexes.AsSpan(), o.MinLength, o.MaxLength, o.MaxSkip));

    private static Tensor Count<T>(TfIdfVectorizer op, HostContext context, NgramCounter<T> counter, Tensor items, ReadOnlySpan<T> values) where T : notnull
    {
        int rows = items.Rank == 2 ? (int)items.Dims[0] : 1, columns = rows == 0 ? 0 : values.Length / rows, width = (int)op.OutputLength;
        Tensor result = context.Allocate(DType.Float32, items.Rank == 2 ? [rows, width] : [width]);
        result.Bytes.Clear();
        for (int row = 0; row < rows; row++)
        {
            Span<float> counts = result.Span<float>().Slice(row * width, width);
            counter.Count(values.Slice(row * columns, columns), counts);
            for (int i = 0; i < width; i++) counts[i] = Weigh(op, counts[i], i);
        }
        return result;
    }

    private static float Weigh(TfIdfVectorizer op, float count, int place)
    {
        float weight = op.Weights.IsEmpty ? 1 : op.Weights[place];
        return op.Mode switch
        {
            TfIdfMode.TermFrequency => count,
            TfIdfMode.InverseDocumentFrequency => count > 0 ? weight : 0,
            _ => count * weight,
        };
    }
}
