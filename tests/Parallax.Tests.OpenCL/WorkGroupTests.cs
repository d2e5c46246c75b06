using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.OpenCL;
using Parallax.OpenCL.Bindings;
using Parallax.OpenCL.Calls;
using Parallax.OpenCL.Regions;
using Parallax.Planning;
using Parallax.Runtime;
using Parallax.Runtime.Execution;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.OpenCL;

/// <summary>Sizes of work-groups from a table: where it is taken, and that it changes no result.</summary>
public class WorkGroupTests
{
    private static SpatialWindow Window(long kernel, long stride, long pad) => new([kernel, kernel], [stride, stride], [], [pad, pad, pad, pad]);

    private static TunedWorkGroup Entry(string kernel, GridClass grid, WorkGroupSize size) => new(kernel, grid.X, grid.Y, grid.Z, size.X, size.Y, size.Z, 2, 1);

    private static Graph Product(long rows)
    {
        var builder = new GraphBuilder("product");
        builder.Output("y", builder.Add("node", new MatMul(), builder.Input("x", new TensorFact(DType.Float32, [rows, 40])), builder.Constant("w", ClHarness.Floats(1, 1, 40, 200))));
        return builder.Build();
    }

    [ClFact]
    public void A_table_replaces_the_rule_for_its_kernel_and_class_of_grids_alone()
    {
        ClBackend backend = ClSessions.Backends[0];
        Graph graph = Product(100);
        Node node = graph.Nodes.Single();
        TunableLaunch launch = Assert.Single(((IBackend)backend).TunableLaunches(graph, node));
        Assert.StartsWith("gemm_", launch.Kernel);
        KernelFacts rule = backend.KernelOf(graph, node);
        WorkGroupSize other = launch.OtherSizes.First(size => size.X * size.Y * size.Z != rule.GroupSize);
        Assert.Equal(other.X * other.Y * other.Z, With(Entry(launch.Kernel, launch.Grid, other)).GroupSize);
        Assert.Equal(rule, With());
        Assert.Equal(rule, With(Entry("gemm", launch.Grid, other)));
        Assert.Equal(rule, With(Entry(launch.Kernel, launch.Grid with { Z = 16 }, other)));
        Assert.Equal(rule, With(Entry(launch.Kernel, launch.Grid, other with { X = 1 << 30 })));
        Assert.Equal(other.X * other.Y, With(Entry(launch.Kernel, launch.Grid, other with { Z = 2 })).GroupSize); // no wider than the grid
        Graph few = Product(2);
        Assert.Equal(backend.KernelOf(few, few.Nodes.Single()), backend.Tuned([Entry(launch.Kernel, launch.Grid, other)]).KernelOf(few, few.Nodes.Single()));

        KernelFacts With(params ImmutableArray<TunedWorkGroup> table)
        {
            using IBackend tuned = backend.Tuned(table); // its end leaves the backend as it is
            return tuned.KernelOf(graph, node);
        }
    }

    [ClFact]
    public void Other_sizes_are_powers_of_two_that_the_device_takes_and_the_nearest_come_first()
    {
        ClDevice device = ClDevice.All[0];
        ClGrid rule = ClGrid.Over(device, 20, 3, 5);
        Assert.True(device.Takes(rule.Size));
        ImmutableArray<WorkGroupSize> sizes = rule.OtherSizes(device);
        Assert.DoesNotContain(rule.Size, sizes);
        Assert.Equal(sizes.Length, sizes.Distinct().Count());
        Assert.All(sizes, size => Assert.True(device.Takes(size) && size is { X: 1 or 2 or 4 or 8 or 16 or 32, Y: 1 or 2 or 4, Z: 1 or 2 or 4 or 8 }));
        WorkGroupSize first = sizes[0];
        Assert.Contains(first.X * first.Y * first.Z, new[] { rule.GroupSize / 2, rule.GroupSize * 2 });
        Assert.Equal((20L, 4L, 8L), (rule.In(new(4, 4, 4)).X, rule.In(new(4, 4, 4)).Y, rule.In(new(4, 4, 4)).Z));
        Assert.Empty(ClGrid.Over(device, 1).OtherSizes(device));
    }

    public static TheoryData<string> Operators => [.. Problems.Keys];

    private static readonly Dictionary<string, (Op Op, long[][] Inputs)> Problems = new()
    {
        ["product"] = (new MatMul { Activation = Activation.Silu }, [[70, 33], [33, 130]]),
        ["row"] = (new Gemm(), [[1, 60], [60, 150]]),
        ["batch"] = (new MatMul(), [[3, 20, 17], [3, 17, 70]]),
        ["transformed tiles"] = (new Conv(Window(3, 1, 1)) { Activation = Activation.Relu }, [[1, 20, 22, 26], [24, 20, 3, 3]]),
        ["padded planes"] = (new Conv(Window(3, 2, 1)) { Activation = Activation.Silu }, [[2, 6, 23, 29], [10, 6, 3, 3]]),
        ["single planes"] = (new Conv(Window(5, 1, 2), Groups: 11), [[1, 11, 19, 21], [11, 1, 5, 5]]),
        ["spread taps"] = (new ConvTranspose(Window(3, 2, 1), 1, [], []), [[1, 5, 9, 11], [5, 6, 3, 3]]),
        ["attention"] = (new Attention(), [[1, 3, 70, 16], [1, 3, 90, 16], [1, 3, 90, 16]]),
        ["softmax"] = (new Softmax(SoftmaxKind.Softmax), [[37, 90]]),
        ["norm"] = (new LayerNormalization(), [[41, 50], [50], [50]]),
        ["function"] = (new Unary(UnaryFunction.Gelu), [[3, 5000]]),
        ["sum"] = (new Binary(BinaryFunction.Add), [[17, 300], [300]]),
        ["pool"] = (new Pool(PoolKind.Average, Window(3, 1, 1)), [[1, 9, 21, 23]]),
        ["transposition"] = (new Transpose([0, 2, 1]), [[3, 70, 50]]),
    };

