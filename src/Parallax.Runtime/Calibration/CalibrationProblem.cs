using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Onnx;
using Parallax.Planning;

namespace Parallax.Runtime.Calibration;

/// <summary>One operator of a size that is met in networks, to be timed alone.</summary>
/// <param name="Inputs">Dims of the inputs; those after <paramref name="DataInputs"/> are constants.</param>
internal sealed record CalibrationProblem(Op Op, int DataInputs, params long[][] Inputs)
{
    /// <summary>The graph of the operator alone; constants are small numbers without denormals.</summary>
    internal Graph Build() => Build(1);

    /// <summary>The graph of several of the operator, which have their inputs in common.</summary>
    internal Graph Build(int copies)
    {
        var builder = new GraphBuilder("calibration");
        ValueId[] values = [.. Inputs.Select((dims, i) => i >= DataInputs ? builder.Constant($"c{i}", Fill(dims)) : builder.Input($"x{i}", new TensorFact(DType.Float32, Shape.Of(dims))))];
        for (int copy = 0; copy < copies; copy++)
            builder.Output($"y{copy}", Op is Slice ? AddSlice(builder, values[0], Inputs[0]) : Op is Resize ? AddResize(builder, values[0]) : builder.Add($"node{copy}", Op, values.AsSpan()));
        return builder.Build();
    }

    /// <summary>The operator and its shapes.</summary>
    public override string ToString() => $"{Op.Name} {string.Join(' ', Inputs.Select((dims, i) => $"{(i < DataInputs ? "" : "constant ")}{string.Join('x', dims)}"))}";

    /// <summary>Something for each input of a graph of known shapes: small numbers without denormals, and zeros where they are no float32.</summary>
    internal static IEnumerable<(ValueId Id, Tensor Tensor)> Data(Graph graph) => graph.Inputs.Select(i => (i, Data(graph.TensorFact(i)!)));

    private static Tensor Data(TensorFact fact) => fact.Type == DType.Float32 ? Fill(fact.Shape!.Value.ToArray()) : Tensor.Zeros(fact.Type, fact.Shape!.Value.ToArray());

    internal static InferenceSession Session(Graph graph, int workers, ScheduleMode mode = ScheduleMode.Sequential) => new(
        new ImportedModel(graph, ImmutableDictionary<string, string>.Empty, source: null),
        new SessionOptions { Threads = workers, Mode = mode, DeviceProfile = DeviceProfiles.None });

    internal static Tensor Fill(params long[] dims)
    {
        Tensor tensor = Tensor.Allocate(DType.Float32, dims);
        Span<float> numbers = tensor.Span<float>();
        for (int i = 0; i < numbers.Length; i++) numbers[i] = (i * 37 % 101 - 50) / 64f;
        return tensor;
    }

    /// <summary>The middle half of the last axis.</summary>
    private static ValueId AddSlice(GraphBuilder builder, ValueId data, long[] dims) => builder.Add("node", new Slice(), data,
        Ints(builder, "starts", dims[^1] / 4), Ints(builder, "ends", dims[^1] * 3 / 4), Ints(builder, "axes", dims.Length - 1));

    private ValueId AddResize(GraphBuilder builder, ValueId data) => builder.Add("node", Op, data, ValueId.None, builder.Constant("scales", Tensor.From([1f, 1f, 2f, 2f], [4])));

    private static ValueId Ints(GraphBuilder builder, string name, long value) => builder.Constant(name, Tensor.From([value], [1]));

    internal static SpatialWindow Window(long kernel, long stride, long pad, int axes = 2) =>
        new([.. Enumerable.Repeat(kernel, axes)], [.. Enumerable.Repeat(stride, axes)], [], [.. Enumerable.Repeat(pad, 2 * axes)]);

    /// <summary>By class, the problems that speak for it.</summary>
    /// <param name="scale">Enlarges each, so that many workers find work.</param>
    internal static IEnumerable<(OpClass Class, CalibrationProblem Problem)> All(long scale) =>
    [
        (OpClass.Elementwise, new(new Binary(BinaryFunction.Add), 2, [scale * 512, 384], [scale * 512, 384])),
        (OpClass.Elementwise, new(new Unary(UnaryFunction.HardSwish), 1, [scale, 64, 56, 56])),
        (OpClass.Transcendental, new(new Unary(UnaryFunction.Gelu), 1, [scale * 256, 384])),
        (OpClass.Transcendental, new(new Unary(UnaryFunction.Sigmoid), 1, [scale, 64, 40, 40])),
        (OpClass.Dense, new(new MatMul(), 1, [scale * 256, 384], [384, 384])),
        (OpClass.Dense, new(new MatMul(), 2, [12, scale * 128, 64], [12, 64, 128])),
        (OpClass.Dense, new(new Conv(Window(1, 1, 0)), 1, [scale, 128, 40, 40], [64, 128, 1, 1])),
        (OpClass.FewRows, new(new MatMul(), 1, [1, 512], [512, scale * 512])),
        (OpClass.FewRows, new(new Gemm(), 1, [4, 512], [512, scale * 512])),
        (OpClass.Convolution, new(new Conv(Window(3, 1, 1)), 1, [scale, 64, 40, 40], [64, 64, 3, 3])),
        (OpClass.Convolution, new(new Conv(Window(3, 2, 1)), 1, [scale, 32, 80, 80], [64, 32, 3, 3])),
        (OpClass.Depthwise, new(new Conv(Window(3, 1, 1), Groups: 96), 1, [scale, 96, 40, 40], [96, 1, 3, 3])),
        (OpClass.Attention, new(new Attention(), 3, [1, scale * 8, 196, 64], [1, scale * 8, 196, 64], [1, scale * 8, 196, 64])),
        (OpClass.Softmax, new(new Softmax(SoftmaxKind.Softmax), 1, [12, scale * 128, 128])),
        (OpClass.Normalization, new(new LayerNormalization(), 1, [scale * 256, 384], [384], [384])),
        (OpClass.Reduction, new(new GlobalPool(PoolKind.Average), 1, [scale * 4, 256, 20, 20])),
        (OpClass.Reduction, new(new ArgReduce(Largest: true, Axis: -1), 1, [scale * 256, 400])),
        (OpClass.Pooling, new(new Pool(PoolKind.Max, Window(5, 1, 2)), 1, [scale, 128, 20, 20])),
        (OpClass.Resampling, new(new Resize(ResizeMode.Linear), 1, [scale, 32, 40, 40])),
        (OpClass.Movement, new(new Concat(1), 2, [scale, 64, 40, 40], [scale, 64, 40, 40])),
        (OpClass.Movement, new(new Slice(), 1, [scale * 256, 768])),
        (OpClass.Movement, new(new Transpose([0, 2, 1, 3]), 1, [scale, 128, 12, 64])),
        (OpClass.Rearrangement, new(new Transpose([0, 2, 1]), 1, [scale, 384, 400])),
        (OpClass.Rearrangement, new(new Transpose([0, 2, 3, 1]), 1, [scale * 12, 128, 8, 8])),
    ];
}
