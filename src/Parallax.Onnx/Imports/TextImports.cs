using System.Collections.Immutable;
using Parallax.Graphs.Ops;

namespace Parallax.Onnx.Imports;

internal static class TextImports
{
    internal static readonly OpImport[] All =
    [
        new("StringNormalizer", 10.., n => new StringNormalizer(Case(n), n.Bool("is_case_sensitive", false), [.. n.Strings("stopwords") ?? []])),
        new("StringConcat", 20.., n => new StringConcat()),
        new("StringSplit", 20.., n => new StringSplit(n.String("delimiter", ""), n.Has("maxsplit") ? n.Int("maxsplit") : null)),
        new("RegexFullMatch", 20.., n => new RegexFullMatch(n.String("pattern"))),
        new("TfIdfVectorizer", 9.., CreateTfIdf),
    ];

    private static CaseChange Case(ImportNode n) => n.String("case_change_action", "NONE") switch
    {
        "NONE" => CaseChange.None,
        "LOWER" => CaseChange.Lower,
        "UPPER" => CaseChange.Upper,
        var other => throw n.Invalid($"case_change_action must be NONE, LOWER or UPPER, got '{other}'"),
    };

    private static TfIdfVectorizer CreateTfIdf(ImportNode n)
    {
        TfIdfMode mode = n.String("mode") switch
        {
            "TF" => TfIdfMode.TermFrequency,
            "IDF" => TfIdfMode.InverseDocumentFrequency,
            "TFIDF" => TfIdfMode.Product,
            var other => throw n.Invalid($"mode must be TF, IDF or TFIDF, got '{other}'"),
        };
        var op = new TfIdfVectorizer(mode, checked((int)n.Int("min_gram_length")), checked((int)n.Int("max_gram_length")), checked((int)n.Int("max_skip_count")),
            Required(n, "ngram_counts"), Required(n, "ngram_indexes"), [.. n.Ints("pool_int64s") ?? []], [.. n.Strings("pool_strings") ?? []], [.. n.Floats("weights") ?? []]);
        if (op.Indexes.Any(i => i < 0)) throw n.Invalid("ngram_indexes must not be negative");
        if (!op.Weights.IsEmpty && op.Weights.Length < op.OutputLength) throw n.Invalid($"weights must have {op.OutputLength} elements, got {op.Weights.Length}");
        return op;
    }

    private static ImmutableArray<long> Required(ImportNode n, string attribute) =>
        [.. n.Ints(attribute) ?? throw n.Invalid($"attribute '{attribute}' is missing")];
}
