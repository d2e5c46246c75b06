using Spectre.Console;

namespace Parallax.Cli.Output;

/// <summary>Prints tables: with lines on a terminal, plain columns of any width in a pipe.</summary>
internal static class Tables
{
    private const int PipeWidth = 1000;

    /// <param name="columns">Headings; those that start with <c>&gt;</c> are aligned right.</param>
    internal static void Print(TextWriter output, IReadOnlyList<string> columns, IEnumerable<IReadOnlyList<string>> rows)
    {
        bool isTerminal = ReferenceEquals(output, Console.Out) && !Console.IsOutputRedirected;
        using var plain = new StringWriter();
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(isTerminal ? output : plain),
            Ansi = isTerminal ? AnsiSupport.Detect : AnsiSupport.No,
            ColorSystem = isTerminal ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
        });
        if (!isTerminal) console.Profile.Width = PipeWidth;
        var table = new Table { Border = isTerminal ? TableBorder.Rounded : TableBorder.None };
        foreach (string column in columns)
        {
            bool right = column.StartsWith('>');
            table.AddColumn(new TableColumn(new Text(column.TrimStart('>'))) { Alignment = right ? Justify.Right : Justify.Left, NoWrap = true });
        }
        foreach (IReadOnlyList<string> row in rows) table.AddRow(row.Select(cell => new Text(cell)));
        console.Write(table);
        foreach (string line in plain.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries)) output.WriteLine(line.TrimEnd());
    }
}

/// <summary>How many of how many, on a terminal only.</summary>
internal sealed class Progress(TextWriter error) : IDisposable
{
    private readonly bool isShown = ReferenceEquals(error, Console.Error) && !Console.IsErrorRedirected;
    private readonly System.Diagnostics.Stopwatch sinceShown = System.Diagnostics.Stopwatch.StartNew();
    private int width;

    internal void Report(string text)
    {
        if (!isShown || (width > 0 && sinceShown.ElapsedMilliseconds < 50)) return;
        sinceShown.Restart();
        string line = text.Length > 78 ? text[..78] : text;
        error.Write($"\r{line.PadRight(width)}");
        width = line.Length;
    }

    /// <summary>Takes the line away, so that something else can be printed.</summary>
    internal void Clear()
    {
        if (width == 0) return;
        error.Write($"\r{new string(' ', width)}\r");
        width = 0;
    }

    public void Dispose() => Clear();
}
