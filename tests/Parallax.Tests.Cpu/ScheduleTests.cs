using Parallax.Planning;
using Parallax.Runtime.Execution;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Cpu;

/// <summary>Whatever runs when, wherever its bytes lie: the results are the same bits.</summary>
[Collection("workers")]
public sealed class ScheduleTests
{
    private static readonly ScheduleMode[] Modes = [ScheduleMode.Sequential, ScheduleMode.Parallel, ScheduleMode.Layered, ScheduleMode.Auto];

    private static byte[] Run(InferenceSession session, Tensor image)
    {
        using RunResult result = session.Run(new() { ["x"] = image });
        return [.. result[0].Value is Tensor a ? a.Bytes.ToArray() : [], .. ((Tensor)result[1].Value).Bytes];
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Bits_are_the_same_in_every_mode_with_any_number_of_workers(int seed)
    {
        byte[] model = BranchyNetwork.Build(seed);
        Tensor image = BranchyNetwork.Image(8, 24, 31);
        byte[]? expected = null;
        foreach (ScheduleMode mode in Modes)
            foreach (int threads in new[] { 1, 2, 3, 5, 8 })
            {
                using var session = new InferenceSession(model, new SessionOptions { Threads = threads, Mode = mode });
                for (int run = 0; run < 4; run++)
                {
                    byte[] got = Run(session, image);
                    expected ??= got;
                    Assert.True(got.AsSpan().SequenceEqual(expected), $"{mode}, {threads} threads, run {run}");
                }
            }
    }

    [Fact]
    public void Parallel_plans_run_branches_at_once()
    {
        using var session = new InferenceSession(BranchyNetwork.Build(1), new SessionOptions { Threads = 4, Mode = ScheduleMode.Parallel });
        PlanSummary plan = session.Summarize(new() { ["x"] = BranchyNetwork.Image(8, 24, 31) });
        Assert.Equal(ScheduleMode.Parallel, plan.Mode);
        Assert.True(plan.Width > 1);
        Assert.InRange(plan.ArenaBytes, plan.ArenaBytesLowerBound, plan.ArenaBytesNoReuse);
    }

    [Fact]
    public void Narrower_budgets_give_the_same_bits_from_smaller_arenas_and_then_an_error_that_says_what_is_needed()
    {
        byte[] model = BranchyNetwork.Build(2);
        Tensor image = BranchyNetwork.Image(8, 40, 40);
        var inputs = new Dictionary<string, Datum> { ["x"] = image };
        long sequential, parallel;
        byte[] expected;
        using (var session = new InferenceSession(model, new SessionOptions { Threads = 4, Mode = ScheduleMode.Sequential }))
        {
            sequential = session.Summarize(inputs).ArenaBytes;
            expected = Run(session, image);
        }
        using (var session = new InferenceSession(model, new SessionOptions { Threads = 4, Mode = ScheduleMode.Parallel })) parallel = session.Summarize(inputs).ArenaBytes;
        Assert.True(sequential < parallel);
        foreach (long budget in new[] { parallel, (parallel + sequential) / 2, sequential })
        {
            using var session = new InferenceSession(model, new SessionOptions { Threads = 4, Mode = ScheduleMode.Parallel, MemoryBudgetBytes = budget });
            Assert.True(session.Summarize(inputs).ArenaBytes <= budget);
            Assert.True(Run(session, image).AsSpan().SequenceEqual(expected));
        }
        using var narrow = new InferenceSession(model, new SessionOptions { Threads = 4, MemoryBudgetBytes = sequential - 1 });
        MemoryBudgetException error = Assert.Throws<MemoryBudgetException>(() => Run(narrow, image));
        Assert.Equal(sequential, error.NeededBytes);
        Assert.Equal(sequential - 1, error.BudgetBytes);
    }

    [Fact]
    public void Sixteen_callers_under_a_budget_for_two_all_get_the_right_bits()
    {
        byte[] model = BranchyNetwork.Build(3);
        Tensor[] images = [.. Enumerable.Range(0, 4).Select(i => BranchyNetwork.Image(8, 20, 20, i))];
        byte[][] expected;
        long bytes;
        using (var session = new InferenceSession(model, new SessionOptions { Threads = 1, Mode = ScheduleMode.Sequential }))
        {
            expected = [.. images.Select(i => Run(session, i))];
            bytes = session.Summarize(new() { ["x"] = images[0] }).ArenaBytes;
        }
        using var shared = new InferenceSession(model, new SessionOptions { Threads = 3, Mode = ScheduleMode.Parallel, MemoryBudgetBytes = 2 * bytes });
        Parallel.For(0, 16, new ParallelOptions { MaxDegreeOfParallelism = 16 }, caller =>
        {
            for (int run = 0; run < 10; run++)
            {
                int i = (caller + run) % images.Length;
                Assert.True(Run(shared, images[i]).AsSpan().SequenceEqual(expected[i]));
            }
        });
    }

    [Theory]
    [InlineData(ArenaCheck.Poisoned)]
    [InlineData(ArenaCheck.Guarded)]
    public void Nothing_is_read_before_it_is_written_or_touched_past_its_end(ArenaCheck check)
    {
        for (int seed = 1; seed <= 6; seed++)
        {
            byte[] model = BranchyNetwork.Build(seed);
            Tensor image = BranchyNetwork.Image(8, 23, 19);
            using var plain = new InferenceSession(model, new SessionOptions { Threads = 2 });
            using var watched = new InferenceSession(model, new SessionOptions { Threads = 2, Mode = ScheduleMode.Parallel, ArenaCheck = check });
            byte[] expected = Run(plain, image);
            for (int run = 0; run < 3; run++) Assert.True(Run(watched, image).AsSpan().SequenceEqual(expected), $"seed {seed}, run {run}");
        }
    }

    [Fact]
    public void A_schedule_that_had_all_choices_serves_every_larger_budget()
    {
        using var session = new InferenceSession(BranchyNetwork.Build(2), new SessionOptions { Threads = 4 });
        ExecutionPlan plan = session.PlanFor(new() { ["x"] = BranchyNetwork.Image(8, 40, 40) });
        RunSettings Settings(long budget) => new(WorkerPool.Shared, 4, ScheduleMode.Auto, CostModel.Default, new Runtime.Memory.MemoryBudget(budget, 0.4));
        Schedule first = plan.ScheduleFor(Settings(1L << 30));
        for (int power = 31; power < 50; power++) Assert.Same(first, plan.ScheduleFor(Settings(1L << power)));
    }

    [Fact]
    public void Regions_of_an_imagined_accelerator_run_beside_branches_and_give_the_same_bits()
    {
        Tensor image = BranchyNetwork.Image(8, 24, 31);
        var inputs = new Dictionary<string, Datum> { ["x"] = image };
        // Declared free of cost, but without pooling: regions are cut where the pools are, and all of them are kept.
        var accelerator = new NullAccelerator(AcceleratorModel.Ideal with { Name = "poolless" }, node => node.Op.Name.Contains("Pool") ? "no pooling" : null);
        int kept = 0;
        for (int seed = 1; seed <= 6; seed++)
        {
            byte[] model = BranchyNetwork.Build(seed);
            using var plain = new InferenceSession(model, new SessionOptions { Threads = 1, Mode = ScheduleMode.Sequential });
            using var mixed = new InferenceSession(model, new SessionOptions { Threads = 3, Mode = ScheduleMode.Parallel, Accelerators = [accelerator], ArenaCheck = ArenaCheck.Guarded });
            Assert.True(Run(mixed, image).AsSpan().SequenceEqual(Run(plain, image)), $"seed {seed}");
            ExecutionPlan plan = mixed.PlanFor(inputs);
            kept += plan.Partition.Regions.Count(r => r.Kept);
            Assert.Contains(plan.Partition.Unsupported.Keys, k => k.Contains("no pooling"));
        }
        Assert.True(kept > 0);
    }

    [Fact]
    public void A_steady_parallel_run_allocates_nothing()
    {
        using var session = new InferenceSession(BranchyNetwork.Build(4), new SessionOptions { Threads = 2, Mode = ScheduleMode.Parallel });
        var inputs = new Dictionary<string, Datum> { ["x"] = BranchyNetwork.Image(8, 16, 16) };
        using RunResult first = session.Run(inputs);
        Dictionary<string, Tensor> outputs = first.ToDictionary(o => o.Key, o => ((Tensor)o.Value).Clone());
        for (int i = 0; i < 20; i++) session.Run(inputs, outputs);
        Assert.Equal(0, ProcessMemory.LeastAllocated(20, () => session.Run(inputs, outputs)));
    }

    [Fact]
    public void A_failing_branch_fails_the_run_and_leaves_the_session_usable()
    {
        byte[] model = new Suite.ModelBuilder()
            .Input("x", DType.Float32, 4, 4).Input("i", DType.Int64, 1)
            .Node("Gather", ["x", "i"], ["row"])
            .Node("Tanh", ["x"], ["t"]).Node("Exp", ["t"], ["e"]).Node("MatMul", ["e", "x"], ["m"])
            .Node("Add", ["row", "m"], ["y"])
            .Output("y").Build();
        using var session = new InferenceSession(model, new SessionOptions { Threads = 3, Mode = ScheduleMode.Parallel });
        Tensor x = Tensor.From(Enumerable.Range(0, 16).Select(v => v / 16f).ToArray(), [4, 4]);
        for (int run = 0; run < 20; run++)
        {
            Assert.Throws<InvalidInputException>(() => session.Run(new() { ["x"] = x, ["i"] = Tensor.From([7L], [1]) }));
            using RunResult result = session.Run(new() { ["x"] = x, ["i"] = Tensor.From([2L], [1]) });
            Assert.Equal([4, 4], result["y"].Dims.ToArray());
        }
    }
}
