using System.Globalization;
using System.Xml.Linq;

namespace Parallax.Cli.Report;

/// <summary>Elements of a page that is well-formed XML and HTML at once: nothing but void elements may be empty, and scripts and styles use no <c>&lt; &gt; &amp;</c>.</summary>
internal static class Html
{
    /// <param name="tag">Also with classes, as in <c>div.box.wide</c>.</param>
    internal static XElement Tag(string tag, params object?[] content)
    {
        string[] parts = tag.Split('.');
        var element = new XElement(parts[0], content);
        if (parts.Length > 1) element.SetAttributeValue("class", string.Join(' ', parts[1..]));
        if (element.IsEmpty && parts[0] is not ("meta" or "br" or "rect" or "path" or "line")) element.Add("");
        return element;
    }

    internal static XAttribute At(string name, object value) => new(name, value is double number ? Number(number) : Convert.ToString(value, CultureInfo.InvariantCulture)!);

    internal static string Number(double value) => value.ToString("0.###", CultureInfo.InvariantCulture);

    internal static XAttribute Percent(string name, double share) => At(name, $"{Number(100 * share)}%");

    /// <summary>What a click or a pointer that rests tells of an element.</summary>
    internal static object[] Tip(string text) => [At("data-tip", text), new XElement("title", text)];

    /// <param name="columns">Headings; those that start with <c>&gt;</c> are aligned right.</param>
    internal static XElement Table(IReadOnlyList<string> columns, IEnumerable<object?[]> rows) =>
        Tag("div.scroll", Tag("table",
            Tag("thead", Tag("tr", columns.Select(c => Tag(c.StartsWith('>') ? "th.r" : "th", c.TrimStart('>'))))),
            Tag("tbody", rows.Select(row => Tag("tr", row.Select((cell, i) => Tag(columns[i].StartsWith('>') ? "td.r" : "td", cell)))))));
}
