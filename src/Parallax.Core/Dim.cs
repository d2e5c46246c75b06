using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Parallax;

/// <summary>
/// One dimension of a shape: a number, or an expression over named symbols (<c>batch</c>, <c>2*height + 1</c>, <c>floor(width/8)</c>).
/// Expressions are kept as polynomials in canonical order, so two dims that are equal by arithmetic compare equal.
/// </summary>
public readonly struct Dim : IEquatable<Dim>
{
    private readonly long constant;
    private readonly Term[]? terms; // sorted, no factor 0; null when the dim is a plain number

    private readonly record struct Term(string Monomial, long Factor); // atoms joined by '*', sorted ordinally

    private Dim(long constant, Term[]? terms)
    {
        this.constant = constant;
        this.terms = terms;
    }

    /// <summary>A dim known only by name. Equal names mean equal dims.</summary>
    public static Dim Symbol(string name) => new(0, [new Term(name, 1)]);

    public static implicit operator Dim(long value) => new(value, default);

    public bool IsKnown => terms is null;

    /// <summary>The number; throws where the dim is symbolic.</summary>
    public long Value => IsKnown ? constant : throw new InvalidOperationException($"dimension {this} is symbolic");

    public bool TryGetValue(out long value)
    {
        value = constant;
        return IsKnown;
    }

    public static Dim operator +(Dim a, Dim b)
    {
        if (a.IsKnown && b.IsKnown) return checked(a.constant + b.constant);
        var sum = new Polynomial(a.TermCount + b.TermCount + 1);
        sum.Add("", checked(a.constant + b.constant));
        foreach (Term term in a.Terms) sum.Add(term.Monomial, term.Factor);
        foreach (Term term in b.Terms) sum.Add(term.Monomial, term.Factor);
        return sum.ToDim();
    }

    public static Dim operator -(Dim a) => a * -1;

    public static Dim operator -(Dim a, Dim b) => a + -b;

    public static Dim operator *(Dim a, Dim b)
    {
        if (a.IsKnown && b.IsKnown) return checked(a.constant * b.constant);
        var product = new Polynomial((a.TermCount + 1) * (b.TermCount + 1));
        foreach (Term left in a.TermsWithConstant())
            foreach (Term right in b.TermsWithConstant()) product.Add(Multiply(left.Monomial, right.Monomial), checked(left.Factor * right.Factor));
        return product.ToDim();
    }

    /// <summary>The quotient rounded down; exact division of every term stays a polynomial.</summary>
    public static Dim FloorDiv(Dim a, Dim b)
    {
        if (a.IsKnown && b.IsKnown && b.constant != 0) return (long)Math.Floor((decimal)a.constant / b.constant);
        return TryDivide(a, b, out Dim quotient) ? quotient : Symbol($"floor({Group(a)}/{Group(b)})");
    }

    /// <summary>The quotient rounded up.</summary>
    public static Dim CeilDiv(Dim a, Dim b)
    {
        if (a.IsKnown && b.IsKnown && b.constant != 0) return (long)Math.Ceiling((decimal)a.constant / b.constant);
        return TryDivide(a, b, out Dim quotient) ? quotient : Symbol($"ceil({Group(a)}/{Group(b)})");
    }

    /// <summary>The smaller of two dims where that can be told, else a symbol that names the choice.</summary>
    public static Dim Min(Dim a, Dim b) => a == b ? a : a.IsKnown && b.IsKnown ? Math.Min(a.constant, b.constant) : Symbol($"min({a},{b})");

    /// <summary>The larger of two dims where that can be told, else a symbol that names the choice.</summary>
    public static Dim Max(Dim a, Dim b) => a == b ? a : a.IsKnown && b.IsKnown ? Math.Max(a.constant, b.constant) : Symbol($"max({a},{b})");

    /// <summary>Whether <paramref name="a"/> is a multiple of <paramref name="b"/> by arithmetic alone; if so, the exact quotient.</summary>
    public static bool TryDivide(Dim a, Dim b, out Dim quotient)
    {
        quotient = default;
        if (b.IsKnown)
        {
            if (b.constant == 0 || a.constant % b.constant != 0) return false;
            if (a.IsKnown)
            {
                quotient = a.constant / b.constant;
                return true;
            }
            var parts = new Term[a.TermCount];
            for (int i = 0; i < parts.Length; i++)
            {
                Term term = a.Terms[i];
                if (term.Factor % b.constant != 0) return false;
                parts[i] = term with { Factor = term.Factor / b.constant };
            }
            quotient = new Dim(a.constant / b.constant, parts);
            return true;
        }
        if (b.constant != 0 || b.TermCount != 1) return SameUpToFactor(a, b, out quotient);
        Term by = b.Terms[0];
        Dim result = 0;
        foreach (Term term in a.TermsWithConstant())
        {
            if (term.Factor == 0) continue;
            if (term.Factor % by.Factor != 0 || !TryRemove(term.Monomial, by.Monomial, out string rest)) return false;
            Dim part = term.Factor / by.Factor;
            result += rest.Length == 0 ? part : new Dim(0, [new Term(rest, term.Factor / by.Factor)]);
        }
        quotient = result;
        return true;
    }

    /// <summary>Replaces symbols by numbers. Symbols without an entry stay; <c>floor</c>, <c>ceil</c>, <c>min</c> and <c>max</c> of a replaced symbol stay too.</summary>
    public Dim Substitute(IReadOnlyDictionary<string, long> values)
    {
        if (IsKnown) return this;
        Dim result = constant;
        foreach (Term term in Terms)
        {
            Dim product = term.Factor;
            foreach (string atom in SplitAtoms(term.Monomial))
                product *= values.TryGetValue(atom, out long value) ? value : Symbol(atom);
            result += product;
        }
        return result;
    }

    public bool Equals(Dim other)
    {
        if (constant != other.constant || TermCount != other.TermCount) return false;
        for (int i = 0; i < TermCount; i++)
            if (Terms[i] != other.Terms[i]) return false;
        return true;
    }

    public override bool Equals([NotNullWhen(true)] object? obj) => obj is Dim other && Equals(other);

    public override int GetHashCode()
    {
        var hash = new HashCode();
        hash.Add(constant);
        foreach (Term term in Terms) hash.Add(term);
        return hash.ToHashCode();
    }

    public static bool operator ==(Dim a, Dim b) => a.Equals(b);

    public static bool operator !=(Dim a, Dim b) => !a.Equals(b);

    public override string ToString()
    {
        if (IsKnown) return constant.ToString(CultureInfo.InvariantCulture);
        string text = "";
        foreach (Term term in Terms)
        {
            string factor = Math.Abs(term.Factor) == 1 ? "" : $"{Math.Abs(term.Factor)}*";
            text += text.Length == 0 ? (term.Factor < 0 ? "-" : "") : term.Factor < 0 ? " - " : " + ";
            text += factor + term.Monomial;
        }
        return constant == 0 ? text : $"{text} {(constant < 0 ? '-' : '+')} {Math.Abs(constant)}";
    }

    private ReadOnlySpan<Term> Terms => terms;

    private int TermCount => terms?.Length ?? 0;

    private Term[] TermsWithConstant() => [new Term("", constant), .. Terms];

    /// <summary>A sum while it is made: terms in order, the constant as the empty monomial. Its code is all here: that of generic collections would be compiled at every start.</summary>
    private struct Polynomial(int capacity)
    {
        private readonly Term[] sorted = new Term[capacity];
        private int count;

        internal void Add(string monomial, long factor)
        {
            int at = 0;
            while (at < count && string.CompareOrdinal(sorted[at].Monomial, monomial) < 0) at++;
            if (at < count && sorted[at].Monomial == monomial)
            {
                sorted[at] = new Term(monomial, checked(sorted[at].Factor + factor));
                return;
            }
            for (int i = count++; i > at; i--) sorted[i] = sorted[i - 1];
            sorted[at] = new Term(monomial, factor);
        }

        internal readonly Dim ToDim()
        {
            long constant = 0;
            int kept = 0;
            for (int i = 0; i < count; i++)
                if (sorted[i].Monomial.Length == 0) constant = sorted[i].Factor;
                else if (sorted[i].Factor != 0) sorted[kept++] = sorted[i];
            return kept == 0 ? constant : new Dim(constant, sorted[..kept]);
        }
    }

    private static string Multiply(string a, string b)
    {
        if (a.Length == 0) return b;
        if (b.Length == 0) return a;
        string[] atoms = [.. SplitAtoms(a), .. SplitAtoms(b)];
        Array.Sort(atoms, StringComparer.Ordinal);
        return string.Join('*', atoms);
    }

    private static bool TryRemove(string monomial, string atoms, out string rest)
    {
        var left = SplitAtoms(monomial).ToList();
        rest = "";
        foreach (string atom in SplitAtoms(atoms))
            if (!left.Remove(atom)) return false;
        rest = string.Join('*', left);
        return true;
    }

    /// <summary>Atoms of a monomial; a '*' inside parentheses belongs to its atom.</summary>
    private static IEnumerable<string> SplitAtoms(string monomial)
    {
        int depth = 0, start = 0;
        for (int i = 0; i < monomial.Length; i++)
        {
            if (monomial[i] == '(') depth++;
            else if (monomial[i] == ')') depth--;
            else if (monomial[i] == '*' && depth == 0)
            {
                yield return monomial[start..i];
                start = i + 1;
            }
        }
        if (start < monomial.Length) yield return monomial[start..];
    }

    private static bool SameUpToFactor(Dim a, Dim b, out Dim quotient)
    {
        quotient = default;
        if (a.TermCount != b.TermCount || b.TermCount == 0 || b.Terms[0].Factor == 0 || a.Terms[0].Factor % b.Terms[0].Factor != 0) return false;
        long factor = a.Terms[0].Factor / b.Terms[0].Factor;
        if (a != b * factor) return false;
        quotient = factor;
        return true;
    }

    private static string Group(Dim dim) => dim.IsKnown || (dim.constant == 0 && dim.TermCount == 1 && dim.Terms[0].Factor == 1) ? dim.ToString() : $"({dim})";
}
