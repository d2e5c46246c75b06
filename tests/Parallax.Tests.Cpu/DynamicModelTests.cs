using Parallax.Suite;
using Parallax.Onnx;
using Parallax.Planning;
using Parallax.Runtime;
using Xunit;
using static Parallax.Tests.Cpu.ToyModel;

namespace Parallax.Tests.Cpu;

/// <summary>
/// Values whose shape is known only while a run goes on: what they are made of, how long they live, and how many plans shapes may cost. Runs alone: the memory of
/// the process is that of all tests under way.
/// </summary>
[Collection(nameof(DynamicModelTests))]
[CollectionDefinition(nameof(DynamicModelTests), DisableParallelization = true)]
public sealed class DynamicModelTests
{
    /// <summary>Two inputs whose sizes change apart from each other, values of static and of dynamic size, and a loop whose carried value grows.</summary>
    private static GraphProto Growing()
    {
        GraphProto body = Graph([Value("i", DType.Int64), Value("go", DType.Bool), Value("v", DType.Float32, "n")], "go2,w",
            Node("Identity", "go", "go2"), Node("Concat", "v,k", "w", new AttributeProto("axis", 0L)));
        return Graph([Value("x", DType.Float32, "a", "b"), Value("z", DType.Float32, "c")], "y,found",
            Constant("three", Tensor.Scalar(3L)), Constant("minus", Tensor.From([-1L], [1])),
            Node("Relu", "x", "r"), Node("NonZero", "r", "where"), Node("Transpose", "where", "found"),
            Node("Reshape", "x,minus", "flat"), Node("Exp", "z", "k"),
            Node("Loop", "three,,flat", "y", new AttributeProto("body", body)));
    }

    private static Dictionary<string, Datum> Inputs(int rows, int columns, int size) => new() { ["x"] = Ramp(rows, columns), ["z"] = Ramp(size) };

    private static Tensor Ramp(params long[] dims)
    {
        Tensor tensor = Tensor.Allocate(DType.Float32, dims);
        Span<float> values = tensor.Span<float>();
        for (int i = 0; i < values.Length; i++) values[i] = i % 7 - 3;
        return tensor;
    }

    private static void CheckGrowing(InferenceSession session, int rows, int columns, int size)
    {
        Dictionary<string, Datum> inputs = Inputs(rows, columns, size);
        using RunResult result = session.Run(inputs);
        float[] x = ((Tensor)inputs["x"]).Span<float>().ToArray(), grown = result["y"].Span<float>().ToArray();
        float[] k = Array.ConvertAll(((Tensor)inputs["z"]).Span<float>().ToArray(), MathF.Exp);
        Assert.Equal(x.Length + 3 * size, grown.Length);
        Assert.Equal(x, grown[..x.Length]);
        for (int i = 0; i < 3 * size; i++) Assert.Equal(k[i % size], grown[x.Length + i], 1e-4f);
        Assert.Equal([x.Count(v => v > 0), 2], result["found"].Dims.ToArray());
    }

    [Fact]
    public void Two_hundred_shapes_cost_a_bounded_number_of_plans_and_no_more_memory()
    {
        using InferenceSession session = Load(Growing());
        var random = new Random(5);
        long half = 0;
        for (int run = 0; run < 200; run++)
        {
            CheckGrowing(session, random.Next(1, 600), random.Next(1, 600), random.Next(1, 2000));
            if (run == 99) half = ProcessMemory.ResidentBytes();
        }
        Assert.InRange(session.PlanCount, 1, CompiledGraph.MaxPlans);
        Assert.InRange(ProcessMemory.ResidentBytes() - half, long.MinValue, 48 << 20);
    }

