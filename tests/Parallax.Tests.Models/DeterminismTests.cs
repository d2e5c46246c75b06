using Parallax.Planning;
using Parallax.Suite;
using Parallax.Zoo;
using Xunit;

namespace Parallax.Tests.Models;

/// <summary>Whole networks give the same bits in every mode, with any number of workers, under any budget that they fit.</summary>
public sealed class DeterminismTests
{
    private static readonly Dictionary<string, long> SmallDims = new() { ["batch"] = 1, ["height"] = 64, ["width"] = 96, ["tokens"] = 5, ["past"] = 7, ["sequence"] = 9 };

    public static TheoryData<string> ZooNames => [.. ZooCatalog.Entries.Select(e => e.Name)];

    [Theory]
    [MemberData(nameof(ZooNames))]
    public void Zoo_networks(string name)
    {
        ZooEntry entry = ZooCatalog.Find(name);
        byte[] model = entry.Build(new ZooOptions(Dynamic: true)).ToBytes();
        Check(name, options => new InferenceSession(model, options), session => session.Inputs.ToDictionary(i => i.Name, i => (Datum)Seeded(i, entry)));
    }

    [SharedFact("models")]
    public void Trained_models()
    {
        foreach (string folder in Directory.GetDirectories(SharedData.Path("models")!))
        {
            Dictionary<string, Datum> inputs = [];
            using (var session = new InferenceSession(Path.Combine(folder, "model.onnx")))
                foreach (ValueInfo input in session.Inputs)
                    inputs[input.Name] = Npy.Read(Path.Combine(folder, "inputs", FileSafe(input.Name) + ".npy"));
            Check(Path.GetFileName(folder), options => new InferenceSession(Path.Combine(folder, "model.onnx"), options), _ => inputs);
        }
    }

    private static void Check(string name, Func<SessionOptions, InferenceSession> open, Func<InferenceSession, Dictionary<string, Datum>> inputsOf)
    {
        using InferenceSession reference = open(new SessionOptions { Threads = 1, Mode = ScheduleMode.Sequential });
        Dictionary<string, Datum> inputs = inputsOf(reference);
        byte[] expected = Run(reference, inputs);
        PlanSummary plan = reference.Summarize(inputs);
        // Branches that run at once hold more values of unknown size at once.
        long budget = plan.ArenaBytes + 2 * (plan.DynamicBytes ?? 0);
        SessionOptions[] others =
        [
            new() { Threads = 2, Mode = ScheduleMode.Parallel },
            new() { Threads = 5, Mode = ScheduleMode.Parallel, MemoryMargin = 0.5 },
            new() { Threads = 3, Mode = ScheduleMode.Layered },
            new() { Threads = 8, Mode = ScheduleMode.Auto, MemoryMargin = 0.2 },
            new() { Threads = 8, Mode = ScheduleMode.Parallel, MemoryBudgetBytes = budget },
            new() { Threads = 2, Mode = ScheduleMode.Parallel, ArenaCheck = ArenaCheck.Guarded },
        ];
        foreach (SessionOptions options in others)
        {
            using InferenceSession session = open(options);
            for (int run = 0; run < 2; run++)
                Assert.True(Run(session, inputs).AsSpan().SequenceEqual(expected), $"{name}: {options.Mode}, {options.Threads} threads, run {run} differs");
        }
    }

    private static byte[] Run(InferenceSession session, Dictionary<string, Datum> inputs)
    {
        using RunResult result = session.Run(inputs);
        return [.. result.SelectMany(o => o.Value is Tensor { Storage: not null } tensor ? tensor.Bytes.ToArray() : [])];
    }

    private static Tensor Seeded(ValueInfo input, ZooEntry entry)
    {
        long[] dims = [.. input.Shape!.Value.Select(d => d.Substitute(SmallDims).Value)];
        var random = new Random(11);
        int count = (int)Shape.Count(dims);
        return input.DType == DType.Int64
            ? Tensor.From(Enumerable.Range(0, count).Select(_ => (long)random.Next(1, (int)entry.IntegerLimits.GetValueOrDefault(input.Name, 2))).ToArray(), dims)
            : Tensor.From(Enumerable.Range(0, count).Select(_ => random.NextSingle()).ToArray(), dims);
    }

    private static string FileSafe(string name) => string.Concat(name.Select(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-' ? c : '_'));
}
