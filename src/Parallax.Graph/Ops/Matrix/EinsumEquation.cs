using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>
/// An equation of Einstein's summation for operands of known ranks: a label per axis. Named axes have their letter; those of an ellipsis
/// are numbered from the right, below zero, so that they meet as in broadcasting.
/// </summary>
/// <param name="Operands">Per operand, the labels of its axes.</param>
/// <param name="Output">The labels of the result's axes.</param>
public sealed record EinsumEquation(ImmutableArray<ImmutableArray<int>> Operands, ImmutableArray<int> Output)
{
    private const string Ellipsis = "...";

    /// <exception cref="InvalidModelException">The equation is malformed, or does not fit the ranks.</exception>
    public static EinsumEquation Parse(string text, IReadOnlyList<int> ranks)
    {
        string equation = string.Concat(text.Where(c => !char.IsWhiteSpace(c)));
        int arrow = equation.IndexOf("->", StringComparison.Ordinal);
        string[] terms = (arrow < 0 ? equation : equation[..arrow]).Split(',');
        if (terms.Length != ranks.Count) throw new InvalidModelException($"equation '{text}' has {terms.Length} terms for {ranks.Count} inputs");
        var operands = terms.Select((term, i) => Labels(text, term, ranks[i])).ToImmutableArray();
        int ellipsis = operands.Max(o => o.Count(label => label < 0));
        ImmutableArray<int> output = arrow < 0
            ? [.. Numbered(ellipsis), .. operands.SelectMany(o => o).Where(label => label >= 0).GroupBy(label => label).Where(g => g.Count() == 1).Select(g => g.Key).Order()]
            : Labels(text, equation[(arrow + 2)..], equation[(arrow + 2)..].Replace(Ellipsis, "").Length + (equation[(arrow + 2)..].Contains(Ellipsis) ? ellipsis : 0));
        if (output.Distinct().Count() != output.Length) throw new InvalidModelException($"equation '{text}' names an axis of the result twice");
        foreach (int label in output)
            if (!operands.Any(o => o.Contains(label))) throw new InvalidModelException($"equation '{text}': no input has axis '{(char)label}' of the result");
        return new EinsumEquation(operands, output);
    }

    /// <summary>The labels that are summed over: those that are not in the result.</summary>
    public ImmutableArray<int> Summed => [.. Operands.SelectMany(o => o).Distinct().Except(Output)];

    private static ImmutableArray<int> Labels(string text, string term, int rank)
    {
        int at = term.IndexOf(Ellipsis, StringComparison.Ordinal);
        string letters = at < 0 ? term : term.Remove(at, Ellipsis.Length);
        if (!letters.All(char.IsAsciiLetter)) throw new InvalidModelException($"equation '{text}': term '{term}' has characters that are no letters");
        if (at < 0 ? letters.Length != rank : letters.Length > rank) throw new InvalidModelException($"equation '{text}': term '{term}' does not fit rank {rank}");
        return at < 0
            ? [.. letters.Select(c => (int)c)]
            : [.. letters[..at].Select(c => (int)c), .. Numbered(rank - letters.Length), .. letters[at..].Select(c => (int)c)];
    }

    private static IEnumerable<int> Numbered(int count) => Enumerable.Range(-count, count);
}
