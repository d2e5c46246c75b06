using System.Text.Json;
using Parallax.Cli.Measuring;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Cli;

public sealed class AblationTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Every_mode_thread_count_and_margin_is_measured_once()
    {
        CliRun run = CliRun.Of("bench", Toy(), "--ablation", "--threads", "2", "--warmup", "0", "--runs", "1", "--json");
        Assert.Equal((0, ""), (run.Code, run.Error));
        JsonElement[] rows = [.. JsonDocument.Parse(run.Output).RootElement.EnumerateArray()];
        Assert.Equal(2 * 4 * 4, rows.Select(r => (r.GetProperty("threads").GetInt32(), r.GetProperty("mode").GetString(), r.GetProperty("margin").GetDouble())).Distinct().Count());
        Assert.All(rows, r => Assert.True(r.GetProperty("fits").GetBoolean() && r.GetProperty("p50Ms").GetDouble() > 0 && r.GetProperty("arenaBytes").GetInt64() > 0));
    }

    [Fact]
    public void The_margin_is_taken_off_a_given_budget()
    {
        // The sequential plan takes 3072 bytes: 4608 less 0.2 or 0.3 hold it, less 0.4 or 0.5 do not.
        CliRun run = CliRun.Of("bench", Toy(), "--ablation", "--threads", "1", "--warmup", "0", "--runs", "1", "--memory-budget", "4608", "--json");
        JsonElement[] rows = [.. JsonDocument.Parse(run.Output).RootElement.EnumerateArray()];
        Assert.Equal(16, rows.Length);
        Assert.All(rows, r => Assert.Equal(r.GetProperty("margin").GetDouble() < 0.35, r.GetProperty("fits").GetBoolean()));
        Assert.Contains("does not fit", CliRun.Of("bench", Toy(), "--ablation", "--threads", "1", "--warmup", "0", "--runs", "1", "--memory-budget", "4608").Output);
    }

    [Fact]
    public void Modes_are_measured_side_by_side()
    {
        string[] call = ["bench", Toy(), "--side-by-side", "modes", "--threads", "2", "--warmup", "0", "--runs", "7"];
        CliRun run = CliRun.Of([.. call, "--json"]);
        Assert.Equal((0, ""), (run.Code, run.Error));
        JsonElement[] rows = [.. JsonDocument.Parse(run.Output).RootElement.EnumerateArray()];
        string[] modes = ["sequential", "layered", "parallel", "auto"];
        Assert.Equal(modes.Order(), rows.Select(r => r.GetProperty("way").GetString()).Order());
        foreach (JsonElement row in rows)
        {
            // The best of the others is the one with the smallest median, and nobody is its own rival.
            JsonElement[] others = [.. rows.Where(r => r.GetProperty("way").GetString() != row.GetProperty("way").GetString())];
            JsonElement best = others.Single(r => r.GetProperty("way").GetString() == row.GetProperty("bestOther").GetString());
            Assert.Equal(others.Min(r => r.GetProperty("p50Ms").GetDouble()), best.GetProperty("p50Ms").GetDouble()); // rounded, so that several may be the smallest
            Assert.True(row.GetProperty("overBestOther").GetDouble() > 0);
            Assert.All(row.GetProperty("overInterval").EnumerateObject(), other => Assert.Equal(JsonValueKind.Null, other.Value.GetProperty("low").ValueKind)); // two turns
        }
        string table = CliRun.Of(call).Output;
        Assert.All(modes, mode => Assert.Contains(mode, table));
        CliRun.Refused(["bench", Toy(), "--side-by-side", "days"], "--side-by-side", "modes", "days");
        CliRun.Refused(["bench", Toy(), "--side-by-side", "modes", "--ablation"], "--side-by-side", "--ablation");
        CliRun.Refused(["bench", Toy(), "--side-by-side", "devices"], "--side-by-side devices", "--device");
    }

    /// <summary>Ranks from tables of the sign test at 5 %.</summary>
    [Theory]
    [InlineData(5, double.NaN, double.NaN)]
    [InlineData(6, 1, 6)]
    [InlineData(8, 1, 8)]
    [InlineData(9, 2, 8)]
    [InlineData(20, 6, 15)]
    [InlineData(100, 40, 61)]
    public void The_interval_of_a_median_has_the_ranks_of_the_sign_test(int count, double low, double high)
    {
        Ratio ratio = Ratio.Of(Enumerable.Range(1, count).Reverse().Select(i => (double)i));
        Assert.Equal(((count + 1) / 2.0, low, high), (ratio.Median, ratio.Low, ratio.High));
    }

    private string Toy() => folder.Write("toy.onnx", new ModelBuilder()
        .Input("x", DType.Float32, 4, 64)
        .Node("Relu", ["x"], ["stem"])
        .Node("Exp", ["stem"], ["left"])
        .Node("Tanh", ["stem"], ["right"])
        .Node("Mul", ["left", "right"], ["y"])
        .Output("y")
        .Build());
}
