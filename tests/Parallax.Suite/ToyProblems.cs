using System.Collections.Immutable;
using Parallax.Planning;

namespace Parallax.Suite;

/// <summary>Drawn memory problems, and what it means for a plan to be right.</summary>
public static class ToyProblems
{
    /// <summary>Branches with random dependencies and steps; buffers with random accesses: written in one branch or several, read in many, there from the start, wanted at the end.</summary>
    public static MemoryProblem Random(Random random, int branches)
    {
        double density = random.NextDouble() * 2;
        int window = random.Next(1, 10);
        var edges = new List<(int, int)>();
        for (int to = 1; to < branches; to++)
            for (int k = 0; k < 4; k++)
                if (random.NextDouble() < density / 4) edges.Add((Math.Max(0, to - random.Next(1, window + 1)), to));
        int[] steps = [.. Enumerable.Range(0, branches).Select(_ => random.Next(1, 5))];
        int count = random.Next(1, 4 * branches);
        var buffers = Enumerable.Range(0, count).Select(i => Buffer(random, i, steps));
        return new MemoryProblem(new Dag(branches, edges), [.. steps], [.. buffers],
            random.Next(2) == 0 ? default : [.. steps.Select(_ => (double)random.Next(1, 100))]);
    }

    private static ArenaBuffer Buffer(Random random, int id, int[] steps)
    {
        int start = random.Next(steps.Length);
        int[] touched = [.. Enumerable.Range(0, random.Next(1, 4)).Select(i => i == 0 ? start : Math.Min(steps.Length - 1, start + random.Next(0, 6))).Distinct()];
        var accesses = touched.Select(b => random.Next(steps[b]) is var first ? new Access(new BranchId(b), first, random.Next(first, steps[b])) : default);
        bool dynamic = random.Next(20) == 0;
        return new ArenaBuffer(id, dynamic ? 0 : random.Next(0, 64 * 30), [.. accesses], dynamic, LiveIn: random.Next(30) == 0, LiveOut: random.Next(30) == 0);
    }

    /// <summary>
    /// Runs the branches step by step in a random interleaving that the dependencies and the plan's control edges allow, on a shadow of the arena in which
    /// every cell knows its owner. Throws where a buffer is not intact when it is touched again.
    /// </summary>
    /// <param name="workers">Branches in progress at once at most.</param>
    /// <returns>The most branches that were ready or in progress at once.</returns>
    public static int Replay(MemoryProblem problem, MemoryPlan plan, Random random, int workers)
    {
        var shadow = new Shadow(problem, plan);
        Dag dag = problem.Branches.With([.. plan.ControlEdges.Select(e => (e.From.Index, e.To.Index))]);
        int[] waiting = [.. Enumerable.Range(0, dag.Count).Select(b => dag.Predecessors(b).Length)];
        var ready = Enumerable.Range(0, dag.Count).Where(b => waiting[b] == 0).ToList();
        var running = new List<(int Branch, int Step)>();
        int widest = 0;
        while (ready.Count + running.Count > 0)
        {
            widest = Math.Max(widest, ready.Count + running.Count);
            if (ready.Count > 0 && running.Count < workers && (running.Count == 0 || random.Next(2) == 0))
            {
                int next = random.Next(ready.Count);
                running.Add((ready[next], 0));
                ready.RemoveAt(next);
                continue;
            }
            int picked = random.Next(running.Count);
            (int branch, int step) = running[picked];
            shadow.Run(branch, step);
            running[picked] = (branch, step + 1);
            if (step + 1 < problem.StepCounts[branch]) continue;
            running.RemoveAt(picked);
            foreach (int successor in dag.Successors(branch))
                if (--waiting[successor] == 0) ready.Add(successor);
        }
        shadow.End();
        return widest;
    }

    private sealed class Shadow
    {
        private readonly MemoryProblem problem;
        private readonly MemoryPlan plan;
        private readonly int[] cells; // by 64 bytes: the buffer that wrote there last
        private readonly bool[] begun;
        private readonly Dictionary<(int Branch, int Step), List<int>> touched = [];

        internal Shadow(MemoryProblem problem, MemoryPlan plan)
        {
            this.problem = problem;
            this.plan = plan;
            cells = new int[plan.ArenaBytes / MemoryProblem.Alignment];
            Array.Fill(cells, -1);
            begun = new bool[problem.Buffers.Length];
            for (int i = 0; i < begun.Length; i++)
            {
                if (plan.Offsets[i] < 0) continue;
                if (problem.Buffers[i].LiveIn) Write(i);
                foreach (Access access in problem.Buffers[i].Accesses)
                    for (int step = access.First; step <= access.Last; step++)
                    {
                        if (!touched.TryGetValue((access.Branch.Index, step), out List<int>? list)) touched[(access.Branch.Index, step)] = list = [];
                        list.Add(i);
                    }
            }
        }

        internal void Run(int branch, int step)
        {
            if (!touched.TryGetValue((branch, step), out List<int>? buffers)) return;
            foreach (int buffer in buffers)
                if (begun[buffer]) Check(buffer);
            foreach (int buffer in buffers)
                if (!begun[buffer]) Write(buffer);
            foreach (int buffer in buffers) Check(buffer);
        }

        internal void End()
        {
            for (int i = 0; i < begun.Length; i++)
                if (begun[i] && problem.Buffers[i].LiveOut) Check(i);
        }

        private Span<int> CellsOf(int buffer) =>
            cells.AsSpan((int)(plan.Offsets[buffer] / MemoryProblem.Alignment), (int)(MemoryProblem.Align(problem.Buffers[buffer].Bytes) / MemoryProblem.Alignment));

        private void Write(int buffer)
        {
            CellsOf(buffer).Fill(buffer);
            begun[buffer] = true;
        }

        private void Check(int buffer)
        {
            foreach (int owner in CellsOf(buffer))
                if (owner != buffer) throw new InvalidOperationException($"buffer {buffer} was overwritten by {owner} before its last use; {plan.Dump()}");
        }
    }
}
