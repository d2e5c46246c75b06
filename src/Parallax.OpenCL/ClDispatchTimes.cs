using System.Diagnostics;
using Parallax.OpenCL.Bindings;
using Parallax.OpenCL.Calls;
using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Runtime.Cpu;

namespace Parallax.OpenCL;

/// <summary>What it takes to have a device do nothing much, in microseconds: the shortest times of many tries.</summary>
/// <param name="LaunchUs">One launch and the wait for its end.</param>
/// <param name="BatchedLaunchUs">A launch among a hundred that are waited for together.</param>
/// <param name="PollUs">From a launch to its end as one sees it who asks again and again: a flag in shared memory, or the state of an event.</param>
/// <param name="EventUs">From a launch to its end as one sees it who sleeps until an event.</param>
public sealed record ClDispatchTimes(double LaunchUs, double BatchedLaunchUs, double PollUs, double EventUs)
{
    private const int Batch = 100, Tries = 200, BatchTries = 20;

    /// <summary>Measures; takes well under a second on an idle machine. The device should have nothing else to do.</summary>
    /// <exception cref="DeviceException">The device failed.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static ClDispatchTimes Measure(ClBackend backend, CancellationToken cancellation = default)
    {
        ClContext context = backend.Context;
        using var weights = new WeightCache();
        var fact = new TensorFact(DType.Float32, [1]);
        ClCall call = ClBindings.Find(typeof(Unary))!.Prepare(new Unary(UnaryFunction.Neg), new ClPrepareContext([fact], [fact], context, weights));
        using ClBuffer memory = context.Allocate(2 * Storage.Alignment);
        using var completion = new ClCompletion(context);
        float zero = 0;
        unsafe
        {
            context.Write(memory, (nint)(&zero), sizeof(float));
        }
        return new ClDispatchTimes(
            Shortest(Tries, () =>
            {
                Launch();
                context.Finish();
            }),
            Shortest(BatchTries, () =>
            {
                for (int i = 0; i < Batch; i++) Launch();
                context.Finish();
            }) / Batch,
            Shortest(Tries, () =>
            {
                Launch();
                context.Signal(completion);
                while (!completion.IsDone) { }
            }),
            Shortest(Tries, () =>
            {
                Launch();
                context.Signal(completion);
                completion.Sleep();
            }));

        void Launch()
        {
            ClAddress input = memory, output = new(memory, Storage.Alignment);
            context.Enqueue(call, new ReadOnlySpan<ClAddress>(in input), new ReadOnlySpan<ClAddress>(in output));
        }

        double Shortest(int tries, Action action)
        {
            double shortest = double.PositiveInfinity;
            for (int i = 0; i < tries; i++)
            {
                cancellation.ThrowIfCancellationRequested();
                long start = Stopwatch.GetTimestamp();
                action();
                shortest = Math.Min(shortest, Stopwatch.GetElapsedTime(start).TotalMicroseconds);
            }
            return shortest;
        }
    }
}