    /// <summary>One value as an output, under another name, as a view, in a sequence, and read by a later step: each holds bytes of its own, and keeps them.</summary>
    [Fact]
    public void Outputs_of_unknown_size_share_nothing_and_are_kept()
    {
        using InferenceSession session = Load(Graph([Value("x", DType.Float32, "a")], "y,same,flat,list,more",
            Constant("minus", Tensor.From([-1L], [1])),
            Node("NonZero", "x", "where"), Node("Add", "where,where", "y"), Node("Identity", "y", "same"), Node("Reshape", "y,minus", "flat"),
            Node("SequenceConstruct", "y", "list"), Node("Add", "y,minus", "more")));
        var places = new HashSet<nint>();
        RunResult? kept = null;
        for (int run = 0; run < 6; run++)
        {
            int zeros = run;
            Tensor x = Tensor.Zeros(DType.Float32, [3000]);
            x.Span<float>()[zeros..].Fill(1);
            RunResult result = session.Run(new() { ["x"] = x });
            places.Add(result["y"].Address);
            Tensor[] all = [result["y"], result["same"], result["flat"], (Tensor)((TensorSequence)result.Datum("list")).Items[0]];
            Assert.Equal([1, 3000 - zeros], all[1].Dims.ToArray());
            for (int i = 0; i < all.Length; i++)
            {
                Assert.Equal(Enumerable.Range(zeros, 3000 - zeros).Select(v => 2L * v), all[i].Span<long>().ToArray());
                all[i].Span<long>().Fill(-1);
            }
            Assert.Equal(2L * zeros - 1, result["more"].Span<long>()[0]);
            if (run == 0) kept = result;
            else result.Dispose();
        }
        Assert.All(new[] { kept!["y"], kept["same"], kept["flat"] }, t => Assert.Equal(-1, t.Span<long>().IndexOfAnyExcept(-1)));
        Assert.InRange(places.Count, 2, 5); // the kept one, and what the outputs of a disposed result had
        kept.Dispose();
    }

    [Fact]
    public void Values_of_unknown_size_count_against_the_budget()
    {
        const long Budget = 256 << 10;
        using InferenceSession session = Load(Growing(), options: new SessionOptions { MemoryBudgetBytes = Budget });
        CheckGrowing(session, 20, 30, 100);
        for (int run = 0; run < 3; run++)
        {
            // The value that the loop grows takes half a megabyte by itself.
            MemoryBudgetException error = Assert.Throws<MemoryBudgetException>(() => session.Run(Inputs(20, 30, 40_000)));
            Assert.Equal(Budget, error.BudgetBytes);
            Assert.True(error.NeededBytes > Budget);
            CheckGrowing(session, 20, 30, 100);
        }
        using InferenceSession roomy = Load(Growing(), options: new SessionOptions { MemoryBudgetBytes = 16 << 20 });
        CheckGrowing(roomy, 20, 30, 40_000);
    }

    [Fact]
    public void Callers_wait_for_each_others_values_of_unknown_size()
    {
        // Each of the runs needs more than half of it.
        using (InferenceSession half = Load(Growing(), options: new SessionOptions { Threads = 2, MemoryBudgetBytes = 1 << 20 }))
            Assert.Throws<MemoryBudgetException>(() => half.Run(Inputs(20, 30, 40_000)));
        using InferenceSession session = Load(Growing(), options: new SessionOptions { Threads = 2, MemoryBudgetBytes = 2 << 20 });
        Parallel.For(0, 16, new ParallelOptions { MaxDegreeOfParallelism = 16 }, caller =>
        {
            for (int run = 0; run < 5; run++) CheckGrowing(session, 20, 30, 40_000 + caller);
        });
    }

    /// <summary>Dims of different ranks cannot share a plan: the oldest plans go, and come again when they are needed.</summary>
    [Fact]
    public void Plans_of_many_ranks_are_dropped_and_made_again()
    {
        using InferenceSession session = Load(Graph([Unshaped("a", DType.Float32), Unshaped("b", DType.Float32)], "y,z", Node("Neg", "a", "y"), Node("Abs", "b", "z")));
        for (int pass = 0; pass < 2; pass++)
            for (int a = 1; a <= 7; a++)
                for (int b = 1; b <= 7; b++)
                {
                    long[] first = [.. Enumerable.Repeat(2L, a - 1), a], second = [.. Enumerable.Repeat(1L, b - 1), b + pass];
                    using RunResult result = session.Run(new() { ["a"] = Ramp(first), ["b"] = Ramp(second) });
                    Assert.Equal(Ramp(first).Span<float>().ToArray().Select(v => -v), result["y"].Span<float>().ToArray());
                    Assert.Equal(Ramp(second).Span<float>().ToArray().Select(Math.Abs), result["z"].Span<float>().ToArray());
                }
        Assert.Equal(CompiledGraph.MaxPlans, session.PlanCount);
    }

