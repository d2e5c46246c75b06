using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Planning;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Planning;

public class MemoryTests
{
    private static MemoryProblem Draw(Random random, int size) => random.Next(2) == 0
        ? ToyProblems.Random(random, size)
        : MemoryProblem.Of(Partitioner.Partition(ToyGraphs.Random(random, size)));

    [Fact]
    public void The_order_of_branches_is_reachability() => Property.Holds(1000, 60, (random, size) =>
    {
        Dag dag = ToyProblems.Random(random, size).Branches;
        BranchOrder order = BranchOrder.TryCreate(dag)!;
        bool[,] reaches = Reachability(dag);
        for (int a = 0; a < size; a++)
            for (int b = 0; b < size; b++) Assert.Equal(reaches[a, b], order.Precedes(a, b));
    });

    [Fact]
    public void A_buffer_is_intact_until_its_last_use_in_any_interleaving() => Property.Holds(2000, 40, (random, size) =>
    {
        MemoryProblem problem = Draw(random, size);
        MemoryPlan plan = random.Next(4) switch
        {
            0 => MemoryPlanner.Sequential(problem),
            1 => MemoryPlanner.Parallel(problem),
            _ => MemoryPlanner.Plan(problem, random.Next(2, 4)),
        };
        for (int run = 0; run < 4; run++)
            Assert.True(ToyProblems.Replay(problem, plan, random, workers: run == 0 ? 2 : int.MaxValue) <= plan.Width);
    });

    [Fact]
    public void The_sequential_order_needs_no_more_at_once_than_the_one_that_is_given() => Property.Holds(300, 40, (random, size) =>
    {
        MemoryProblem problem = Draw(random, size);
        ImmutableArray<int> given = problem.Branches.Order;
        MemoryPlan sequential = MemoryPlanner.Sequential(problem), other = MemoryPlanner.WithEdges(problem, [.. given.Zip(given.Skip(1))], "as given");
        Assert.True(sequential.Order.SequenceEqual(MemoryPlanner.LeastMemoryOrder(problem)));
        Assert.True(sequential.LowerBoundBytes <= other.LowerBoundBytes);
    });

    [Fact]
    public void Every_rung_of_a_ladder_is_sound_and_smaller() => Property.Holds(250, 40, (random, size) =>
    {
        MemoryProblem problem = Draw(random, size);
        MemoryLadder ladder = MemoryPlanner.Ladder(problem);
        foreach (MemoryPlan rung in ladder.Rungs) ToyProblems.Replay(problem, rung, random, int.MaxValue);
        Assert.Empty(ladder.Parallel.Width == 1 ? [] : ladder.Parallel.ControlEdges);
        Assert.Equal(1, ladder.Sequential.Width);
        foreach ((MemoryPlan wide, MemoryPlan narrow) in ladder.Rungs.Zip(ladder.Rungs.Skip(1)))
        {
            Assert.True(narrow.ArenaBytes < wide.ArenaBytes || narrow == ladder.Sequential && narrow.ArenaBytes == wide.ArenaBytes);
            Assert.True(narrow.Width <= wide.Width);
        }
    });

    [Fact]
    public void Branches_that_may_run_together_share_no_byte() => Property.Holds(500, 30, (random, size) =>
    {
        MemoryProblem problem = Draw(random, size);
        MemoryPlan plan = MemoryPlanner.Plan(problem, random.Next(2, 5));
        bool[,] reaches = Reachability(problem.Branches.With([.. plan.ControlEdges.Select(e => (e.From.Index, e.To.Index))]));
        for (int i = 0; i < problem.Buffers.Length; i++)
            for (int j = 0; j < i; j++)
            {
                if (plan.Offsets[i] < 0 || plan.Offsets[j] < 0) continue;
                bool together = problem.Buffers[i].Accesses.Any(a => problem.Buffers[j].Accesses.Any(b =>
                    a.Branch != b.Branch && !reaches[a.Branch.Index, b.Branch.Index] && !reaches[b.Branch.Index, a.Branch.Index]));
                bool disjoint = plan.Offsets[i] + problem.Buffers[i].Bytes <= plan.Offsets[j] || plan.Offsets[j] + problem.Buffers[j].Bytes <= plan.Offsets[i];
                Assert.True(!together || disjoint, $"{i} and {j}");
            }
    });

    [Fact]
    public void Sizes_lie_between_the_bound_and_no_reuse() => Property.Holds(150, 60, (random, size) =>
    {
        MemoryProblem problem = Draw(random, size);
        foreach (MemoryPlan plan in MemoryPlanner.Ladder(problem).Rungs)
        {
            Assert.InRange(plan.ArenaBytes, plan.LowerBoundBytes, plan.NoReuseBytes);
            Assert.All(plan.Offsets, o => Assert.True(o == -1 || o % MemoryProblem.Alignment == 0));
            Assert.Equal(Enumerable.Range(0, problem.Buffers.Length).Where(i => problem.Buffers[i].IsDynamic), plan.Dynamic);
        }
    });

