namespace Parallax.Compare;

/// <summary>How a comparison is made; see the command line's help.</summary>
internal sealed record CompareOptions
{
    public required IReadOnlyDictionary<string, long> Dims { get; init; }

    public int Threads { get; init; }

    public int Runs { get; init; }

    public int Warmup { get; init; }

    public int Turn { get; init; }

    public int Seed { get; init; }

    public string? Inputs { get; init; }

    public string? Only { get; init; }

    public bool Dynamic { get; init; }

    public bool Bind { get; init; }

    public string? OrtLibrary { get; init; }

    public double Tolerance { get; init; }

    /// <summary>From <c>NAME=VALUE</c> each.</summary>
    public static IReadOnlyDictionary<string, long> ParseDims(IEnumerable<string> texts)
    {
        var dims = new Dictionary<string, long>();
        foreach (string text in texts)
        {
            int split = text.LastIndexOf('=');
            if (split < 1 || !long.TryParse(text.AsSpan(split + 1), out long value) || value < 0)
                throw new InvalidInputException($"--dim {text}: expected NAME=VALUE with a number of 0 or more");
            dims[text[..split]] = value;
        }
        return dims;
    }
}