    [Fact]
    public async Task Plans_that_are_in_use_are_not_freed_under_their_callers()
    {
        using InferenceSession session = Load(Graph([Unshaped("a", DType.Float32), Unshaped("b", DType.Float32)], "y", Node("Neg", "a", "n"), Node("Exp", "b", "e"), Node("Concat", "n,e", "y", new AttributeProto("axis", 0L))));
        await Task.WhenAll(Enumerable.Range(0, 8).Select(caller => Task.Run(() =>
        {
            var random = new Random(caller);
            for (int run = 0; run < 60; run++)
            {
                long[] dims = [.. Enumerable.Range(0, random.Next(1, 7)).Select(_ => (long)random.Next(1, 4))], tail = [random.Next(1, 40), .. dims[1..]];
                Tensor a = Ramp(dims), b = Ramp(tail);
                using RunResult result = session.Run(new() { ["a"] = a, ["b"] = b });
                Assert.Equal(dims[0] + tail[0], result["y"].Dims[0]);
                Assert.Equal(a.Span<float>().ToArray().Select(v => -v), result["y"].Span<float>()[..(int)a.ElementCount].ToArray());
            }
        })));
    }

    /// <summary>A body whose declared shapes are wrong: what it computes counts, and a shape that cannot be is an error that names the node.</summary>
    [Theory]
    [InlineData("n", "m")]
    [InlineData("4", "4")]
    [InlineData("4", "5")]
    [InlineData("2", "2")]
    public void A_body_that_lies_about_its_shapes_gives_the_truth_or_an_error(string before, string after)
    {
        GraphProto body = new()
        {
            Name = "liar",
            Inputs = [Value("i", DType.Int64), Value("go", DType.Bool), Value("v", DType.Float32, Dim(before))],
            Outputs = [Value("go2", DType.Bool), Value("w", DType.Float32, Dim(after)), Value("part", DType.Float32, Dim(before))],
            Nodes = [Node("Identity", "go", "go2"), Node("Concat", "v,one", "w", new AttributeProto("axis", 0L)), Node("ReduceSum", "w,zero", "part", new AttributeProto("keepdims", 1L))],
        };
        GraphProto graph = Graph([Value("x", DType.Float32, 4), Value("m", DType.Int64)], "y,parts", Constant("one", Tensor.From([1f], [1])), Constant("zero", Tensor.From([0L], [1])),
            Node("Loop", "m,,x", "y,parts", new AttributeProto("body", body)));
        try
        {
            using InferenceSession session = Load(graph);
            for (long trips = 1; trips < 20; trips++)
            {
                using RunResult result = session.Run(new() { ["x"] = Tensor.From([1f, 2, 3, 4], [4]), ["m"] = Tensor.Scalar(trips) });
                Assert.Equal([1f, 2, 3, 4, .. Enumerable.Repeat(1f, (int)trips)], result["y"].Span<float>().ToArray());
                Assert.Equal(Enumerable.Range(1, (int)trips).Select(t => 10f + t), result["parts"].Span<float>().ToArray());
            }
        }
        catch (InvalidModelException e)
        {
            Assert.NotEqual("n", before); // a symbol is no lie
            Assert.Contains("Loop", e.Message);
        }

        static DimensionProto Dim(string text) => long.TryParse(text, out long number) ? number : text;
    }

    /// <summary>Views of planned bytes under shapes that come from data must not be overwritten when the plan thinks that the bytes are free.</summary>
    [Fact]
    public void Dynamic_views_outlive_the_bytes_that_they_were_taken_of()
    {
        List<NodeProto> nodes = [Node("Exp", "x", "e"), Node("Reshape", "e,s", "view"), Node("Neg", "x", "n0")];
        for (int i = 0; i < 6; i++) nodes.Add(Node(i % 2 == 0 ? "Abs" : "Neg", $"n{i}", $"n{i + 1}"));
        nodes.AddRange([Constant("minus", Tensor.From([-1L], [1])), Node("Reshape", "n6,minus", "late"), Node("Reshape", "view,minus", "flat"), Node("Add", "flat,late", "y")]);
        GraphProto graph = Graph([Value("x", DType.Float32, 4096), Value("s", DType.Int64, 2)], "y", [.. nodes]);
        foreach (ScheduleMode mode in new[] { ScheduleMode.Sequential, ScheduleMode.Parallel })
        {
            using var session = new InferenceSession(Importer.Import(new ModelProto { IrVersion = 10, OpsetImport = [new("", 21)], Graph = graph }), new SessionOptions { Threads = 2, Mode = mode });
            foreach (long rows in new long[] { 2, 64, 4096 })
            {
                Tensor x = Ramp(4096);
                using RunResult result = session.Run(new() { ["x"] = x, ["s"] = Tensor.From([rows, 4096 / rows], [2]) });
                float[] y = result["y"].Span<float>().ToArray();
                for (int i = 0; i < y.Length; i++) Assert.Equal(MathF.Exp(x.Span<float>()[i]) - MathF.Abs(x.Span<float>()[i]), y[i], 1e-4f);
            }
        }
    }

