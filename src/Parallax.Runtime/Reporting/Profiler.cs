using System.Collections.Immutable;
using System.Diagnostics;
using Parallax.Runtime.Execution;

namespace Parallax.Runtime.Reporting;

/// <summary>Collects what recorders noted.</summary>
internal sealed class Profiler
{
    private readonly List<(double StartUs, double EndUs)> runs = [];
    private readonly List<ProfiledStep> steps = [];
    private readonly Dictionary<int, int> workers = [];
    private readonly long origin = Stopwatch.GetTimestamp();

    internal void Add(StepRecorder recorder, long start, long end)
    {
        runs.Add((Us(start), Us(end)));
        AddSteps(recorder, body: "");
    }

    private void AddSteps(StepRecorder recorder, string body)
    {
        foreach ((Step step, int branch) in Ran(recorder).OrderBy(s => recorder.Times[s.Step.Index].Start))
        {
            StepTime time = recorder.Times[step.Index];
            if (!workers.TryGetValue(time.Thread, out int worker)) workers[time.Thread] = worker = workers.Count;
            steps.Add(new ProfiledStep(runs.Count - 1, step.Index, step.Node.Name, step.Node.Op.Name, step.Implementation, branch, worker, Us(time.Start), Us(time.End),
                [.. step.Inputs.Select((o, i) => Tensor(recorder, step, o, i))], [.. step.Outputs.Select((o, i) => Tensor(recorder, step, o, step.Inputs.Length + i))], body)
            {
                CpuEndUs = time.CpuEnd == 0 ? null : Us(time.CpuEnd),
            });
        }
        foreach ((Step around, StepRecorder inner) in recorder.Bodies) AddSteps(inner, RunProfile.Inside(body, around.Node.Name));
    }

    internal RunProfile ToProfile() => new([.. runs], [.. steps]);

    private double Us(long ticks) => Stopwatch.GetElapsedTime(origin, ticks).TotalMicroseconds;

    private static List<(Step Step, int Branch)> Ran(StepRecorder recorder) =>
        [.. recorder.Plan.Branches.SelectMany((steps, branch) => steps.Select(s => (s, branch))), .. recorder.Plan.FinalCopies.Select(c => ((Step)c, -1))];

    private static ProfiledTensor? Tensor(StepRecorder recorder, Step step, Operand? operand, int index) =>
        operand is { } o ? new ProfiledTensor(o.Type, recorder.Dims(step, index) is { } dims ? Copy(dims) : null) : null;

    private static ImmutableArray<long> Copy(long[] dims) => [.. dims];
}
