using System.Collections.Immutable;

namespace Parallax.Planning;

/// <summary>How list scheduling chooses.</summary>
/// <param name="Width">Lanes.</param>
/// <param name="Priority">By branch, a rank: of the branches that are ready, the lowest starts first.</param>
/// <param name="Lookahead">A branch waits while one whose rank is lower by more than this is not done.</param>
/// <param name="IsRigid">Also keeps what ended before a branch began in the layout before it for good: fewer bytes, and less freedom when times differ.</param>
/// <param name="Memory">Where given, a branch waits while live bytes would exceed <paramref name="MemoryBytes"/> beside what runs.</param>
internal sealed record LaneRules(int Width, int[] Priority, int Lookahead = int.MaxValue, bool IsRigid = false, BranchDemand.Replay? Memory = null, long MemoryBytes = 0);

/// <summary>
/// Branches laid out on a number of lanes by list scheduling. A control edge from each branch to the next of its lane turns the layout into an order,
/// under which no more branches than lanes ever run at once.
/// </summary>
/// <param name="LaneOf">By branch.</param>
/// <param name="ControlEdges">What must be added to the dependencies.</param>
/// <param name="MakespanUs">Predicted, with one worker a lane.</param>
internal sealed record Lanes(int[] LaneOf, List<(int From, int To)> ControlEdges, double MakespanUs)
{
    internal static Lanes Schedule(Dag dag, ImmutableArray<double> branchUs, LaneRules rules)
    {
        var state = new State(dag, branchUs, rules);
        while (state.Step()) { }
        return new Lanes(state.LaneOf, state.Edges, state.Now);
    }

    private sealed class State
    {
        /// <summary>Branches that are ready but may not start, looked at in search of one that may.</summary>
        private const int MaxPassedOver = 64;

        private readonly Dag dag;
        private readonly ImmutableArray<double> branchUs;
        private readonly LaneRules rules;
        private readonly int[] waiting, lastOfLane, lastDoneOfLane, byPriority;
        private readonly bool[] done;
        private readonly List<int> passedOver = [];
        private readonly PriorityQueue<int, int> ready = new();
        private readonly PriorityQueue<int, (double, int)> running = new();
        private readonly SortedSet<int> freeLanes;
        private int frontier; // every branch of lower priority is done

        internal State(Dag dag, ImmutableArray<double> branchUs, LaneRules rules)
        {
            (this.dag, this.branchUs, this.rules) = (dag, branchUs, rules);
            LaneOf = new int[dag.Count];
            done = new bool[dag.Count];
            waiting = new int[dag.Count];
            byPriority = Mapping.Positions(dag.Count);
            Array.Sort((int[])rules.Priority.Clone(), byPriority);
            lastOfLane = Mapping.Repeat(-1, rules.Width);
            lastDoneOfLane = Mapping.Repeat(-1, rules.Width);
            freeLanes = [.. Mapping.Positions(rules.Width)];
            for (int i = 0; i < dag.Count; i++)
            {
                waiting[i] = dag.Predecessors(i).Length;
                if (waiting[i] == 0) ready.Enqueue(i, rules.Priority[i]);
            }
        }

        internal int[] LaneOf { get; }

        internal List<(int, int)> Edges { get; } = [];

        internal double Now { get; private set; }

        /// <summary>Starts what can start, then lets the next branch end.</summary>
        internal bool Step()
        {
            while (freeLanes.Count > 0 && Next() is { } next) Start(next);
            if (!running.TryDequeue(out int ended, out (double At, int) key)) return false;
            Now = key.At;
            done[ended] = true;
            rules.Memory?.Finish(ended);
            lastDoneOfLane[LaneOf[ended]] = ended;
            freeLanes.Add(LaneOf[ended]);
            while (frontier < byPriority.Length && done[byPriority[frontier]]) frontier++;
            foreach (int successor in dag.Successors(ended))
                if (--waiting[successor] == 0) ready.Enqueue(successor, rules.Priority[successor]);
            return true;
        }

        /// <summary>The first branch that may start now; some branch always may where none runs.</summary>
        private int? Next()
        {
            int? found = null;
            while (found is null && passedOver.Count < MaxPassedOver && ready.TryDequeue(out int branch, out int rank))
                if (rank <= (long)frontier + rules.Lookahead && (rules.Memory is not { } memory || memory.BytesWith(branch) <= rules.MemoryBytes)) found = branch;
                else passedOver.Add(branch);
            if (found is null && running.Count == 0 && passedOver.Count > 0)
            {
                found = rules.Memory is { } memory ? passedOver.MinBy(memory.BytesWith) : passedOver[0];
                passedOver.Remove(found.Value);
            }
            foreach (int branch in passedOver) ready.Enqueue(branch, rules.Priority[branch]);
            passedOver.Clear();
            return found;
        }

        private void Start(int branch)
        {
            rules.Memory?.Start(branch);
            int lane = PickLane(branch);
            freeLanes.Remove(lane);
            LaneOf[branch] = lane;
            if (lastOfLane[lane] is var before and >= 0) AddEdge(before, branch);
            if (rules.IsRigid)
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
            foreach (int predecessor in dag.Predecessors(to))
                if (predecessor == from) return;
            Edges.Add((from, to));
        }
    }
}