    [Fact]
    public void The_sequential_bound_is_the_peak_of_live_bytes() => Property.Holds(500, 40, (random, size) =>
    {
        MemoryProblem problem = Draw(random, size);
        MemoryPlan plan = MemoryPlanner.Sequential(problem);
        List<(int Branch, int Step)> steps = [.. plan.Order.SelectMany(b => Enumerable.Range(0, problem.StepCounts[b.Index]).Select(s => (b.Index, s)))];
        long peak = 0;
        var lives = problem.Buffers.Where(b => !b.IsDynamic).Select(b => (
            Bytes: MemoryProblem.Align(b.Bytes),
            First: b.LiveIn ? 0 : b.Accesses.Min(a => steps.IndexOf((a.Branch.Index, a.First))),
            Last: b.LiveOut ? steps.Count : b.Accesses.Max(a => steps.IndexOf((a.Branch.Index, a.Last))))).ToList();
        for (int at = 0; at <= steps.Count; at++) peak = Math.Max(peak, lives.Where(l => l.First <= at && at <= l.Last).Sum(l => l.Bytes));
        Assert.Equal(peak, plan.LowerBoundBytes);
    });

    [Fact]
    public void Branches_share_in_a_plan() => Property.Holds(200, 40, (random, size) =>
    {
        MemoryProblem problem = Draw(random, size);
        MemoryPlan plan = MemoryPlanner.Parallel(problem);
        var shares = BranchMemory.Of(problem, plan);
        Assert.Equal(problem.Branches.Count, shares.Length);
        Assert.Equal(plan.NoReuseBytes, shares.Sum(s => s.NoReuseBytes));
        Assert.All(shares, s => Assert.True(s.LowerBoundBytes <= s.PlannedBytes && s.PlannedBytes <= s.NoReuseBytes && s.PlannedBytes <= plan.ArenaBytes));
    });

    [Fact]
    public void Plans_are_close_to_their_bounds_on_networks_of_blocks()
    {
        foreach (int width in (int[])[2, 4, 8])
        {
            MemoryProblem problem = MemoryProblem.Of(Partitioner.Partition(ToyGraphs.Blocks(blocks: 6, width, depth: 3)));
            MemoryPlan sequential = MemoryPlanner.Sequential(problem), two = MemoryPlanner.Plan(problem, 2);
            Assert.InRange(sequential.ArenaBytes, sequential.LowerBoundBytes, sequential.LowerBoundBytes * 1.03);
            Assert.InRange(two.ArenaBytes, sequential.ArenaBytes, sequential.ArenaBytes * 1.1);
        }
    }

    [Fact]
    public void Two_chains_share_bytes_only_in_sequence()
    {
        // in -> a, b: two branches with a private buffer each.
        ArenaBuffer Private(int id, int branch) => new(id, 1000, [new Access(new BranchId(branch), 0, 1)]);
        var problem = new MemoryProblem(new Dag(3, [(0, 1), (0, 2)]), [1, 2, 2], [Private(0, 1), Private(1, 2)], [1, 1, 1]);
        Assert.Equal(2048, MemoryPlanner.Parallel(problem).ArenaBytes);
        Assert.Equal(1024, MemoryPlanner.Sequential(problem).ArenaBytes);
        MemoryLadder ladder = MemoryPlanner.Ladder(problem);
        Assert.Equal([2, 1], ladder.Rungs.Select(r => r.Width));
        Assert.Single(ladder.Sequential.ControlEdges);
        Assert.Null(ladder.Widest(1000));
        Assert.Equal(ladder.Sequential, ladder.Widest(1500));
    }

    [Fact]
    public void A_large_graph_is_planned()
    {
        MemoryProblem problem = MemoryProblem.Of(Partitioner.Partition(ToyGraphs.Blocks(blocks: 2500, width: 8, depth: 5)));
        MemoryLadder ladder = MemoryPlanner.Ladder(problem, maxWidth: 2);
        ToyProblems.Replay(problem, ladder.Parallel, new Random(1), 8);
        Assert.InRange(ladder.Sequential.ArenaBytes, 1, ladder.Sequential.LowerBoundBytes * 1.03);
        MemoryProblem wide = MemoryProblem.Of(Partitioner.Partition(ToyGraphs.Blocks(blocks: 2, width: 200, depth: 100)));
        MemoryPlan areas = MemoryPlanner.Parallel(wide);
        Assert.Contains("an area a branch", areas.Why, StringComparison.Ordinal);
        ToyProblems.Replay(wide, areas, new Random(1), 200);
        MemoryProblem tangled = MemoryProblem.Of(Partitioner.Partition(ToyGraphs.Random(new Random(3), 50_000)));
        MemoryPlan plan = MemoryPlanner.Sequential(tangled);
        Assert.InRange(plan.ArenaBytes, plan.LowerBoundBytes, plan.NoReuseBytes);
    }

    private static bool[,] Reachability(Dag dag)
    {
        var reaches = new bool[dag.Count, dag.Count];
        foreach (int to in dag.Order)
            foreach (int from in dag.Predecessors(to).ToArray())
                for (int a = 0; a < dag.Count; a++)
                    if (a == from || reaches[a, from]) reaches[a, to] = true;
        return reaches;
    }
}
