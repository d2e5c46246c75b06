using Parallax.Planning;
using Xunit;
using Xunit.Abstractions;

namespace Parallax.Tests.Planning;

public class JointPlanTests(ITestOutputHelper output)
{
    private static readonly SyncCosts Cheap = new(10, 2, 5);

    /// <summary>An operator that a CPU's worker computes at a rate of 1 and the device at another.</summary>
    private static JointOperator Op(string name, double us, double deviceRate = 1, int workers = 1, params int[] localTo) => new(
        name, [.. Enumerable.Range(1, workers).Select(w => us / w)], us / deviceRate,
        [new SplitAxis(OutputAxis.Channels, 100, 10, workers, (n, w) => us * n / 100 / w, n => us * n / 100 / deviceRate, [.. localTo])]);

    private static JointProblem Chain(SyncCosts sync, params JointOperator[] operators) =>
        new(new Dag(operators.Length, Enumerable.Range(1, operators.Length - 1).Select(i => (i - 1, i))), [.. operators], sync);

    [Fact]
    public void A_large_operator_is_split_where_the_sides_balance()
    {
        JointPlan plan = JointPlanner.Plan(Chain(Cheap, Op("large", 1000)));
        Assert.Equal(JointChoice.Split(1, OutputAxis.Channels, 50), plan.Placements[0].Choice);
        Assert.Equal(500 + 10 + 5, plan.PredictedUs, 6);
        Assert.Equal((1000, 1015), (plan.CpuUs, plan.DeviceUs));
        Assert.Equal("split channels at 50 of 100: 500 us on 1 worker beside 500 us on the device; whole 1000 us on the CPU, 1000 us on the device", plan.Placements[0].Why);
        Assert.Contains(plan.Placements[0].Why, plan.Dump());
        Assert.Equal(20, JointPlanner.Plan(Chain(Cheap, Op("fast device", 1000, deviceRate: 3))).Placements[0].Choice.Cut); // 200 us beside 267
    }

    [Theory]
    [InlineData(0, 40, OutputAxis.Channels)]
    [InlineData(40, 0, OutputAxis.Rows)]
    [InlineData(0, 0, OutputAxis.Channels)]
    public void Of_two_axes_the_one_that_is_predicted_better_is_cut(double extraOfChannels, double extraOfRows, OutputAxis better)
    {
        JointOperator op = Op("large", 1000);
        JointProblem problem = Chain(Cheap, op with { Axes = [Along(OutputAxis.Channels, 100, extraOfChannels), Along(OutputAxis.Rows, 40, extraOfRows)] });
        foreach (JointPlan plan in (JointPlan[])[JointPlanner.Plan(problem), JointPlanner.Plan(problem with { Operators = [op with { Axes = [.. problem.Operators[0].Axes.Where(a => a.Axis == better)] }] })])
        {
            Assert.Equal((Side.Both, better), (plan.Placements[0].Choice.Side, plan.Placements[0].Choice.Axis));
            Assert.Equal(500 + 10 + 5, plan.PredictedUs, 6);
            Assert.Equal(515, plan.EachForItselfUs, 6);
            Assert.StartsWith($"split {OutputAxes.NameOf(better)} at {plan.Placements[0].Choice.Cut} of {(better == OutputAxis.Rows ? 40 : 100)}: ", plan.Placements[0].Why);
        }

        static SplitAxis Along(OutputAxis axis, long extent, double extraUs) => new(axis, extent, 10, 1, (n, _) => 1000.0 * n / extent + extraUs, n => 1000.0 * n / extent + extraUs);
    }

