using System.Text.Json;
using Parallax.Cli.Commands;
using Parallax.Cli.Models;
using Parallax.Cli.Output;
using Parallax.Planning;

namespace Parallax.Cli.Measuring;

/// <summary>One of the ways to run a model that were measured in turns.</summary>
/// <param name="Way">What the caller calls it.</param>
/// <param name="Splits">Layers that the CPU and a device computed together.</param>
/// <param name="Over">By every other way, its own time over that one's, by turns that followed each other: a drift of the machine leaves that alone.</param>
/// <param name="BestOther">The fastest other way.</param>
internal sealed record SideBySideRow(string Model, string Way, int Threads, string Ran, int Splits, Latencies Times, IReadOnlyDictionary<string, Ratio> Over, string BestOther)
{
    /// <param name="ways">All of them, in the order of <see cref="Row"/>.</param>
    internal static string[] Columns(IEnumerable<string> ways) => ["model", ">threads", "way", "ran", ">split", ">min ms", ">p50 ms", ">p90 ms", .. ways.Select(w => $">over {w}"), "best other"];

    internal string[] Row(IEnumerable<string> ways) =>
        [Model, $"{Threads}", Way, Ran, $"{Splits}", Numbers.Ms(Times.Min), Numbers.Ms(Times.Percentile(50)), Numbers.Ms(Times.Percentile(90)), .. ways.Select(w => w == Way ? "" : $"{Over[w]}"), BestOther];

    internal void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("model", Model);
        json.WriteNumber("threads", Threads);
        json.WriteString("way", Way);
        json.WriteString("ran", Ran);
        json.WriteNumber("splits", Splits);
        json.Finite("minMs", Times.Min, 4);
        json.Finite("p50Ms", Times.Percentile(50), 4);
        json.Finite("p90Ms", Times.Percentile(90), 4);
        json.WriteString("bestOther", BestOther);
        json.Finite("overBestOther", Over[BestOther].Median, 4);
        json.WriteStartObject("over");
        foreach ((string way, Ratio ratio) in Over) json.Finite(way, ratio.Median, 4);
        json.WriteEndObject();
        json.WriteStartObject("overInterval");
        foreach ((string way, Ratio ratio) in Over)
        {
            json.WriteStartObject(way);
            json.Finite("low", ratio.Low, 4);
            json.Finite("high", ratio.High, 4);
            json.WriteEndObject();
        }
        json.WriteEndObject();
        json.WriteEndObject();
    }
}

/// <summary>Several ways to run one model, measured in one process, a few runs of each in turn: what the machine does meanwhile falls on all of them alike.</summary>
internal static class SideBySide
{
    /// <summary>Runs of a turn. One more before them is not counted: it brings weights and arena back into the caches.</summary>
    private const int Turn = 5;

    /// <summary>Every mode, all else as the settings say.</summary>
    internal static (string Way, CommonSettings Settings)[] Modes(CommonSettings settings) =>
        [.. Enum.GetValues<ScheduleMode>().Select(mode => (AblationRow.Name(mode), settings with { Mode = mode }))];

    /// <summary>
    /// The CPU alone, the device with all that it can compute, every layer split that can be (in halves, or as the settings say), every layer where it alone is predicted
    /// to be fastest, and what the planner makes of both; all else as the settings say, which have a device.
    /// </summary>
    internal static (string Way, CommonSettings Settings)[] Devices(CommonSettings settings)
    {
        DeviceSettings devices = settings.Devices;
        return
        [
            ("cpu", settings with { Devices = devices with { Backends = [], Splits = [] } }),
            ("device", settings with { Devices = devices with { OffloadAll = true, Splits = [] } }),
            ("split", settings with { Devices = devices with { OffloadAll = false, Splits = devices.Splits.IsEmpty ? [new LayerSplit(LayerSplit.All, 0.5)] : devices.Splits } }),
            ("each", settings with { Devices = devices with { OffloadAll = false, Splits = [], EachForItself = true } }),
            ("joint", settings with { Devices = devices with { OffloadAll = false, Splits = [] } }),
        ];
    }

    /// <param name="runs">Counted runs of each way, rounded up to whole turns.</param>
    internal static SideBySideRow[] Measure(string name, ReadOnlySpan<(string Way, CommonSettings Settings)> ways, int warmup, int runs, Action<string> progress, CancellationToken cancellation)
    {
        int turns = (runs + Turn - 1) / Turn;
        var contestants = new List<Contestant>();
        try
        {
            foreach ((string way, CommonSettings settings) in ways)
            {
                progress($"{name}: loading, {way}");
                contestants.Add(new Contestant(way, name, settings, turns * Turn, cancellation));
            }
            foreach (Contestant contestant in contestants) contestant.Warm(warmup);
            for (int turn = 0; turn < turns; turn++)
                for (int i = 0; i < contestants.Count; i++)
                {
                    // Nobody always follows the same other.
                    Contestant next = contestants[(turn + i) % contestants.Count];
                    progress($"{name}: {next.Way}, turn {turn + 1} of {turns}");
                    cancellation.ThrowIfCancellationRequested();
                    next.Run();
                }
            return [.. contestants.Select(c => c.Result([.. contestants.Where(other => other != c)]))];
        }
        finally
        {
            foreach (Contestant contestant in contestants) contestant.Dispose();
        }
    }

    private sealed class Contestant : IDisposable
    {
        private readonly ReadyModel model;
        private readonly RunResult first;
        private readonly Action run;
        private readonly Usage usage;

        internal Contestant(string way, string name, CommonSettings settings, int runs, CancellationToken cancellation)
        {
            Way = way;
            model = ReadyModel.Load(name, settings);
            try
            {
                first = model.Session.Run(model.Inputs, cancellation);
            }
            catch
            {
                model.Dispose();
                throw;
            }
            run = BenchResult.Runner(model, first, cancellation);
            usage = new Usage(runs);
        }

        internal string Way { get; }

        internal double Median => new Latencies(usage.TimesMs).Percentile(50);

        internal void Warm(int runs)
        {
            for (int i = 0; i < runs; i++) run();
        }

        internal void Run()
        {
            run();
            usage.Add(run, Turn);
        }

        internal SideBySideRow Result(Contestant[] others)
        {
            PlanSummary plan = model.Session.Summarize(model.Inputs);
            return new SideBySideRow(model.Name, Way, BenchResult.ThreadsOf(model), plan.Mode.ToString().ToLowerInvariant(), plan.Splits.Length, new Latencies(usage.TimesMs),
                others.ToDictionary(other => other.Way, Over), others.MinBy(other => other.Median)!.Way);
        }

        private Ratio Over(Contestant other) => Ratio.Of(Turns().Zip(other.Turns(), (own, others) => own / others));

        private IEnumerable<double> Turns() => usage.TimesMs.Chunk(Turn).Select(turn => new Latencies(turn).Percentile(50));

        public void Dispose()
        {
            first.Dispose();
            model.Dispose();
        }
    }
}
