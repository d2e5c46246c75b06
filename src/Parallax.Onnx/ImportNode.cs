using System.Collections.Immutable;
using Parallax.Graphs;

namespace Parallax.Onnx;

/// <summary>
/// A node of the file as an import rule sees it: attributes by name, inputs that a rule may normalize (an attribute of an old opset
/// becomes the constant input of the new one), and the graph that is being built, for rules that expand into several nodes.
/// </summary>
public sealed class ImportNode
{
    private readonly IReadOnlyDictionary<string, object> attributes;
    private readonly Func<string, IReadOnlyList<Fact?>, Graph> importBody;
    private readonly GraphBuilder builder;
    private readonly List<ValueId> inputs;
    private int fresh;

    /// <param name="attributes">Values are <see cref="long"/>, <see cref="float"/>, <see cref="string"/>, <see cref="Tensor"/>, <see cref="TensorFact"/>-like
    /// <see cref="Fact"/> for type attributes, and arrays of them.</param>
    /// <param name="importBody">Imports a graph attribute; its captured values are inputs after the formal ones, whose facts are given as far as they are known.</param>
    /// <param name="captures">The values that the node's bodies capture, in the order in which the bodies expect them.</param>
    internal ImportNode(string name, string opType, int opset, ImmutableArray<ValueId> inputs, IReadOnlyList<string?> outputNames,
        IReadOnlyDictionary<string, object> attributes, GraphBuilder builder, Func<string, IReadOnlyList<Fact?>, Graph> importBody, ImmutableArray<ValueId> captures)
    {
        Name = name;
        OpType = opType;
        Opset = opset;
        OutputNames = outputNames;
        Captures = captures;
        this.inputs = [.. inputs];
        this.attributes = attributes;
        this.builder = builder;
        this.importBody = importBody;
    }

    public string Name { get; }

    public string OpType { get; }

    /// <summary>Version of the operator's domain that the model asks for.</summary>
    public int Opset { get; }

    /// <summary>Names of the outputs; null where an output is not wanted.</summary>
    public IReadOnlyList<string?> OutputNames { get; }

    public int OutputCount => OutputNames.Count;

    public ImmutableArray<ValueId> Captures { get; }

    public IReadOnlyList<ValueId> Inputs => inputs;

    public int InputCount => inputs.Count;

    public bool HasInput(int index) => index < inputs.Count && !inputs[index].IsNone;

    /// <summary>An input that the operator cannot do without.</summary>
    public ValueId Required(int index) => HasInput(index) ? inputs[index] : throw Invalid($"input {index} is missing");

    public Fact InputFact(int index) => HasInput(index) ? builder.Fact(inputs[index]) : throw Invalid($"input {index} is missing");

    public TensorFact InputTensor(int index) => InputFact(index) as TensorFact ?? throw Invalid($"input {index} must be a tensor");

    public bool Has(string attribute) => attributes.ContainsKey(attribute);

    public long Int(string attribute, long fallback) => Get<long>(attribute, out var value) ? value : fallback;

    public long Int(string attribute) => Get<long>(attribute, out var value) ? value : throw Missing(attribute);

    public bool Bool(string attribute, bool fallback) => Int(attribute, fallback ? 1 : 0) != 0;

    public float Float(string attribute, float fallback) => Get<float>(attribute, out var value) ? value : fallback;

    public float Float(string attribute) => Get<float>(attribute, out var value) ? value : throw Missing(attribute);

    public string String(string attribute, string fallback) => Get<string>(attribute, out var value) ? value : fallback;

    public string String(string attribute) => Get<string>(attribute, out var value) ? value : throw Missing(attribute);

    /// <summary>Null where the attribute is absent.</summary>
    public long[]? Ints(string attribute) => Get<long[]>(attribute, out var value) ? value : null;

    public float[]? Floats(string attribute) => Get<float[]>(attribute, out var value) ? value : null;

    public string[]? Strings(string attribute) => Get<string[]>(attribute, out var value) ? value : null;

    public Tensor? Tensor(string attribute) => Get<Tensor>(attribute, out var value) ? value : null;

    public Fact? Type(string attribute) => Get<Fact>(attribute, out var value) ? value : null;

    /// <summary>An element type given as ONNX's number.</summary>
    public DType DType(string attribute, DType fallback) => (DType)Int(attribute, (long)fallback);

    /// <summary>Imports a body. Its captures must be added to the node's inputs: <see cref="AppendCaptures"/>.</summary>
    /// <param name="formal">What the operator will give to the body's first inputs: their types, where the file does not say.</param>
    public Graph Body(string attribute, params IReadOnlyList<Fact?> formal) => importBody(attribute, formal);

    /// <summary>Puts a constant at an input position; positions in between become absent.</summary>
    public void SetInput(int index, Tensor constant) => SetInput(index, Constant(constant));

    public void SetInput(int index, ValueId value)
    {
        while (inputs.Count <= index) inputs.Add(ValueId.None);
        inputs[index] = value;
    }

    public void RemoveInputsFrom(int index)
    {
        if (inputs.Count > index) inputs.RemoveRange(index, inputs.Count - index);
    }

    public void AppendCaptures() => inputs.AddRange(Captures);

    /// <summary>Moves an integer-list attribute of an old opset to the constant input that newer opsets have; does nothing where it is absent.</summary>
    public void AttributeToInput(string attribute, int index)
    {
        if (Ints(attribute) is { } values) SetInput(index, Parallax.Tensor.From(values, [values.Length]));
    }

    /// <summary>A constant of the graph.</summary>
    public ValueId Constant(Tensor tensor) => builder.Constant($"{Name}/const{fresh++}", tensor);

    /// <summary>Adds a node of an expansion; <paramref name="part"/> tells it apart from its siblings.</summary>
    public ValueId Add(string part, Op op, params ReadOnlySpan<ValueId> operands) => builder.Add($"{Name}/{part}{fresh++}", op, operands);

    /// <summary>Adds a node of an expansion with several outputs.</summary>
    public ImmutableArray<ValueId> AddMany(string part, Op op, int outputCount, params ImmutableArray<ValueId> operands)
    {
        string name = $"{Name}/{part}{fresh++}";
        return builder.Add(name, op, operands, [.. Enumerable.Range(0, outputCount).Select(i => $"{name}:{i}")]);
    }

    public InvalidModelException Invalid(string what) => new($"{Name} ({OpType}): {what}");

    /// <summary>A combination of attributes or inputs that the operator allows and this library does not compute.</summary>
    public UnsupportedModelException Unsupported(string what) => new($"{Name} ({OpType}): {what}", [$"{OpType}: {what}"]);

    private InvalidModelException Missing(string attribute) => Invalid($"attribute '{attribute}' is missing");

    private bool Get<T>(string attribute, out T value)
    {
        value = default!;
        if (!attributes.TryGetValue(attribute, out object? found)) return false;
        if (found is T typed)
        {
            value = typed;
            return true;
        }
        // A list attribute without elements does not say of what.
        if (found is Array { Length: 0 } && typeof(T).IsArray)
        {
            value = (T)(object)Array.CreateInstance(typeof(T).GetElementType()!, 0);
            return true;
        }
        throw Invalid($"attribute '{attribute}' must be {typeof(T).Name}, got {found.GetType().Name}");
    }
}
