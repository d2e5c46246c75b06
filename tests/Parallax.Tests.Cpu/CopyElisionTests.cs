using Parallax.Kernels.Copy;
using Parallax.Onnx;
using Parallax.Planning;
using Parallax.Runtime;
using Parallax.Runtime.Execution;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Cpu;

/// <summary>Copies that are not made: parts of values that are shown where they lie, and values that are computed where a Concat wants them. A channel of these images is 64 bytes.</summary>
[Collection("workers")]
public sealed class CopyElisionTests
{
    private const int Side = 4;

    private static readonly AttributeProto Channels = new("axis", 1L);

    private static Tensor Image(int channels, int batch = 1) =>
        Tensor.From([.. Enumerable.Range(0, batch * channels * Side * Side).Select(i => i % 23 - 11.5f)], [batch, channels, Side, Side]);

    private static ModelBuilder Model(int channels, int batch = 1) => new ModelBuilder().Input("x", DType.Float32, batch, channels, Side, Side);

    private static ModelBuilder Split(ModelBuilder model, string from, params string[] to) => model.Node("Split", [from], to, Channels);

    private static ModelBuilder Concat(ModelBuilder model, string to, params string[] from) => model.Node("Concat", from, [to], Channels);

    private static ModelBuilder Slice(ModelBuilder model, string from, string to, long start, long end) => model
        .Constant($"{to}.start", Tensor.From([start], [1])).Constant($"{to}.end", Tensor.From([end], [1])).Constant($"{to}.axis", Tensor.From([1L], [1]))
        .Node("Slice", [from, $"{to}.start", $"{to}.end", $"{to}.axis"], [to]);

    /// <summary>Runs a model in all modes and checks; returns the steps that copy, by operator and number of copies left, and the outputs.</summary>
    private static (string Copies, float[][] Outputs) Run(ModelBuilder model, Tensor image, int outputs = 1)
    {
        float[][]? expected = null;
        string copies = "";
        foreach ((ScheduleMode mode, int threads, ArenaCheck check) in Ways())
        {
            using var session = new InferenceSession(model.Build(), new SessionOptions { Threads = threads, Mode = mode, ArenaCheck = check });
            var inputs = new Dictionary<string, Datum> { ["x"] = image };
            for (int run = 0; run < 2; run++)
            {
                using RunResult result = session.Run(inputs);
                float[][] got = [.. Enumerable.Range(0, outputs).Select(i => ((Tensor)result[i].Value).Span<float>().ToArray())];
                expected ??= got;
                Assert.Equal(expected, got);
            }
            ExecutionPlan plan = session.PlanFor(inputs);
            copies = string.Join(' ', plan.Steps.Select(Describe).Where(s => s.Length > 0));
        }
        return (copies, expected!);

        static string Describe(Step step) => step is KernelStep { Kernel: CopyKernel kernel } ? $"{step.Node.Op.Name}:{kernel.Parts.Length}" : step is CopyStep ? "output" : "";
    }

    private static IEnumerable<(ScheduleMode Mode, int Threads, ArenaCheck Check)> Ways() =>
    [
        (ScheduleMode.Sequential, 1, ArenaCheck.Poisoned), (ScheduleMode.Sequential, 2, ArenaCheck.Guarded), (ScheduleMode.Layered, 3, ArenaCheck.Poisoned),
        (ScheduleMode.Parallel, 2, ArenaCheck.Guarded), (ScheduleMode.Parallel, 8, ArenaCheck.Poisoned), (ScheduleMode.Auto, 5, ArenaCheck.None),
    ];

    [Fact]
    public void What_is_put_together_is_computed_in_its_place()
    {
        ModelBuilder model = Model(2).Node("Neg", ["x"], ["a"]).Node("Abs", ["x"], ["b"]);
        Concat(model, "c", "a", "b").Node("Neg", ["c"], ["y"]).Output("y");
        (string copies, float[][] outputs) = Run(model, Image(2));
        Assert.Empty(copies);
        float[] x = Image(2).Span<float>().ToArray();
        Assert.Equal([.. x, .. x.Select(v => -Math.Abs(v))], outputs[0]);
    }

    [Fact]
    public void Values_in_their_place_may_have_other_readers_and_the_whole_may_be_handed_out()
    {
        ModelBuilder model = Model(2).Node("Neg", ["x"], ["a"]).Node("Abs", ["x"], ["b"]).Node("Add", ["a", "b"], ["sum"]);
        Concat(model, "c", "a", "b").Output("c").Output("sum");
        (string copies, float[][] outputs) = Run(model, Image(2), outputs: 2);
        Assert.Empty(copies);
        float[] x = Image(2).Span<float>().ToArray();
        Assert.Equal([.. x.Select(v => -v), .. x.Select(Math.Abs)], outputs[0]);
        Assert.Equal([.. x.Select(v => -v + Math.Abs(v))], outputs[1]);
    }

