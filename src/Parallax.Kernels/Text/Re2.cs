using System.Text;
using System.Text.RegularExpressions;

namespace Parallax.Kernels.Text;

/// <summary>
/// Patterns in the syntax of RE2 (https://github.com/google/re2/wiki/Syntax) as .NET expressions: classes such as \w and \d mean ASCII,
/// $ means the end of the text, a dot or a negated class takes a whole code point, and matching takes linear time.
/// </summary>
public static class Re2
{
    private const string CodePointAbove = @"[\uD800-\uDBFF][\uDC00-\uDFFF]";

    private static readonly Dictionary<string, string> PosixClasses = new()
    {
        ["alnum"] = "0-9A-Za-z", ["alpha"] = "A-Za-z", ["ascii"] = @"\x00-\x7F", ["blank"] = @"\t ", ["cntrl"] = @"\x00-\x1F\x7F", ["digit"] = "0-9",
        ["graph"] = "!-~", ["lower"] = "a-z", ["print"] = " -~", ["punct"] = @"!-/:-@\[-`{-~", ["space"] = @"\t\n\v\f\r ", ["upper"] = "A-Z",
        ["word"] = "0-9A-Za-z_", ["xdigit"] = "0-9A-Fa-f",
    };

    /// <summary>An expression that matches a text exactly where the whole text matches the pattern.</summary>
    /// <exception cref="InvalidModelException">The pattern is not one that RE2 takes.</exception>
    public static Regex FullMatch(string pattern)
    {
        try
        {
            return new Regex($@"\A(?:{Translate(pattern)})\z", RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            throw new InvalidModelException($"'{pattern}' is not a regular expression: {e.Message}", e);
        }
    }

    private static string Translate(string pattern)
    {
        var text = new StringBuilder();
        bool multiline = pattern.Contains("(?m", StringComparison.Ordinal);
        for (int i = 0; i < pattern.Length;)
        {
            switch (pattern[i])
            {
                case '\\':
                    i = TranslateEscape(pattern, i, text);
                    break;
                case '[':
                    i = TranslateClass(pattern, i, text);
                    break;
                case '.':
                    text.Append($"(?:{CodePointAbove}|.)");
                    i++;
                    break;
                case '$' when !multiline:
                    text.Append(@"\z");
                    i++;
                    break;
                case '(' when pattern.AsSpan(i).StartsWith("(?P<"):
                    text.Append("(?<");
                    i += 4;
                    break;
                default:
                    text.Append(pattern[i++]);
                    break;
            }
        }
        return text.ToString();
    }

    /// <summary>Translates the escape at <paramref name="at"/>; returns the position behind it.</summary>
    private static int TranslateEscape(string pattern, int at, StringBuilder text)
    {
        if (at + 1 >= pattern.Length) throw new ArgumentException("it ends with a backslash");
        char kind = pattern[at + 1];
        if (kind == 'Q')
        {
            int end = pattern.IndexOf(@"\E", at + 2, StringComparison.Ordinal);
            text.Append(Regex.Escape(pattern[(at + 2)..(end < 0 ? pattern.Length : end)]));
            return end < 0 ? pattern.Length : end + 2;
        }
        if (Perl(char.ToLowerInvariant(kind)) is { } members)
        {
            text.Append(char.IsUpper(kind) ? $"(?:{CodePointAbove}|[^{members}])" : $"[{members}]");
            return at + 2;
        }
        return CopyEscape(pattern, at, text);
    }

    private static int TranslateClass(string pattern, int at, StringBuilder text)
    {
        bool negated = at + 1 < pattern.Length && pattern[at + 1] == '^';
        text.Append(negated ? $"(?:{CodePointAbove}|[^" : "[");
        int i = at + (negated ? 2 : 1);
        for (int first = i; i < pattern.Length && (pattern[i] != ']' || i == first);)
        {
            if (pattern[i] == '\\') i = TranslateMember(pattern, i, text);
            else if (pattern[i] == '[' && PosixName(pattern, i) is { } name)
            {
                text.Append(PosixClasses[name]);
                i += name.Length + 4;
            }
            else
            {
                // What RE2 reads as itself: a bracket, which .NET takes for a subtraction behind a dash.
                if (pattern[i] is '[' or ']') text.Append('\\');
                text.Append(pattern[i++]);
            }
        }
        if (i >= pattern.Length) throw new ArgumentException("a '[' has no ']'");
        text.Append(negated ? "])" : "]");
        return i + 1;
    }

    private static int TranslateMember(string pattern, int at, StringBuilder text)
    {
        char kind = at + 1 < pattern.Length ? pattern[at + 1] : '\0';
        if (Perl(kind) is { } members)
        {
            text.Append(members);
            return at + 2;
        }
        string? others = kind switch
        {
            'D' => @"\x00-/:-\uFFFF",
            'W' => @"\x00-/:-@\[-^`{-\uFFFF",
            'S' => @"\x00-\x08\v\x0E-\x1F!-\uFFFF",
            _ => null,
        };
        if (others is null) return CopyEscape(pattern, at, text);
        text.Append(others);
        return at + 2;
    }

    private static int CopyEscape(string pattern, int at, StringBuilder text)
    {
        if (at + 1 >= pattern.Length) throw new ArgumentException("it ends with a backslash");
        char kind = pattern[at + 1];
        // One-letter Unicode classes, and code points in braces.
        if (kind is 'p' or 'P' && at + 2 < pattern.Length && pattern[at + 2] != '{')
        {
            text.Append('\\').Append(kind).Append('{').Append(pattern[at + 2]).Append('}');
            return at + 3;
        }
        if (kind == 'x' && at + 2 < pattern.Length && pattern[at + 2] == '{')
        {
            int end = pattern.IndexOf('}', at);
            if (end < 0) throw new ArgumentException(@"a '\x{' has no '}'");
            text.Append(Regex.Escape(char.ConvertFromUtf32(Convert.ToInt32(pattern[(at + 3)..end], 16))));
            return end + 1;
        }
        if (char.IsAsciiDigit(kind) && kind != '0') throw new ArgumentException("back references are not regular");
        text.Append('\\').Append(kind);
        return at + 2;
    }

    private static string? Perl(char kind) => kind switch
    {
        'd' => "0-9",
        'w' => "0-9A-Za-z_",
        's' => @"\t\n\f\r ",
        _ => null,
    };

    private static string? PosixName(string pattern, int at)
    {
        if (at + 1 >= pattern.Length || pattern[at + 1] != ':') return null;
        int end = pattern.IndexOf(":]", at + 2, StringComparison.Ordinal);
        return end > 0 && PosixClasses.ContainsKey(pattern[(at + 2)..end]) ? pattern[(at + 2)..end] : null;
    }
}
