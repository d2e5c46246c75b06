using System.Globalization;
using Parallax.Planning;
using Xunit;

namespace Parallax.Tests.Planning;

/// <summary>Predictors of a machine whose times are known: one wave of work-groups after another, or the memory, and some noise.</summary>
public class PredictorTests
{
    private const int Units = 4, TileRows = 64, TileColumns = 32;

    private static readonly LatencyPredictor Predictor = PredictorTrainer.TrainKind(Samples(400, 1), 20, Assumed, new TreeOptions());

    private static StepWork Work(long rows, long columns, long depth) => new(OpClass.Dense, rows * columns * depth, 4 * (rows * depth + depth * columns + rows * columns),
        4 * depth * columns, 0, new WorkShape(1, rows, columns, depth));

    private static KernelFacts Kernel(StepWork work) => work.Extents.Rows < 16
        ? new KernelFacts("narrow", (work.Extents.Columns + 255) / 256, 256, 1, 256)
        : new KernelFacts("tiled", (work.Extents.Rows + TileRows - 1) / TileRows * ((work.Extents.Columns + TileColumns - 1) / TileColumns), 64, TileRows, TileColumns);

    private static double TrueUs(StepWork work)
    {
        KernelFacts kernel = Kernel(work);
        double waves = Math.Ceiling(kernel.Groups / (double)Units), perWave = kernel.TileRows * kernel.TileColumns * work.Extents.Depth / (kernel.TileRows > 1 ? 4e4 : 1e4);
        return Math.Max(waves * perWave, work.Bytes / 5e4) + 1;
    }

    private static double Assumed(LatencySample sample) => sample.Work.Macs / 1e5;

    private static LatencySample Sample(StepWork work, double noise) =>
        new("toy", string.Create(CultureInfo.InvariantCulture, $"{work.Extents}"), work, Units, Kernel(work), TrueUs(work) * (1 + noise));