    [Fact]
    public void Concats_of_concats_nest()
    {
        ModelBuilder model = Model(1).Node("Neg", ["x"], ["a"]).Node("Abs", ["x"], ["b"]).Node("Exp", ["x"], ["e"]);
        Concat(model, "ab", "a", "b");
        Concat(model, "eab", "e", "ab").Node("Neg", ["eab"], ["y"]).Node("Neg", ["ab"], ["z"]).Output("y").Output("z");
        (string copies, float[][] outputs) = Run(model, Image(1), outputs: 2);
        Assert.Empty(copies);
        Assert.Equal(outputs[1], outputs[0][(Side * Side)..]);
    }

    [Fact]
    public void Parts_are_shown_where_they_lie_and_go_back_to_their_place()
    {
        // As in the blocks of YOLOv8: halves, one of them worked on, put together again with what came of it.
        ModelBuilder model = Model(4).Node("Neg", ["x"], ["n"]);
        Split(model, "n", "a", "b").Node("Exp", ["b"], ["e"]);
        Concat(model, "c", "a", "b", "e").Node("Neg", ["c"], ["y"]).Output("y");
        (string copies, float[][] outputs) = Run(model, Image(4));
        Assert.Empty(copies);
        Assert.Equal(Image(4).Span<float>().ToArray(), outputs[0][..(4 * Side * Side)]);
    }

    [Fact]
    public void Parts_that_change_places_are_copied()
    {
        ModelBuilder model = Model(4).Node("Neg", ["x"], ["n"]);
        Split(model, "n", "a", "b");
        Concat(model, "c", "b", "a").Node("Neg", ["c"], ["y"]).Output("y");
        (string copies, float[][] outputs) = Run(model, Image(4));
        Assert.Equal("Concat:2", copies);
        float[] x = Image(4).Span<float>().ToArray();
        Assert.Equal([.. x[(2 * Side * Side)..], .. x[..(2 * Side * Side)]], outputs[0]);
    }

    [Fact]
    public void A_part_of_a_part_under_another_shape_is_shown()
    {
        ModelBuilder model = Model(8).Node("Neg", ["x"], ["n"]);
        Split(model, "n", "a", "b").Constant("shape", Tensor.From([1L, 8, 2, 4], [4])).Node("Reshape", ["b", "shape"], ["r"]);
        Slice(model, "r", "s", 3, 5).Node("Neg", ["s"], ["y"]).Node("Neg", ["a"], ["z"]).Output("y").Output("z");
        (string copies, float[][] outputs) = Run(model, Image(8), outputs: 2);
        Assert.Empty(copies);
        float[] x = Image(8).Span<float>().ToArray();
        Assert.Equal(x[(4 * 16 + 3 * 8)..(4 * 16 + 5 * 8)], outputs[0]);
        Assert.Equal(x[..(4 * 16)], outputs[1]);
    }

    [Fact]
    public void Parts_of_inputs_are_shown_and_parts_that_are_handed_out_are_copied()
    {
        ModelBuilder model = Model(4);
        Split(model, "x", "a", "b").Node("Neg", ["a"], ["y"]).Output("y").Output("b");
        (string copies, float[][] outputs) = Run(model, Image(4), outputs: 2);
        Assert.Equal("Split:1", copies);
        float[] x = Image(4).Span<float>().ToArray();
        Assert.Equal([.. x[..(2 * 16)].Select(v => -v)], outputs[0]);
        Assert.Equal(x[(2 * 16)..], outputs[1]);
    }

    [Fact]
    public void What_cannot_be_moved_is_copied_beside_what_can()
    {
        // The input of the run, a value that stands there twice, and one that is handed out.
        ModelBuilder model = Model(2).Node("Neg", ["x"], ["a"]).Node("Abs", ["x"], ["b"]);
        Concat(model, "c", "x", "a", "a", "b").Node("Neg", ["c"], ["y"]).Output("y").Output("b");
        (string copies, float[][] outputs) = Run(model, Image(2), outputs: 2);
        Assert.Equal("Concat:3", copies);
        float[] x = Image(2).Span<float>().ToArray();
        Assert.Equal([.. x.Select(v => -v), .. x, .. x, .. x.Select(v => -Math.Abs(v))], outputs[0]);
    }

    [Fact]
    public void Pieces_that_are_not_contiguous_are_copied()
    {
        ModelBuilder model = Model(2, batch: 2).Node("Neg", ["x"], ["a"]).Node("Abs", ["x"], ["b"]);
        Concat(model, "c", "a", "b");
        Split(model, "c", "d", "e").Node("Add", ["d", "e"], ["y"]).Output("y");
        (string copies, _) = Run(model, Image(2, batch: 2));
        Assert.Equal("Concat:2 Split:2", copies);
    }

