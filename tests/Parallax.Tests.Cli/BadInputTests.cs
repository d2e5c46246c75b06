using Parallax.Onnx;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Cli;

/// <summary>Whatever is wrong with a call or a file is said in one line, with exit code 2.</summary>
public sealed class BadInputTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private static ModelBuilder Sum(params DimensionProto[] dims) =>
        new ModelBuilder().Input("a", DType.Float32, dims).Input("b:0", DType.Float32, dims).Node("Add", ["a", "b:0"], ["y"]).Output("y");

    private string Model(ModelBuilder builder, string name = "model.onnx") => folder.Write(name, builder.Build());

    [Fact]
    public void Files_that_are_no_models()
    {
        byte[] whole = Sum(2, 3).Constant("w", Tensor.From(new float[64], [64])).Build();
        var random = new byte[1000];
        new Random(5).NextBytes(random);
        CliRun.Refused(["run", folder.Write("cut.onnx", whole[..(whole.Length / 2)])], "cut.onnx");
        CliRun.Refused(["run", folder.Write("random.onnx", random)], "random.onnx");
        CliRun.Refused(["run", folder.Write("text.onnx", "This is not a model.\n"u8.ToArray())], "text.onnx");
        CliRun.Refused(["run", folder.Write("empty.onnx", [])], "empty.onnx");
        CliRun.Refused(["run", folder["absent.onnx"]], "absent.onnx");
        CliRun.Refused(["run", folder.Path], folder.Path, "folder");
        CliRun.Refused(["run", "zoo:nothing"], "zoo:nothing", "yolov8n");
        CliRun.Refused(["bench", folder["absent.onnx"]], "absent.onnx");
    }

    [Fact]
    public void An_initializer_that_is_shorter_than_its_dims()
    {
        var tensor = new TensorProto { Name = "w", DataType = DType.Float32, Dims = [2, 3], RawData = ByteRegion.Copy(new byte[20]) };
        CliRun.Refused(["run", WithInitializer(tensor)], "'w'");
    }

    [Theory]
    [InlineData("../outside.bin")]
    [InlineData("/etc/hostname")]
    [InlineData("sub/../../outside.bin")]
    public void External_data_outside_of_the_folder(string location)
    {
        File.WriteAllBytes(Path.Combine(Path.GetDirectoryName(folder.Path)!, "outside.bin"), new byte[24]);
        var tensor = new TensorProto { Name = "w", DataType = DType.Float32, Dims = [2, 3], IsExternal = true, ExternalData = [new("location", location)] };
        CliRun.Refused(["run", WithInitializer(tensor)], "'w'", location);
    }

    private string WithInitializer(TensorProto tensor)
    {
        GraphProto graph = new ModelBuilder().Input("a", DType.Float32, 2, 3).Node("Add", ["a", "w"], ["y"]).Output("y").Graph();
        var whole = new GraphProto { Name = "g", Nodes = graph.Nodes, Inputs = graph.Inputs, Outputs = graph.Outputs, Initializers = [tensor] };
        return folder.Write("initializer.onnx", new ModelProto { IrVersion = 8, Graph = whole, OpsetImport = [new OperatorSetId("", 17)] }.ToBytes());
    }

    [Fact]
    public void A_graph_with_a_cycle() =>
        CliRun.Refused(["run", Model(new ModelBuilder().Input("a", DType.Float32, 2).Node("Add", ["a", "q"], ["p"]).Node("Relu", ["p"], ["q"]).Output("q"))], "cycle");

    [Fact]
    public void All_unsupported_operators_are_listed() => CliRun.Refused(
        ["run", Model(new ModelBuilder().Input("a", DType.Float32, 2).Node("Frobnicate", ["a"], ["p"]).Node("Grind", ["p"], ["q"]).Node("Frobnicate", ["q"], ["r"]).Output("r"))],
        "Frobnicate (opset 17), Grind (opset 17)");

    [Fact]
    public void An_input_that_nothing_can_fill()
    {
        CliRun.Refused(["run", Model(new ModelBuilder().Input("s", DType.String, 2).Node("Identity", ["s"], ["y"]).Output("y"))], "'s'", "--input s=FILE");
        CliRun.Refused(["run", Model(Sum("n", 3))], "'a'", "--dim n=N", "--shape a=Nx3");
    }

    [Fact]
    public void Inputs_of_the_wrong_type_rank_or_size()
    {
        string model = Model(Sum("n", 3));
        CliRun.Refused(["run", model, "--input", $"a={folder.Write("i.npy", Tensor.From([1, 2, 3], [1, 3]))}"], "'a'", "Float32", "Int32[1x3]");
        CliRun.Refused(["run", model, "--dim", "n=1", "--input", $"a={folder.Write("r.npy", Tensor.From([1f, 2, 3], [3]))}"], "'a'", "Float32[3]");
        CliRun.Refused(["run", model, "--input", $"a={folder.Write("d.npy", Tensor.From([1f, 2], [1, 2]))}"], "'a'", "Float32[1x2]");
        CliRun.Refused(["run", model, "--dim", "n=2", "--input", $"a={folder.Write("n.npy", Tensor.From([1f, 2, 3], [1, 3]))}"], "'n' is 1 by the input 'a', but 2 by --dim n");
    }

    [Fact]
    public void Inputs_that_cannot_be_read()
    {
        string model = Model(Sum("n", 3)), good = folder.Write("good.npy", Tensor.From([1f, 2, 3], [1, 3]));
        CliRun.Refused(["run", model, "--input", $"c={good}"], "--input c", "a, b:0");
        CliRun.Refused(["run", model, "--input", good], "NAME=FILE");
        CliRun.Refused(["run", model, "--input", "good"], "NAME=FILE", "'good'");
        CliRun.Refused(["run", model, "--input", $"a={good}", $"--input", $"a={good}"], "'a' twice");
        CliRun.Refused(["run", model, "--input", $"a={folder["absent.npy"]}"], "absent.npy", "no such file");
        CliRun.Refused(["run", model, "--input", $"a={folder.Path}"], "folder");
        CliRun.Refused(["run", model, "--input", $"a={folder.Write("a.txt", [1])}"], "a.txt", ".npy or .pb");
        CliRun.Refused(["run", model, "--input", $"a={folder.Write("a.npy", File.ReadAllBytes(good)[..^4])}"], "a.npy");
        CliRun.Refused(["run", model, "--input", $"a={folder.Write("a.pb", [1, 2, 3])}"], "a.pb");
        CliRun.Refused(["run", model, "--image", good], "--image", "Nx3xHxW");
    }

    [Fact]
    public void Pictures_that_are_none()
    {
        string model = Model(new ModelBuilder().Input("x", DType.Float32, "n", 3, 8, 8).Node("Relu", ["x"], ["y"]).Output("y"));
        CliRun.Refused(["run", model, "--image", folder["absent.png"]], "absent.png");
        CliRun.Refused(["run", model, "--image", folder.Write("text.png", "text"u8.ToArray())], "text.png", "expected JPEG, PNG");
        CliRun.Refused(["run", Model(new ModelBuilder().Input("x", DType.Float32, "n", 3, "h", 8).Node("Relu", ["x"], ["y"]).Output("y")), "--image", folder["absent.png"]], "'h'", "--dim h=N");
    }

    [Fact]
    public void A_nan_where_a_shape_is_needed()
    {
        string range = Model(new ModelBuilder().Input("f", DType.Float32).Constant("zero", Tensor.Scalar(0f)).Constant("one", Tensor.Scalar(1f))
            .Node("Range", ["zero", "f", "one"], ["y"]).Output("y"), "range.onnx");
        string resize = Model(new ModelBuilder().Input("x", DType.Float32, 4).Input("f", DType.Float32, 1)
            .Node("Resize", ["x", "", "f"], ["y"]).Output("y"), "resize.onnx");
        string nan = folder.Write("nan.npy", Tensor.Scalar(float.NaN)), nans = folder.Write("nans.npy", Tensor.From([float.NaN], [1]));
        CliRun.Refused(["run", range, "--input", $"f={nan}"], "Range", "NaN");
        CliRun.Refused(["run", resize, "--input", $"f={nans}"], "Resize", "NaN");
        Assert.Equal(0, CliRun.Of("run", range, "--input", $"f={folder.Write("four.npy", Tensor.Scalar(4f))}").Code);
    }

    [Fact]
    public void A_loop_that_never_ends_can_be_stopped()
    {
        ModelBuilder body = new ModelBuilder().Input("i", DType.Int64).Input("c", DType.Bool).Input("v", DType.Float32, 2)
            .Node("Identity", ["c"], ["c2"]).Node("Identity", ["v"], ["v2"]).Output("c2", DType.Bool).Output("v2", DType.Float32, 2);
        string model = Model(new ModelBuilder().Input("x", DType.Float32, 2).Constant("always", Tensor.From([true], []))
            .Node("Loop", ["", "always", "x"], ["y"], new AttributeProto("body", body.Graph("body"))).Output("y"));
        using var cancellation = new CancellationTokenSource(TimeSpan.FromMilliseconds(300));
        CliRun run = CliRun.Of(cancellation.Token, "run", model);
        Assert.Equal((1, "parallax: stopped"), (run.Code, run.Error.TrimEnd()));
    }

    [Theory]
    [InlineData("", "Required command")]
    [InlineData("frob", "frob")]
    [InlineData("run", "MODEL|argument")]
    [InlineData("run MODEL --frob", "--frob")]
    [InlineData("run MODEL --shape a=2y3", "--shape a|2y3")]
    [InlineData("run MODEL --shape a", "INPUT=")]
    [InlineData("run MODEL --shape a=-1x3", "-1x3")]
    [InlineData("run MODEL --shape a=2x4", "--shape a=2x4|[nx3]")]
    [InlineData("run MODEL --shape a=2", "--shape a=2|[nx3]")]
    [InlineData("run MODEL --shape q=2x3", "--shape q|a, b:0")]
    [InlineData("run MODEL --shape a=99999999999x99999999999", "--shape a")]
    [InlineData("run MODEL --shape a=2x3 --shape a=2x3", "twice")]
    [InlineData("run MODEL --dim n", "NAME=VALUE")]
    [InlineData("run MODEL --dim n=x", "--dim n|'x'")]
    [InlineData("run MODEL --dim q=1", "--dim q|it has n")]
    [InlineData("run MODEL --dim n=1 --threads -1", "--threads|'-1'")]
    [InlineData("run MODEL --dim n=1 --threads many", "--threads|'many'")]
    [InlineData("run MODEL --dim n=1 --seed x", "--seed|'x'")]
    [InlineData("run MODEL --dim n=1 --mode fast", "--mode|fast")]
    [InlineData("run MODEL --dim n=1 --device tpu", "--device|tpu")]
    [InlineData("run MODEL --dim n=1 --memory-budget much", "--memory-budget|much")]
    [InlineData("run MODEL --dim n=1 --margin 2", "--margin|'2'")]
    [InlineData("run MODEL --dim n=1 --labels imagenet", "--labels|imagenet")]
    [InlineData("run MODEL --dim n=1 --labels coco", "YOLO|y: Float32[1x3]")]
    [InlineData("run MODEL --dim n=1 --expect DIR/absent", "absent")]
    [InlineData("run MODEL --dim n=1 --expect DIR", "y.npy")]
    [InlineData("run MODEL --dim n=1 --expect DIR --atol -1", "--atol|'-1'")]
    [InlineData("run MODEL --dim n=1 --output MODEL", "model.onnx")]
    [InlineData("run MODEL --dim n=1 --json DIR/absent/x.json", "x.json")]
    [InlineData("bench MODEL --dim n=1 --runs 0", "--runs|'0'")]
    [InlineData("bench MODEL --dim n=1 --warmup x", "--warmup|'x'")]
    [InlineData("conformance DIR/absent", "absent")]
    [InlineData("conformance DIR", "no ONNX backend tests")]
    [InlineData("zoo export nothing DIR/x.onnx", "zoo:nothing|yolov8n")]
    public void Wrong_calls(string arguments, string parts)
    {
        string model = Model(Sum("n", 3));
        string[] args = [.. arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(a => a.Replace("MODEL", model).Replace("DIR", folder.Path))];
        CliRun.Refused(args, parts.Split('|'));
        Assert.Equal(["model.onnx"], Directory.EnumerateFileSystemEntries(folder.Path).Select(Path.GetFileName));
    }
}
