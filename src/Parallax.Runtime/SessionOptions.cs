namespace Parallax;

/// <summary>How a session runs. Immutable once given to a session.</summary>
public sealed record SessionOptions
{
    /// <summary>Threads that may work on one run, the calling one included; 0 takes the machine's physical cores.</summary>
    public int Threads { get; init; }

    /// <summary>Stops rewriting the graph after so many rewrites; bisects a wrong answer.</summary>
    public int MaxRewrites { get; init; } = int.MaxValue;

    /// <summary>Values for symbolic dimensions of the model's inputs, by name.</summary>
    public IReadOnlyDictionary<string, long> Dimensions { get; init; } = new Dictionary<string, long>();
}
