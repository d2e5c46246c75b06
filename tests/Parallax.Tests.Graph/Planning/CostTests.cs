using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Planning;
using Xunit;

namespace Parallax.Tests.Planning;

public class CostTests
{
    private static readonly CostModel Model = CostModel.Default;

    private static StepWork Work(Op op, params long[][] inputs)
    {
        var builder = new GraphBuilder("one");
        ValueId[] ids = [.. inputs.Select((dims, i) => i == 0
            ? builder.Input("x", new TensorFact(DType.Float32, Shape.Of(dims)))
            : builder.Constant($"c{i}", Tensor.Zeros(DType.Float32, dims)))];
        builder.Output("y", builder.Add("node", op, ids.AsSpan()));
        Graph graph = builder.Build();
        return StepWork.Of(graph, graph.Nodes.Single());
    }

    private static SpatialWindow Window(params ImmutableArray<long> kernel) => new(kernel, [], [], []);

    [Fact]
    public void Shapes_decide_the_class_of_products_and_convolutions()
    {
        Assert.Equal(OpClass.Dense, Work(new MatMul(), [64, 32], [32, 16]).Class);
        Assert.Equal(OpClass.FewRows, Work(new MatMul(), [1, 32], [32, 16]).Class);
        Assert.Equal(OpClass.FewRows, Work(new MatMul(), [32], [32, 16]).Class);
        Assert.Equal(OpClass.Dense, Work(new MatMul(), [16, 1, 32], [32, 16]).Class);
        Assert.Equal(OpClass.FewRows, Work(new MatMul(), [16, 1, 32], [16, 32, 16]).Class);
        Assert.Equal(OpClass.FewRows, Work(new Gemm(TransposeA: true), [32, 4], [32, 16]).Class);
        Assert.Equal(OpClass.Convolution, Work(new Conv(Window(3, 3)), [1, 8, 9, 9], [8, 8, 3, 3]).Class);
        Assert.Equal(OpClass.Dense, Work(new Conv(Window(1, 1)), [1, 8, 9, 9], [8, 8, 1, 1]).Class);
        Assert.Equal(OpClass.Depthwise, Work(new Conv(Window(3, 3), Groups: 8), [1, 8, 9, 9], [8, 1, 3, 3]).Class);
        Assert.Equal(OpClass.Transcendental, Work(new Unary(UnaryFunction.Gelu), [8]).Class);
        Assert.Equal(OpClass.Elementwise, Work(new Unary(UnaryFunction.Relu), [8]).Class);
        Assert.Equal(OpClass.Rearrangement, Work(new Transpose(), [8, 4]).Class);
    }

    [Fact]
    public void Constants_are_cold_and_activations_count()
    {
        StepWork work = Work(new MatMul { Activation = Activation.GeluErf }, [64, 32], [32, 16]);
        Assert.Equal((64L * 32 * 16, 4L * (64 * 32 + 32 * 16 + 64 * 16), 4L * 32 * 16, 64L * 16), (work.Macs, work.Bytes, work.ColdBytes, work.EpilogueResults));
        Assert.True(Model.PredictUs(work) > Model.PredictUs(work with { EpilogueResults = 0 }));
        var reading = new StepWork(OpClass.FewRows, 1, 1 << 20);
        Assert.True(Model.PredictUs(reading with { ColdBytes = 1 << 20 }) > 2 * Model.PredictUs(reading));
    }

    [Fact]
    public void Measured_speedups_are_used_and_continued()
    {
        var rate = new ClassRate(1e6, 0.5, [1, 1.8, 1.7]);
        Assert.Equal(1.8, rate.SpeedupOf(2));
        Assert.Equal(1.7, rate.SpeedupOf(3));
        Assert.True(rate.SpeedupOf(64) is > 1.7 and < 3.4);
        Assert.Equal(1 / (0.5 + 0.5 / 4), new ClassRate(1e6, 0.5).SpeedupOf(4), 9);
        Assert.Equal(1, new ClassRate(1e6, 0.5, [1, 0.7]).SpeedupOf(2));
    }