    [Fact]
    public void Values_that_a_loop_passes_on_are_not_the_callers_own_when_they_come_out()
    {
        GraphProto body = Graph([Value("i", DType.Int64), Value("go", DType.Bool), Value("a", DType.Float32, 3), Value("b", DType.Float32, 3)], "go2,b2,a2",
            Node("Identity", "go", "go2"), Node("Identity", "b", "b2"), Node("Identity", "a", "a2"));
        using InferenceSession session = Load(Graph([Value("m", DType.Int64), Value("x", DType.Float32, 3), Value("z", DType.Float32, 3)], "y,w",
            Node("Loop", "m,,x,z", "y,w", new AttributeProto("body", body))));
        Tensor x = Tensor.From([1f, 2, 3], [3]), z = Tensor.From([4f, 5, 6], [3]);
        for (long trips = 0; trips < 4; trips++)
        {
            RunResult result = session.Run(new() { ["m"] = Tensor.Scalar(trips), ["x"] = x, ["z"] = z });
            Assert.Equal(trips % 2 == 0 ? [1f, 2, 3] : [4f, 5, 6], result["y"].Span<float>().ToArray());
            Assert.Equal(trips % 2 == 0 ? [4f, 5, 6] : [1f, 2, 3], result["w"].Span<float>().ToArray());
            result["y"].Span<float>().Fill(-1);
            result["w"].Span<float>().Fill(-1);
            result.Dispose();
        }
        Assert.Equal([1f, 2, 3], x.Span<float>().ToArray());
        Assert.Equal([4f, 5, 6], z.Span<float>().ToArray());
    }

    /// <summary>The body fails in the iteration that the input names; runs before and after are right.</summary>
    [Fact]
    public void A_failure_in_the_middle_of_a_loop_leaves_the_session_usable()
    {
        GraphProto body = Graph([Value("i", DType.Int64), Value("go", DType.Bool), Value("v", DType.Float32, "n")], "go2,w",
            Node("Identity", "go", "go2"), Node("Equal", "i,bad", "isBad"), Node("Cast", "isBad", "extra", new AttributeProto("to", (long)DType.Int64)),
            Node("Concat", "v,one", "longer", new AttributeProto("axis", 0L)), Node("Shape", "longer", "size"), Node("Add", "size,extra", "wanted"), Node("Reshape", "longer,wanted", "w"));
        using InferenceSession session = Load(Graph([Value("x", DType.Float32, "n"), Value("bad", DType.Int64, 1)], "y",
            Constant("ten", Tensor.Scalar(10L)), Constant("one", Tensor.From([1f], [1])), Node("Loop", "ten,,x", "y", new AttributeProto("body", body))));
        for (long bad = 0; bad < 12; bad++)
        {
            Dictionary<string, Datum> inputs = new() { ["x"] = Ramp(5), ["bad"] = Tensor.From([bad], [1]) };
            if (bad < 10)
            {
                Assert.ThrowsAny<ParallaxException>(() => session.Run(inputs));
                continue;
            }
            using RunResult result = session.Run(inputs);
            Assert.Equal([.. Ramp(5).Span<float>(), .. Enumerable.Repeat(1f, 10)], result["y"].Span<float>().ToArray());
        }
    }

    [Theory]
    [InlineData(ScheduleMode.Sequential, 1)]
    [InlineData(ScheduleMode.Parallel, 2)]
    [InlineData(ScheduleMode.Layered, 3)]
    [InlineData(ScheduleMode.Auto, 4)]
    public async Task Eight_callers_with_shapes_of_their_own_share_a_session(ScheduleMode mode, int threads)
    {
        using var session = new InferenceSession(Importer.Import(new ModelProto { IrVersion = 10, OpsetImport = [new("", 21)], Graph = Growing() }), new SessionOptions { Threads = threads, Mode = mode });
        await Task.WhenAll(Enumerable.Range(0, 8).Select(caller => Task.Run(() =>
        {
            var random = new Random(caller);
            for (int run = 0; run < 12; run++) CheckGrowing(session, random.Next(1, 40), random.Next(1, 40), random.Next(1, 100));
        })));
    }
}
