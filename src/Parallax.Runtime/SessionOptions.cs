using Parallax.Planning;

namespace Parallax;

/// <summary>How a session runs. Immutable once given to a session.</summary>
public sealed record SessionOptions
{
    /// <summary>Threads that may work on one run, the calling one included; 0 takes the machine's physical cores.</summary>
    public int Threads { get; init; }

    /// <summary>How branches of the graph are run: one after another, by levels, in parallel, or as is predicted to be fastest.</summary>
    public ScheduleMode Mode { get; init; } = ScheduleMode.Auto;

    /// <summary>What the schedule is to be best at: the shortest time, or a short time without workers that add little to it.</summary>
    public SchedulePolicy Policy { get; init; } = SchedulePolicy.Latency;

    /// <summary>What the memory between inputs and outputs may take, in bytes; null: a share of the memory that is free as runs go on.</summary>
    public long? MemoryBudgetBytes { get; init; }

    /// <summary>The share of the free memory that is left alone where no budget is given: 0 to less than 1.</summary>
    public double MemoryMargin { get; init; } = 0.4;

    /// <summary>Stops rewriting the graph after so many rewrites; bisects a wrong answer.</summary>
    public int MaxRewrites { get; init; } = int.MaxValue;

    /// <summary>Values for symbolic dimensions of the model's inputs, by name.</summary>
    public IReadOnlyDictionary<string, long> Dimensions { get; init; } = new Dictionary<string, long>();
}