    private static List<LatencySample> Samples(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => Sample(Work(Log(1, 4096), Log(16, 2048), Log(16, 2048)), 0.06 * (random.NextDouble() - 0.5)))];

        long Log(double low, double high) => (long)(low * Math.Pow(high / low, random.NextDouble()));
    }

    [Fact]
    public void Unseen_shapes_are_predicted_within_ten_percent()
    {
        List<LatencySample> fresh = Samples(300, 2);
        double mape = fresh.Average(s => Math.Abs(Predictor.PredictUs(s.Work, Units, s.Kernel) - 20 - s.Us) / s.Us);
        Assert.InRange(mape, 0, 0.10);
        Assert.InRange(Predictor.Accuracy.Mape, mape / 2, mape * 2);
        Assert.InRange(Predictor.Accuracy.AssumedMape, 0.2, 100);
        Assert.Equal((400, 80), (Predictor.Accuracy.Samples, Predictor.Accuracy.HeldOut));
    }

    [Fact]
    public void What_takes_a_time_of_its_own_is_told_apart_by_few_samples()
    {
        // Multiplying, and weights from memory one after the other: a sum, that no product of powers comes near.
        var random = new Random(3);
        LatencySample[] all = [.. Enumerable.Range(0, 140).Select(_ => Work(Log(1, 1024), Log(16, 2048), Log(16, 2048))).Select(w =>
            new LatencySample("toy", $"{w.Extents}", w, 1, default, 2 + w.Macs / 6e4 + w.ColdBytes / 8e3))];
        LatencyPredictor trained = PredictorTrainer.TrainKind(all[..100], 0, Assumed, new TreeOptions());
        Assert.InRange(all[100..].Average(s => Math.Abs(trained.WorkUs(s.Work, 1, default) / s.Us - 1)), 0, 0.02);

        long Log(double low, double high) => (long)(low * Math.Pow(high / low, random.NextDouble()));
    }

    [Fact]
    public void Each_kernel_has_costs_of_its_own()
    {
        // One multiplies fast and has much to do beside it, the other the other way round, over the same shapes.
        var random = new Random(5);
        LatencySample[] all = [.. Enumerable.Range(0, 160).Select(i => Of(Work(Log(1, 1024), Log(16, 2048), Log(16, 2048)), i % 2 == 0))];
        LatencyPredictor trained = PredictorTrainer.TrainKind(all[..120], 0, Assumed, new TreeOptions()), blind = PredictorTrainer.TrainKind([.. all[..120].Select(Blind)], 0, Assumed, new TreeOptions());
        Assert.InRange(Mape(trained, all[120..]), 0, 0.17);
        Assert.True(Mape(blind, [.. all[120..].Select(Blind)]) > 0.3); // the shape alone does not tell it

        static double Mape(LatencyPredictor predictor, LatencySample[] of) => of.Average(s => Math.Abs(predictor.WorkUs(s.Work, 1, s.Kernel) / s.Us - 1));

        static LatencySample Of(StepWork work, bool transforms) => new("toy", $"{work.Extents}", work, 1, new KernelFacts(transforms ? "transformed" : "plain", 0),
            transforms ? 2 + work.Macs / 2e5 + 4 * work.Extents.Rows * work.Extents.Columns / 1e3 : 2 + work.Macs / 4e4);

        static LatencySample Blind(LatencySample sample) => sample with { Kernel = default };

        long Log(double low, double high) => (long)(low * Math.Pow(high / low, random.NextDouble()));
    }

    [Fact]
    public void A_few_times_that_are_far_too_long_do_not_bend_the_others()
    {
        LatencySample[] all = [.. Samples(400, 1)], disturbed = [.. all.Select((s, i) => i % 20 == 0 ? s with { Us = 8 * s.Us } : s)], fresh = [.. Samples(300, 2)];
        LatencyPredictor trained = PredictorTrainer.TrainKind(disturbed, 20, Assumed, new TreeOptions());
        Assert.InRange(fresh.Average(s => Math.Abs(trained.WorkUs(s.Work, Units, s.Kernel) / s.Us - 1)), 0, 0.17);
    }

    [Fact]
    public void Costs_are_found_and_none_is_below_zero()
    {
        double[][] amounts = [[1, 0, 5], [0, 2, 7], [3, 3, 1], [10, 1, 2], [4, 8, 9]];
        double[] costs = CostFit.Fit(amounts, [.. amounts.Select(a => 2 * a[0] + 0.5 * a[1])]);
        Assert.Equal([2, 0.5, 0], costs.Select(c => Math.Round(c, 3)));
        costs = CostFit.Fit(amounts, [.. amounts.Select(a => 20 + 2 * a[0] - 0.5 * a[1])]);
        Assert.All(costs, c => Assert.True(c >= 0));
    }

    [Fact]
    public void More_work_takes_longer()
    {
        for (long rows = 8; rows <= 2048; rows *= 4)
            for (long columns = 32; columns <= 1024; columns *= 4)
            {
                StepWork less = Work(rows, columns, 256), more = Work(rows, 4 * columns, 256);
                if (TrueUs(more) > 1.5 * TrueUs(less)) Assert.True(Us(less) < Us(more), $"{rows} x {columns}"); // else the additional groups fill units that were idle
            }

        static double Us(StepWork work) => Predictor.PredictUs(work, Units, Kernel(work));
    }

    [Fact]
    public void The_same_samples_give_the_same_predictor()
    {
        LatencyPredictor again = PredictorTrainer.TrainKind(Samples(400, 1), 20, Assumed, new TreeOptions());
        Assert.Equal(Json(Predictor), Json(again));
        Assert.NotEqual(Json(Predictor), Json(PredictorTrainer.TrainKind(Samples(400, 1), 20, Assumed, new TreeOptions(Seed: 7))));
    }

    [Fact]
    public void Predicting_allocates_nothing_and_a_dispatch_is_the_least()
    {
        StepWork work = Work(128, 256, 256), tiny = Work(1, 16, 16);
        KernelFacts kernel = Kernel(work);
        Assert.True(Predictor.PredictUs(tiny, Units, Kernel(tiny)) > 20);
        // What the runtime allocates once, when it loads or compiles something, is in the first turns.
        Assert.Equal(0, Enumerable.Range(0, 5).Min(_ => Allocated()));

        long Allocated()
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 100; i++) Predictor.PredictUs(work, Units, kernel);
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }
    }

    [Fact]
    public void A_profile_keeps_its_predictors_and_the_cost_model_uses_them_where_they_cover()
    {
        CostModel model = CostModel.Default with { Predictors = [Predictor] };
        var read = DeviceProfile.FromJson(new DeviceProfile("this", 2, model, [new AcceleratorModel("toy", 1, 1, 1) { Predictors = [Predictor] }]).ToJson());
        StepWork work = Work(300, 300, 300);
        double us = Predictor.PredictUs(work, 2, Kernel(work));
        Assert.Equal(us, read.Cpu.PredictUs(work, 2, Kernel(work)));
        Assert.Equal(us, read.Accelerators[0].Predictors[0].PredictUs(work, 2, Kernel(work)));
        Assert.True(read.Cpu.PredictUs(work) > 0); // with a kernel that is not known

        foreach (StepWork uncovered in (StepWork[])[work with { Class = OpClass.Softmax }, work with { Extents = default }, work with { Macs = 1L << 50 }, work with { Extents = work.Extents with { Taps = 9 } }])
            Assert.Equal(CostModel.Default.PredictUs(uncovered), read.Cpu.PredictUs(uncovered));
    }

    [Fact]
    public void A_predictor_that_is_no_better_is_not_kept_and_few_samples_make_none()
    {
        Assert.Single(PredictorTrainer.Train(Samples(60, 1), 0, Assumed));
        Assert.Empty(PredictorTrainer.Train(Samples(60, 1), 0, s => s.Us));
        Assert.Empty(PredictorTrainer.Train(Samples(PredictorTrainer.MinProblems - 1, 1), 0, Assumed));
        Assert.Empty(PredictorTrainer.Train(Samples(60, 1).Select(s => s with { Work = s.Work with { Extents = default } }), 0, Assumed));
    }

    [Fact]
    public void Damaged_predictors_are_refused_in_one_line()
    {
        string json = Json(Predictor);
        string nodes = json[json.IndexOf("\"nodes\": [", StringComparison.Ordinal)..];
        foreach (string bad in (string[])
            [
                json.Replace("\"roots\": [0,", "\"roots\": [-3,"), json.Replace("\"nodes\": [", "\"nodes\": [1,"), json.Replace("\"nodes\": [", "\"nodes\": [99,0,1,"),
                json.Replace("\"weights\": [", "\"weights\": [1,"), json.Replace("\"weights\"", "\"waits\""), json.Replace("\"trees\"", "\"bushes\""), json.Replace(nodes, "\"nodes\": []}}}]"),
                Json(Predictor with { Base = double.NaN }), Json(Predictor with { DispatchUs = -1 }), Json(Predictor with { Trees = new BoostedTrees([0], [new TreeNode(0, 1, 0)]) }),
                Json(Predictor with { Trees = new BoostedTrees([0], [new TreeNode(-1, 7, 0)]) }).Replace("[-1,7,0]", "[-1,1e39,0]"),
            ])
        {
            var error = Assert.Throws<InvalidInputException>(() => DeviceProfile.FromJson(bad));
            Assert.DoesNotContain('\n', error.Message);
            Assert.Contains("device profile", error.Message);
        }
    }

    [Fact]
    public void Measurements_are_kept_as_they_are_and_damaged_ones_refused()
    {
        var trained = new AcceleratorModel("toy", 1, 2, double.PositiveInfinity, Sync: new SyncCosts(1, 2, 3)) { Device = "a toy" };
        foreach (Measurement kept in (Measurement[])
            [
                new(Header: new MeasurementHeader(MeasurementHeader.CurrentFormat, "this", 7)), new(Cpu: new MeasuredCpu(2, CostModel.Default with { ForkUs = 7 })), new(Accelerator: trained),
                .. Samples(5, 1).Select(s => new Measurement(Sample: s)),
            ])
        {
            string line = kept.ToLine();
            Assert.DoesNotContain('\n', line);
            Assert.Equal(line, Measurement.FromLine(line)!.ToLine());
            for (int length = 0; length < line.Length; length += 7) Assert.Null(Measurement.FromLine(line[..length]));
        }
        LatencySample sample = Samples(1, 1)[0];
        Assert.Equal(sample, Measurement.FromLine(new Measurement(Sample: sample).ToLine())!.Sample);
        string text = new Measurement(Sample: sample).ToLine();
        foreach (string bad in (string[])["{}", "null", "7", text.Replace("\"device\"", "\"dev\""), text.Replace("\"units\":4", "\"units\":0"), text.Replace("\"sample\"", "\"header\"")])
            Assert.Null(Measurement.FromLine(bad));
    }

    [Fact]
    public void A_profile_of_another_version_says_so()
    {
        string json = Json(Predictor);
        foreach (string other in (string[])[json.Replace("\"version\"", "\"age\""), json.Replace($"\"version\": {DeviceProfile.CurrentVersion}", "\"version\": 99")])
            Assert.Contains("version", Assert.Throws<ProfileVersionException>(() => DeviceProfile.FromJson(other)).Message);
    }

    [Fact]
    public void A_part_of_the_columns_is_less_work_over_the_same_inputs()
    {
        StepWork whole = Work(100, 64, 32), part = whole.Part(16, 64);
        Assert.Equal(Work(100, 16, 32), part);
        Assert.Equal(whole, whole.Part(64, 64));
        StepWork twoInputs = (whole with { ColdBytes = 0 }).Part(16, 64);
        Assert.Equal(part with { ColdBytes = 0 }, twoInputs);
        var depthwise = new StepWork(OpClass.Depthwise, 64 * 100 * 9, 4 * (64 * 100 * 2 + 64 * 9), 4 * 64 * 9, 6400, new WorkShape(1, 100, 64, 9, 9, 1, 64));
        Assert.Equal((depthwise.Macs / 4, depthwise.Bytes / 4, depthwise.ColdBytes / 4, 1600, 16L), (depthwise.Part(16, 64).Macs, depthwise.Part(16, 64).Bytes, depthwise.Part(16, 64).ColdBytes, depthwise.Part(16, 64).EpilogueResults, depthwise.Part(16, 64).Extents.Groups));
        Assert.Throws<ArgumentOutOfRangeException>(() => whole.Part(65, 64));
        Assert.Throws<ArgumentOutOfRangeException>(() => whole.Part(0, 64));
    }

    [Fact]
    public void A_part_of_the_rows_is_the_product_with_that_many_rows()
    {
        StepWork whole = Work(100, 64, 32);
        Assert.Equal(Work(25, 64, 32), whole.Part(25, 100, OutputAxis.Rows));
        Assert.Equal(whole, whole.Part(100, 100, OutputAxis.Rows));
        Assert.Equal(Work(5, 64, 32) with { Class = OpClass.FewRows }, whole.Part(5, 100, OutputAxis.Rows));
        Assert.Equal(50, (whole with { EpilogueResults = 100 }).Part(50, 100, OutputAxis.Rows).EpilogueResults);
        Assert.Equal(Work(25, 64, 32) with { ColdBytes = 0 }, (whole with { ColdBytes = 0 }).Part(25, 100, OutputAxis.Rows));
        Assert.Throws<ArgumentOutOfRangeException>(() => whole.Part(101, 100, OutputAxis.Rows));
        Assert.Throws<ArgumentOutOfRangeException>(() => whole.Part(25, 50, OutputAxis.Rows));
    }

    [Fact]
    public void A_part_of_the_rows_of_images_is_a_convolution_with_that_many_rows_and_all_filters()
    {
        const int Filters = 4 * 64 * 32 * 9;
        StepWork whole = Images(20), pointwise = whole with { Class = OpClass.Dense };
        Assert.Equal(Images(5), whole.Part(5, 20, OutputAxis.Rows));
        Assert.Equal(whole, whole.Part(20, 20, OutputAxis.Rows));
        Assert.Equal(OpClass.Dense, pointwise.Part(1, 500, OutputAxis.Rows).Class);
        Assert.Throws<ArgumentOutOfRangeException>(() => whole.Part(5, 19, OutputAxis.Rows));
        Assert.Throws<ArgumentOutOfRangeException>(() => whole.Part(21, 20, OutputAxis.Rows));

        static StepWork Images(int rows) => new(OpClass.Convolution, 2L * 64 * 25 * rows * 32 * 9, Filters + 4 * 2 * 25 * rows * (64 + 32), Filters, 2 * 64 * 25 * rows, new WorkShape(2, 25 * rows, 64, 32 * 9, 9));
    }

    private static string Json(LatencyPredictor predictor) => new DeviceProfile("this", 2, CostModel.Default with { Predictors = [predictor] }, []).ToJson();
}