    [Fact]
    public void A_small_operator_is_not_split()
    {
        JointPlan plan = JointPlanner.Plan(Chain(Cheap, Op("small", 12)));
        Assert.Equal((JointChoice.OnCpu(1), 12), (plan.Placements[0].Choice, plan.PredictedUs));
        Assert.Equal("1 worker: 12 us on the CPU, 12 us on the device", plan.Placements[0].Why);
        Assert.Equal(JointChoice.OnDevice, JointPlanner.Plan(Chain(Cheap, Op("faster there", 100, deviceRate: 20) with { Axes = [] })).Placements[0].Choice);
        JointOperator stays = Op("not there", 1000) with { DeviceUs = double.PositiveInfinity, Axes = [] };
        Assert.Equal("1 worker: 1000 us on the CPU, the device cannot run it", JointPlanner.Plan(Chain(Cheap, stays)).Placements[0].Why);
    }

    [Fact]
    public void A_chain_that_needs_no_exchange_is_split_at_one_place_and_synchronized_once()
    {
        JointPlan plan = JointPlanner.Plan(Chain(new SyncCosts(60, 20, 20), [Op("first", 60), .. Enumerable.Range(1, 5).Select(i => Op($"op{i}", 60, 1, 1, i - 1))]));
        Assert.All(plan.Placements, p => Assert.Equal(JointChoice.Split(1, OutputAxis.Channels, plan.Placements[0].Choice.Cut), p.Choice));
        Assert.InRange(plan.PredictedUs, 250, 260); // both sides begin at 60 and share 360, and the end is seen after 20; each operator alone is not worth a split: 60 + 20 > 60
        JointPlan exchanging = JointPlanner.Plan(Chain(new SyncCosts(60, 20, 20), [.. Enumerable.Range(0, 6).Select(i => Op($"op{i}", 60))]));
        Assert.DoesNotContain(exchanging.Placements, p => p.Choice.Side == Side.Both);
    }

    [Fact]
    public void Branches_go_to_both_sides_and_the_device_takes_one_at_a_time()
    {
        JointOperator[] four = [.. Enumerable.Range(0, 4).Select(i => Op($"branch{i}", 100) with { Axes = [] })];
        JointPlan plan = JointPlanner.Plan(new JointProblem(new Dag(4, []), [.. four], Cheap));
        Assert.Equal(2, plan.Placements.Count(p => p.Choice.Side == Side.Device));
        Assert.Equal(200 + 10 + 10 + 5, plan.PredictedUs, 6);
        JointPlacement[] there = [.. plan.Placements.Where(p => p.Choice.Side == Side.Device).OrderBy(p => p.StartUs)];
        Assert.True(there[0].EndUs <= there[1].StartUs);
    }

    [Fact]
    public void Branches_stay_whole_side_by_side_and_what_is_between_them_is_split()
    {
        const int Before = 60, Length = 12, Count = Before + 2 * Length + Before;
        JointOperator[] all = [.. Enumerable.Range(0, Count).Select(i => Op($"op{i}", 1000) with { Axes = [new SplitAxis(OutputAxis.Channels, 100, 10, 1, (n, _) => 10 * n + 40, n => 10 * n + 40)] })];
        IEnumerable<(int, int)> Along(params IEnumerable<int> operators) => operators.Zip(operators.Skip(1));
        IEnumerable<int> Branch(int first) => [Before - 1, .. Enumerable.Range(first, Length), Before + 2 * Length];
        var dag = new Dag(Count, [.. Along(Enumerable.Range(0, Before)), .. Along(Branch(Before)), .. Along(Branch(Before + Length)), .. Along(Enumerable.Range(Before + 2 * Length, Before))]);
        JointPlan plan = JointPlanner.Plan(new JointProblem(dag, [.. all], Cheap));
        Assert.All(Enumerable.Range(Before, 2 * Length), op => Assert.NotEqual(Side.Both, plan.Placements[op].Choice.Side));
        Assert.Equal(2 * Before, plan.Placements.Count(p => p.Choice.Side == Side.Both));
        Assert.InRange(plan.PredictedUs / (2 * Before * 555 + Length * 1000), 0.99, 1.01);
        Assert.True(plan.PredictedUs < plan.EachForItselfUs);
    }

