using System.Collections.Immutable;

namespace Parallax.Planning;

/// <summary>
/// Branches laid out on a number of lanes by list scheduling. A control edge from each branch to the next of its lane turns the layout into an order,
/// under which no more branches than lanes ever run at once.
/// </summary>
/// <param name="LaneOf">By branch.</param>
/// <param name="ControlEdges">What must be added to the dependencies.</param>
/// <param name="MakespanUs">Predicted, with one worker a lane.</param>
internal sealed record Lanes(int[] LaneOf, List<(int From, int To)> ControlEdges, double MakespanUs)
{
    /// <param name="priority">By branch: of the branches that are ready, the lowest runs first.</param>
    /// <param name="lookahead">A branch waits while one whose priority is lower by more than this is not done; priorities must be ranks then.</param>
    /// <param name="isRigid">Also keeps what ended before a branch began in the layout before it for good: fewer bytes, and less freedom when times differ.</param>
    internal static Lanes Schedule(Dag dag, ImmutableArray<double> branchUs, int width, int[] priority, int lookahead, bool isRigid)
    {
        var state = new State(dag, branchUs, width, priority, lookahead, isRigid);
        while (state.Step()) { }
        return new Lanes(state.LaneOf, state.Edges, state.Now);
    }

    private sealed class State
    {
        private readonly Dag dag;
        private readonly ImmutableArray<double> branchUs;
        private readonly int[] priority, waiting, lastOfLane, lastDoneOfLane;
        private readonly int lookahead;
        private readonly bool isRigid;
        private readonly bool[] done;
        private readonly int[] byPriority;
        private readonly PriorityQueue<int, int> ready = new();
        private readonly PriorityQueue<int, (double, int)> running = new();
        private readonly SortedSet<int> freeLanes;
        private int frontier; // every branch of lower priority is done

        internal State(Dag dag, ImmutableArray<double> branchUs, int width, int[] priority, int lookahead, bool isRigid)
        {
            (this.dag, this.branchUs, this.priority, this.lookahead, this.isRigid) = (dag, branchUs, priority, lookahead, isRigid);
            LaneOf = new int[dag.Count];
            done = new bool[dag.Count];
            waiting = new int[dag.Count];
            byPriority = [.. Enumerable.Range(0, dag.Count)];
            Array.Sort((int[])priority.Clone(), byPriority);
            lastOfLane = new int[width];
            lastDoneOfLane = new int[width];
            Array.Fill(lastOfLane, -1);
            Array.Fill(lastDoneOfLane, -1);
            freeLanes = [.. Enumerable.Range(0, width)];
            for (int i = 0; i < dag.Count; i++)
            {
                waiting[i] = dag.Predecessors(i).Length;
                if (waiting[i] == 0) ready.Enqueue(i, priority[i]);
            }
        }

        internal int[] LaneOf { get; }

        internal List<(int, int)> Edges { get; } = [];

        internal double Now { get; private set; }

        /// <summary>Starts what can start, then lets the next branch end.</summary>
        internal bool Step()
        {
            while (freeLanes.Count > 0 && ready.TryPeek(out int next, out int rank) && (running.Count == 0 || rank <= (long)frontier + lookahead))
            {
                ready.Dequeue();
                Start(next);
            }
            if (!running.TryDequeue(out int ended, out (double At, int) key)) return false;
            Now = key.At;
            done[ended] = true;
            lastDoneOfLane[LaneOf[ended]] = ended;
            freeLanes.Add(LaneOf[ended]);
            while (frontier < byPriority.Length && done[byPriority[frontier]]) frontier++;
            foreach (int successor in dag.Successors(ended))
                if (--waiting[successor] == 0) ready.Enqueue(successor, priority[successor]);
            return true;
        }

        private void Start(int branch)
        {
            int lane = PickLane(branch);
            freeLanes.Remove(lane);
            LaneOf[branch] = lane;
            if (lastOfLane[lane] is var before and >= 0) AddEdge(before, branch);
            if (isRigid)
                for (int other = 0; other < lastDoneOfLane.Length; other++)
                    if (other != lane && lastDoneOfLane[other] >= 0) AddEdge(lastDoneOfLane[other], branch);
            lastOfLane[lane] = branch;
            running.Enqueue(branch, (Now + branchUs[branch], branch));
        }

        /// <summary>The lane of a predecessor where one is free, for then the control edge is there already.</summary>
        private int PickLane(int branch)
        {
            foreach (int predecessor in dag.Predecessors(branch))
                if (freeLanes.Contains(LaneOf[predecessor]) && lastOfLane[LaneOf[predecessor]] == predecessor) return LaneOf[predecessor];
            return freeLanes.Min;
        }

        private void AddEdge(int from, int to)
        {
            if (!dag.Predecessors(to).Contains(from)) Edges.Add((from, to));
        }
    }
}