    [Fact]
    public void Steps_on_whole_data_and_bodies_read_parts()
    {
        ModelBuilder model = Model(4).Node("Neg", ["x"], ["n"]);
        Split(model, "n", "a", "b").Node("NonZero", ["b"], ["places"]).Node("Cast", ["places"], ["y"], new AttributeProto("to", 1L))
            .Constant("yes", Tensor.From([true], []))
            .Node("ReduceMax", ["n"], ["most"], new AttributeProto("keepdims", 0L)).Constant("zero", Tensor.From([0f], [])).Node("Greater", ["most", "zero"], ["is"])
            .Node("If", ["is"], ["z"], new AttributeProto("then_branch", new ModelBuilder().Node("Abs", ["b"], ["t"]).Output("t").Graph()),
                new AttributeProto("else_branch", new ModelBuilder().Node("Neg", ["b"], ["e"]).Output("e").Graph()))
            .Node("Neg", ["a"], ["w"]).Output("y").Output("z").Output("w");
        (string copies, float[][] outputs) = Run(model, Image(4), outputs: 3);
        Assert.Empty(copies);
        float[] x = Image(4).Span<float>().ToArray();
        Assert.Equal([.. x[(2 * 16)..].Select(Math.Abs)], outputs[1]);
        Assert.Equal(x[..(2 * 16)], outputs[2]);
    }

    [Fact]
    public void A_copy_stays_where_the_arena_would_grow_without_it()
    {
        // Between the first piece and the others lies what needs much memory.
        ModelBuilder model = Model(1).Node("Neg", ["x"], ["early"]).Constant("by", Tensor.From([1L, 64, 1, 1], [4]));
        model.Node("Tile", ["early", "by"], ["wide"]).Node("Exp", ["wide"], ["p"]).Node("Abs", ["wide"], ["q"]).Node("Mul", ["p", "q"], ["m"]);
        Concat(model.Node("Sqrt", ["m"], ["late"]), "c", "early", "late").Node("Neg", ["c"], ["y"]).Output("y");
        (string copies, _) = Run(model, Image(1));
        Assert.Equal("Tile:1 Concat:1", copies);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public void Random_networks_of_cuts_and_joins_give_what_a_plain_evaluation_gives(int seed)
    {
        for (int i = 0; i < 5; i++) new RandomNetwork(seed * 100 + i).Check();
    }

    /// <summary>A network of elementwise operators, cuts and joins, and what it gives, evaluated plainly.</summary>
    private sealed class RandomNetwork
    {
        private readonly Random random;
        private readonly ModelBuilder model;
        private readonly List<(string Name, float[] Data)> values = [], outputs = [];
        private readonly Tensor image;

        internal RandomNetwork(int seed)
        {
            random = new Random(seed);
            image = Image(random.Next(1, 7));
            model = Model((int)image.Dims[1]);
            values.Add(("x", image.Span<float>().ToArray()));
            for (int i = 0; i < 25; i++) AddNode($"v{i}");
            foreach ((string Name, float[] Data) value in values.Where(v => v.Name != "x" && random.Next(6) == 0).Append(values[^1]).DistinctBy(v => v.Name)) AddOutput(value);
        }

        internal void Check()
        {
            float[][] got = Run(model, image, outputs.Count).Outputs;
            for (int i = 0; i < got.Length; i++) Assert.Equal(outputs[i].Data, got[i]);
        }

        private void AddOutput((string Name, float[] Data) value)
        {
            model.Output(value.Name);
            outputs.Add(value);
        }

        private (string Name, float[] Data) Any() => values[random.Next(4) == 0 ? random.Next(values.Count) : random.Next(Math.Max(0, values.Count - 5), values.Count)];

        private void AddNode(string name)
        {
            (string from, float[] data) = Any();
            int channels = data.Length / (Side * Side), cut = random.Next(1, Math.Max(2, channels)) * Side * Side;
            switch (random.Next(6))
            {
                case 0 or 1:
                    model.Node("Neg", [from], [name]);
                    values.Add((name, [.. data.Select(v => -v)]));
                    break;
                case 2 when values.LastOrDefault(v => v.Name != from && v.Data.Length == data.Length) is { Name: { } other, Data: { } more }:
                    model.Node("Add", [from, other], [name]);
                    values.Add((name, [.. data.Zip(more, (a, b) => a + b)]));
                    break;
                case 3 when channels > 1:
                    model.Constant($"{name}.split", Tensor.From([cut / 16L, channels - cut / 16L], [2])).Node("Split", [from, $"{name}.split"], [$"{name}a", $"{name}b"], Channels);
                    values.Add(($"{name}a", data[..cut]));
                    values.Add(($"{name}b", data[cut..]));
                    break;
                case 4 when channels > 1:
                    Slice(model, from, name, channels - cut / 16, channels);
                    values.Add((name, data[^cut..]));
                    break;
                default:
                    (string Name, float[] Data)[] pieces = [.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => Any()).Prepend((from, data))];
                    if (pieces.Sum(p => p.Data.Length) > 64 * Side * Side) return;
                    Concat(model, name, [.. pieces.Select(p => p.Name)]);
                    values.Add((name, [.. pieces.SelectMany(p => p.Data)]));
                    break;
            }
        }
    }
}