    [Fact]
    public void A_run_on_the_device_is_dispatched_once()
    {
        JointProblem problem = Chain(new SyncCosts(100, 5, 5), [.. Enumerable.Range(0, 8).Select(i => Op($"op{i}", 50, deviceRate: 5) with { Axes = [] })]);
        JointPlan plan = JointPlanner.Plan(problem);
        Assert.All(plan.Placements, p => Assert.Equal(JointChoice.OnDevice, p.Choice));
        Assert.Equal(100 + 8 * 10 + 5, plan.PredictedUs, 6);
        Assert.Equal(plan.DeviceUs, plan.PredictedUs);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Small_stages_are_within_five_percent_of_the_optimum(int workers)
    {
        var worst = 1.0;
        double sum = 0;
        const int Cases = 60;
        for (int seed = 0; seed < Cases; seed++)
        {
            var random = new Random(1000 * workers + seed);
            JointProblem problem = JointProblems.Draw(random, random.Next(2, workers == 1 ? 7 : 5), workers, chain: seed % 3 == 0);
            double optimum = JointProblems.Optimum(problem), found = JointPlanner.Plan(problem).PredictedUs, ratio = found / optimum;
            Assert.True(ratio > 1 - 1e-9, $"seed {seed}: {found} is less than the optimum {optimum}");
            worst = Math.Max(worst, ratio);
            sum += ratio;
        }
        output.WriteLine($"{workers} workers: mean {sum / Cases:0.0000}, worst {worst:0.0000}");
        Assert.InRange(worst, 1, 1.05);
    }

    [Fact]
    public void Plans_are_never_worse_than_one_device_and_better_than_each_operator_for_itself()
    {
        double mine = 0, each = 0;
        for (int seed = 0; seed < 40; seed++)
        {
            var random = new Random(seed);
            JointPlan plan = JointPlanner.Plan(JointProblems.Draw(random, random.Next(10, 80), 2, chain: seed % 4 == 0));
            Assert.True(plan.PredictedUs <= Math.Min(plan.CpuUs, plan.DeviceUs) * (1 + 1e-9), $"seed {seed}");
            Assert.True(plan.PredictedUs <= plan.EachForItselfUs * (1 + 1e-9), $"seed {seed}: {plan.PredictedUs} against {plan.EachForItselfUs}");
            mine += Math.Log(plan.PredictedUs);
            each += Math.Log(plan.EachForItselfUs);
        }
        output.WriteLine($"each for itself takes {Math.Exp((each - mine) / 40):0.000} times as long");
        Assert.True(mine < each - 40 * Math.Log(1.03));
    }

    [Fact]
    public void The_same_problem_and_seed_give_the_same_plan()
    {
        string Dump(int seed) => JointPlanner.Plan(JointProblems.Draw(new Random(5), 60, 2), new JointOptions(Seed: seed)).Dump();
        Assert.Equal(Dump(1), Dump(1));
    }

    [Fact]
    public void Stages_end_where_everything_is_ordered_and_hold_everything_once()
    {
        for (int seed = 0; seed < 20; seed++)
        {
            var random = new Random(seed);
            Dag dag = JointProblems.Draw(random, random.Next(1, 90), 1, chain: seed % 5 == 0).Dag;
            List<int[]> stages = JointStages.Cut(dag);
            Assert.Equal(dag.Order, stages.SelectMany(s => s));
            Assert.All(stages, s => Assert.InRange(s.Length, 1, JointStages.MaxOperators));
        }
        // 0 -> {1, 2} -> 3 -> {4 .. 24}: the first stage ends at 3, before it would grow too long.
        var edges = new List<(int, int)> { (0, 1), (0, 2), (1, 3), (2, 3) };
        for (int i = 4; i < 25; i++) edges.Add((3, i));
        Assert.Equal([0, 1, 2, 3], JointStages.Cut(new Dag(25, edges))[0]);
    }

    [Fact]
    public void Nothing_is_planned_for_nothing()
    {
        JointPlan plan = JointPlanner.Plan(new JointProblem(new Dag(0, []), [], Cheap));
        Assert.Empty(plan.Placements);
        Assert.Equal(0, plan.PredictedUs);
    }

    [Fact]
    public void A_change_that_is_tried_takes_as_long_as_when_everything_is_run_anew()
    {
        int told = 0;
        for (int seed = 0; seed < 300; seed++)
        {
            var random = new Random(seed);
            JointProblem problem = JointProblems.Draw(random, random.Next(2, 40), random.Next(1, 4), chain: seed % 2 == 0);
            var search = new JointSearch(problem, new JointOptions());
            var candidates = new JointCandidates(problem, cutsPerOperator: 10);
            JointSimulator run = search.Simulator, anew = new(problem, search.Urgency);
            int count = problem.Operators.Length, start = random.Next(count), end = random.Next(start, count) + 1;
            int[] order = [.. problem.Dag.Order], window = order[start..end];
            for (int op = 0; op < count; op++) anew[op] = run[op] = Any(op).Choice;
            run.Start();
            run.Run(order.AsSpan(0, start));
            double us = run.Open(window);
            for (int trial = 0; trial < 20; trial++)
            {
                int[] changing = [.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => window[random.Next(window.Length)]).Distinct()];
                TimedChoice[] changed = [.. changing.Select(Any)];
                double tried = run.Try(changing, changed, double.PositiveInfinity, new double[count]), limit = us * (0.9 + random.NextDouble() / 5);
                JointChoice[] before = [.. changing.Select(op => anew[op])];
                for (int i = 0; i < changing.Length; i++) anew[changing[i]] = changed[i].Choice;
                double expected = Whole();
                Assert.Equal(expected, tried, expected * 1e-12);
                double limited = run.Try(changing, changed, limit, new double[count]);
                Assert.True(limited == tried || (double.IsPositiveInfinity(limited) && tried >= limit), $"seed {seed}: {limited} for {tried} below {limit}");
                for (int i = 0; i < changing.Length; i++) anew[changing[i]] = before[i];
                told += expected != us ? 1 : 0;
            }
            Assert.Equal(us, Whole());
            run.Close();
            Assert.Equal(us, run.Run(window));

            TimedChoice Any(int op) => candidates.Of(op)[random.Next(candidates.Of(op).Length)];

            double Whole()
            {
                anew.Start();
                anew.Run(order.AsSpan(0, start));
                return anew.Run(window);
            }
        }
        Assert.True(told > 3000, $"{told} changes made a difference");
    }

