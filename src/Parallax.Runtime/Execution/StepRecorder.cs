using System.Diagnostics;

namespace Parallax.Runtime.Execution;

/// <summary>When a step ran, in ticks of <see cref="Stopwatch"/>, and on which thread.</summary>
/// <param name="CpuEnd">When the CPU's part of a split node was done; 0 for any other step.</param>
internal record struct StepTime(long Start, long End, int Thread, long CpuEnd);

/// <summary>
/// Notes when each step of a plan runs. Every step is run by one thread, which alone writes its entry; a recorder belongs to one run at a time.
/// </summary>
internal sealed class StepRecorder(ExecutionPlan plan)
{
    private readonly StepTime[] times = new StepTime[plan.StepCount];
    private readonly long[]?[]?[] dims = new long[]?[]?[plan.StepCount];

    private readonly List<(Step Step, StepRecorder Body)> bodies = [];

    internal ExecutionPlan Plan { get; } = plan;

    /// <summary>What runs of steps' bodies noted, in the order in which they ended. To be read when the run has ended.</summary>
    internal IReadOnlyList<(Step Step, StepRecorder Body)> Bodies => bodies;

    /// <summary>By <see cref="Step.Index"/>.</summary>
    internal ReadOnlySpan<StepTime> Times => times;

    internal void Run(Step step, StepRun run)
    {
        long start = Stopwatch.GetTimestamp();
        RunState.RunNamed(step, run);
        Note(step, start, step is RegionStep { CpuPart: not null } split ? run.State.RegionRunOf(split.Branch)!.CpuEnded : 0);
        if (step is DynamicStep) dims[step.Index] = [.. step.Inputs.Concat(step.Outputs).Select(o => o is { } operand ? DimsOf(operand, run.State) : null)];
    }

    /// <summary>Keeps what one run of a body of the step noted. Thread-safe.</summary>
    internal void Add(Step step, StepRecorder body)
    {
        lock (bodies) bodies.Add((step, body));
    }

    /// <summary>Notes a step that ends now.</summary>
    /// <param name="cpuEnd">See <see cref="StepTime"/>.</param>
    internal void Note(Step step, long start, long cpuEnd = 0) => times[step.Index] = new StepTime(start, Stopwatch.GetTimestamp(), Environment.CurrentManagedThreadId, cpuEnd);

    /// <summary>The dims that an operand had: an index among the step's inputs, then its outputs. Null where it is no tensor.</summary>
    internal long[]? Dims(Step step, int operand) =>
        dims[step.Index] is { } known ? known[operand] : (operand < step.Inputs.Length ? step.Inputs[operand] : step.Outputs[operand - step.Inputs.Length])?.Dims;

    private static long[]? DimsOf(Operand operand, RunState state) => operand.Dims ?? (state.Datum(operand) as Tensor)?.Dims.ToArray();
}