    [ClTheory]
    [MemberData(nameof(Operators))]
    public void Results_are_the_same_bits_in_work_groups_of_any_size(string problem)
    {
        (Op op, long[][] dims) = Problems[problem];
        Tensor[] inputs = [.. dims.Select((d, i) => ClHarness.Floats(i + 1, 2, d))];
        int[] constants = op is Attention ? [] : [.. Enumerable.Range(1, inputs.Length - 1)];
        ClBinding binding = ClBindings.Find(op.GetType())!;
        byte[][] byRule = [.. ClHarness.OnDevice(op, inputs, x => binding.Prepare(op, x), constants).Select(result => result.Bytes.ToArray())];
        int replaced = 0;
        for (int seed = 0; seed < 3; seed++)
        {
            var random = new Random(seed);
            int context = 0;
            foreach (Tensor result in ClHarness.OnDevice(op, inputs, Tuned, constants)) Assert.True(byRule[context++].AsSpan().SequenceEqual(result.Bytes), $"{problem}, seed {seed}, device {context}");

            ClCall Tuned(ClPrepareContext x)
            {
                ClDevice device = x.Context.Device;
                ClCall plain = binding.Prepare(op, x);
                ImmutableArray<TunedWorkGroup> table =
                [
                    .. plain.Launches.Where(launch => launch.IsTunable).DistinctBy(launch => (launch.Name, launch.Grid.Class)).Where(launch => !launch.Grid.OtherSizes(device).IsEmpty)
                        .Select(launch => Entry(launch.Name, launch.Grid.Class, random.GetItems(launch.Grid.OtherSizes(device).AsSpan(), 1)[0])),
                ];
                ClCall tuned = binding.Prepare(op, x with { WorkGroups = new ClWorkGroups(device, table) });
                foreach ((ClLaunch before, ClLaunch after) in plain.Launches.Zip(tuned.Launches))
                {
                    Assert.Equal(before.IsTunable && table.Any(entry => entry.Kernel == before.Name && entry.Grid == before.Grid.Class), before.Grid != after.Grid);
                    if (before.Grid != after.Grid) replaced++;
                }
                return tuned;
            }
        }
        Assert.True(replaced > 0);
    }

    [ClFact]
    public void Sessions_of_one_backend_take_the_sizes_of_their_own_profiles()
    {
        byte[] model = new ModelBuilder().Input("x", DType.Float32, 100, 40).Constant("w", ClSessions.Floats(1, 40, 200)).Node("MatMul", ["x", "w"], ["y"]).Output("y").Build();
        var inputs = new Dictionary<string, Datum> { ["x"] = ClSessions.Floats(2, 100, 40) };
        ClBackend backend = ClSessions.Backends[0];
        Graph graph = Product(100);
        TunableLaunch launch = Assert.Single(((IBackend)backend).TunableLaunches(graph, graph.Nodes.Single()));
        WorkGroupSize size = launch.OtherSizes[0];
        AcceleratorModel measured = AcceleratorModel.Ideal with { Name = backend.Name, Device = backend.Description };
        using var folder = new TemporaryFolder();
        using InferenceSession tuned = Session("tuned.json", measured with { WorkGroups = [Entry(launch.Kernel, launch.Grid, size)] }), plain = Session("plain.json", measured);
        Assert.Equal(size, GridOf(tuned).Size);
        Assert.NotEqual(size, GridOf(plain).Size);
        Assert.Equal(ClSessions.Run(plain, inputs)[0].Bytes, ClSessions.Run(tuned, inputs)[0].Bytes);
        Assert.EndsWith(", tuned work-groups: 1", Assert.Single(tuned.Plan.Devices).Costs);
        Assert.DoesNotContain("tuned", Assert.Single(plain.Plan.Devices).Costs);

        InferenceSession Session(string name, AcceleratorModel accelerator)
        {
            string path = Path.Combine(folder.Path, name);
            File.WriteAllText(path, (DeviceProfile.Default with { Accelerators = [accelerator] }).ToJson());
            return new InferenceSession(model, ClSessions.On(backend) with { DeviceProfile = path });
        }

        ClGrid GridOf(InferenceSession session)
        {
            RegionStep region = Assert.Single(session.PlanFor(inputs).Branches.SelectMany(b => b).OfType<RegionStep>());
            return Assert.Single(Assert.Single(((ClRegion)region.Compiled).Steps).Call.Launches).Grid;
        }
    }
}
