using System.Collections.Immutable;

namespace Parallax.Planning;

/// <summary>When a branch is predicted to run.</summary>
/// <param name="Workers">The most workers that it had at once; 0 on a device.</param>
public readonly record struct TimelineEntry(BranchId Branch, double StartUs, double EndUs, int Workers);

/// <summary>A predicted run.</summary>
/// <param name="Entries">By branch.</param>
public sealed record Timeline(ImmutableArray<TimelineEntry> Entries, double MakespanUs);

/// <summary>
/// Predicts a run on dependency counters: whatever is ready starts, the highest priority first, while a worker is free; workers without a branch of
/// their own help the running branches, again by priority. A branch may so speed up and slow down as others end and begin.
/// </summary>
public static class Simulator
{
    /// <param name="dag">The dependencies, control edges included.</param>
    /// <param name="priority">By branch, a rank: the lowest first.</param>
    /// <param name="maxWorkersOf">By branch; default: as many as there are.</param>
    /// <param name="dispatchUs">Time between a branch's becoming ready and its start.</param>
    public static Timeline Run(Dag dag, BranchTimes times, int workers, IReadOnlyList<int> priority, IReadOnlyList<int>? maxWorkersOf = null, double dispatchUs = 0)
    {
        var run = new SimulatedRun(dag, times, Math.Max(1, workers), priority, maxWorkersOf, dispatchUs);
        while (run.Step()) { }
        return new Timeline([.. run.Entries], run.Now);
    }

    private sealed class SimulatedRun
    {
        private readonly Dag dag;
        private readonly BranchTimes times;
        private readonly int workers;
        private readonly IReadOnlyList<int> priority;
        private readonly IReadOnlyList<int>? maxWorkersOf;
        private readonly double dispatchUs;
        private readonly int[] waiting;
        private readonly PriorityQueue<int, int> ready = new();
        private readonly Dictionary<string, PriorityQueue<int, int>> readyOnDevice = [];
        private readonly List<Running> onCpu = [], onDevices = [];

        private sealed class Running
        {
            internal int Branch, Workers;
            internal double Left = 1; // fraction of the work
            internal double DispatchLeftUs;
            internal double UsWhole;
        }

        internal SimulatedRun(Dag dag, BranchTimes times, int workers, IReadOnlyList<int> priority, IReadOnlyList<int>? maxWorkersOf, double dispatchUs)
        {
            (this.dag, this.times, this.workers, this.priority, this.maxWorkersOf, this.dispatchUs) = (dag, times, workers, priority, maxWorkersOf, dispatchUs);
            waiting = new int[dag.Count];
            Entries = new TimelineEntry[dag.Count];
            for (int i = 0; i < dag.Count; i++)
            {
                waiting[i] = dag.Predecessors(i).Length;
                if (waiting[i] == 0) AddReady(i);
            }
        }

        internal TimelineEntry[] Entries { get; }

        internal double Now { get; private set; }

        /// <summary>Starts what can start, shares the workers out, and lets time pass until something ends.</summary>
        internal bool Step()
        {
            while (onCpu.Count < workers && ready.TryDequeue(out int branch, out _)) Start(branch, onCpu);
            foreach ((string device, PriorityQueue<int, int> queue) in readyOnDevice)
                if (!onDevices.Exists(r => times.Devices[r.Branch] == device) && queue.TryDequeue(out int branch, out _)) Start(branch, onDevices);
            if (onCpu.Count + onDevices.Count == 0) return false;
            ShareWorkers();
            double passed = onCpu.Concat(onDevices).Min(LeftUs);
            Now += passed;
            EndAfter(passed, onCpu);
            EndAfter(passed, onDevices);
            return true;
        }

        private static double LeftUs(Running running) => running.DispatchLeftUs + running.Left * running.UsWhole;

        private void AddReady(int branch)
        {
            if (times.Devices[branch] is not { } device) ready.Enqueue(branch, priority[branch]);
            else if (readyOnDevice.TryGetValue(device, out PriorityQueue<int, int>? queue)) queue.Enqueue(branch, priority[branch]);
            else (readyOnDevice[device] = new PriorityQueue<int, int>()).Enqueue(branch, priority[branch]);
        }

        private void Start(int branch, List<Running> running)
        {
            Entries[branch] = new TimelineEntry(new BranchId(branch), Now, Now, 0);
            int place = running.FindIndex(r => priority[r.Branch] > priority[branch]);
            running.Insert(place < 0 ? running.Count : place, new Running { Branch = branch, DispatchLeftUs = dispatchUs, UsWhole = times.Us(branch, 1) });
        }

        private void ShareWorkers()
        {
            int free = workers - onCpu.Count;
            foreach (Running running in onCpu) running.Workers = 1;
            for (bool given = true; given && free > 0;)
            {
                given = false;
                foreach (Running running in onCpu)
                {
                    if (free == 0 || running.Workers >= (maxWorkersOf?[running.Branch] ?? workers)) continue;
                    running.Workers++;
                    free--;
                    given = true;
                }
            }
            foreach (Running running in onCpu)
            {
                running.UsWhole = times.Us(running.Branch, running.Workers);
                Entries[running.Branch] = Entries[running.Branch] with { Workers = Math.Max(Entries[running.Branch].Workers, running.Workers) };
            }
        }

        private void EndAfter(double passed, List<Running> running)
        {
            for (int i = running.Count - 1; i >= 0; i--)
            {
                Running r = running[i];
                if (LeftUs(r) > passed * (1 + 1e-12) + 1e-9)
                {
                    double worked = Math.Max(0, passed - r.DispatchLeftUs);
                    r.DispatchLeftUs = Math.Max(0, r.DispatchLeftUs - passed);
                    if (r.UsWhole > 0) r.Left -= worked / r.UsWhole;
                    continue;
                }
                running.RemoveAt(i);
                Entries[r.Branch] = Entries[r.Branch] with { EndUs = Now };
                foreach (int successor in dag.Successors(r.Branch))
                    if (--waiting[successor] == 0) AddReady(successor);
            }
        }
    }
}