    [Fact]
    public void A_search_costs_no_more_than_it_may_and_gives_a_plan_however_little_that_is()
    {
        double saved = 0;
        for (int seed = 1; seed <= 5; seed++)
        {
            JointProblem problem = JointProblems.Draw(new Random(seed), 300, 2);
            (JointPlan hasty, JointPlan thorough) = HastyAndThorough(problem);
            Assert.True(hasty.PredictedUs <= Math.Min(hasty.CpuUs, hasty.DeviceUs));
            Assert.True(thorough.PredictedUs <= hasty.PredictedUs);
            Assert.InRange(hasty.Evaluations, 1, 100);
            Assert.InRange(thorough.Evaluations, 200, 100_000);
            saved += 1 - thorough.PredictedUs / hasty.PredictedUs;
        }
        output.WriteLine($"{saved / 5:0.000} of the time saved");
        Assert.True(saved > 0);

        // Along one axis the search has twice the trials for each cut, and gains.
        JointProblem channels = JointProblems.Draw(new Random(1), 300, 2);
        channels = channels with { Operators = [.. channels.Operators.Select(o => o with { Axes = [.. o.Axes.Where(a => a.Axis == OutputAxis.Channels)] })] };
        (JointPlan first, JointPlan best) = HastyAndThorough(channels);
        Assert.True(best.PredictedUs < first.PredictedUs);

        static (JointPlan Hasty, JointPlan Thorough) HastyAndThorough(JointProblem problem) => (JointPlanner.Plan(problem, new JointOptions(StepsPerOperator: 0, MinSteps: 0)), JointPlanner.Plan(problem));
    }
}
