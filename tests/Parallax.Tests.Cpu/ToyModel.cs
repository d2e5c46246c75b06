using Parallax.Onnx;
using Parallax.Runtime;

namespace Parallax.Tests.Cpu;

/// <summary>Small ONNX models, written in code.</summary>
internal static class ToyModel
{
    internal static NodeProto Node(string opType, string inputs, string outputs, params AttributeProto[] attributes) =>
        new() { OpType = opType, Inputs = Names(inputs), Outputs = Names(outputs), Attributes = attributes };

    internal static NodeProto MlNode(string opType, string inputs, string outputs, params AttributeProto[] attributes) =>
        new() { OpType = opType, Domain = "ai.onnx.ml", Inputs = Names(inputs), Outputs = Names(outputs), Attributes = attributes };

    internal static NodeProto Constant(string name, Tensor value) => Node("Constant", "", name, new AttributeProto("value", TensorProto.From(value)));

    internal static ValueInfoProto Value(string name, DType type, params DimensionProto[] dims) => new(name, new TensorTypeProto(type, dims));

    /// <summary>A value of which only the element type is stated.</summary>
    internal static ValueInfoProto Unshaped(string name, DType type) => new(name, new TensorTypeProto(type));

    internal static GraphProto Graph(ValueInfoProto[] inputs, string outputs, params NodeProto[] nodes) =>
        new() { Name = "toy", Inputs = inputs, Outputs = [.. Names(outputs).Select(o => new ValueInfoProto(o))], Nodes = nodes };

    internal static InferenceSession Load(GraphProto graph, int opset = 21, SessionOptions? options = null) =>
        new(Importer.Import(new ModelProto { IrVersion = 10, OpsetImport = [new("", opset), new("ai.onnx.ml", opset > 20 ? 5 : 3)], Graph = graph }), options ?? new SessionOptions { Threads = 1 });

    private static string[] Names(string list) => list.Length == 0 ? [] : [.. list.Split(',').Select(n => n.Trim())];
}