    [Fact]
    public void A_kernel_of_few_blocks_does_not_speed_up_beyond_them()
    {
        var work = new StepWork(OpClass.Dense, 1_000_000_000, 0);
        double alone = Model.PredictUs(work);
        Assert.Equal(alone, Model.PredictUs(work, 8, new KernelFacts(null, 1)), 6);
        Assert.True(Model.PredictUs(work, 2, new KernelFacts(null, 3)) >= alone * 2 / 3);
        Assert.True(Model.PredictUs(work, 8) < alone / 4);
        Assert.Equal(Model.PredictUs(new StepWork(OpClass.Dense, 100_000, 0)), Model.PredictUs(new StepWork(OpClass.Dense, 100_000, 0), 8), 6); // one block at most
    }

    [Fact]
    public void A_step_on_an_accelerator_computes_or_moves_and_a_profile_says_what_synchronization_costs()
    {
        var model = new AcceleratorModel("toy", 50, 1e9, 1e10, Sync: new SyncCosts(20, 3, 5), Units: 4);
        Assert.Equal(1000, model.StepUs(new StepWork(OpClass.Dense, 1_000_000, 100)), 6);
        Assert.Equal(100, model.StepUs(new StepWork(OpClass.Elementwise, 10_000, 1_000_000)), 6);
        Assert.Equal(0, model.StepUs(new StepWork(OpClass.View, 0, 1_000_000)));
        AcceleratorModel shared = model with { BytesPerSecond = 1e15, MemoryBytesPerSecond = 5e9 }; // nothing is transferred, but memory is not free
        Assert.Equal(200, shared.StepUs(new StepWork(OpClass.Elementwise, 10_000, 1_000_000)), 6);
        Assert.Equal(50 + 200, shared.PredictUs([(new StepWork(OpClass.Elementwise, 10_000, 1_000_000), default)], 1_000), 3);
        Assert.NotNull((model with { MemoryBytesPerSecond = 0 }).Fault());

        string json = new DeviceProfile("this", 2, Model, [model]).ToJson();
        Assert.Equal((model.Sync, 4), (DeviceProfile.FromJson(json).Accelerators[0].Sync, DeviceProfile.FromJson(json).Accelerators[0].Units));
        AcceleratorModel old = DeviceProfile.FromJson(json.Replace("\"sync\"", "\"other\"").Replace("\"units\"", "\"others\"")).Accelerators[0];
        Assert.Equal((null, 1), (old.Sync, old.Units));
        foreach (string bad in (string[])[json.Replace("\"toDeviceUs\": 3", "\"toDeviceUs\": -3"), json.Replace("\"dispatchUs\": 20", "\"dispatchUs\": \"NaN\""), json.Replace("\"units\": 4", "\"units\": 0")])
            Assert.Contains("toy", Assert.Throws<InvalidInputException>(() => DeviceProfile.FromJson(bad)).Message);
    }

    [Fact]
    public void Bad_profiles_are_refused_in_one_line()
    {
        var profile = new DeviceProfile("this", 2, Model, []);
        string json = profile.ToJson();
        Assert.Equal(json, DeviceProfile.FromJson(json).ToJson());
        foreach (string bad in (string[])
            [
                "", "nonsense", "[]", "null", "{}", $"{{\"machine\":\"this\",\"version\":{DeviceProfile.CurrentVersion}}}", json[..^20], json.Replace("\"Dense\"", "\"Dence\""), json.Replace("\"memory\"", "\"memmory\""),
                Saying(Model with { ForkUs = double.NaN }), Saying(Model with { StepOverheadUs = -1 }), Saying(Model with { Memory = new ClassRate(0, 0.5) }),
                Saying(Model with { Rates = Model.Rates.SetItem(OpClass.Softmax, new ClassRate(1e9, 0.5, [1, double.PositiveInfinity])) }),
                Saying(Model with { Rates = Model.Rates.SetItem(OpClass.Softmax, null!) }),
            ])
        {
            var error = Assert.Throws<InvalidInputException>(() => DeviceProfile.FromJson(bad));
            Assert.DoesNotContain('\n', error.Message);
        }
        Assert.Equal(Model.Rates[OpClass.Softmax], DeviceProfile.FromJson(Saying(Model with { Rates = Model.Rates.Remove(OpClass.Softmax) })).Cpu.Rate(OpClass.Softmax));

        static string Saying(CostModel model) => new DeviceProfile("this", 2, model, []).ToJson();
    }
}
