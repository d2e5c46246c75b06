using Parallax.Onnx;
using Parallax.Zoo;

namespace Parallax.Compare;

/// <summary>A model on disk with values for the symbolic dims of its inputs; one of the zoo lies in a temporary file until disposed.</summary>
internal sealed class ModelFile : IDisposable
{
    private readonly bool isTemporary;
    private readonly IReadOnlyDictionary<string, long> given;
    private readonly IReadOnlyDictionary<string, long> integerLimits = new Dictionary<string, long>();

    public ModelFile(string model, CompareOptions options)
    {
        given = options.Dims;
        var dims = new Dictionary<string, long>();
        if (model.StartsWith("zoo:", StringComparison.Ordinal))
        {
            ZooEntry entry = ZooCatalog.Find(model[4..]);
            isTemporary = true;
            integerLimits = entry.IntegerLimits;
            Path = System.IO.Path.Combine(System.IO.Path.GetTempPath(), $"parallax-{entry.Name}-{Guid.NewGuid():N}.onnx");
            entry.Build(new ZooOptions(options.Seed, options.Dynamic)).Save(Path);
            foreach (var (name, value) in entry.DefaultDims) dims[name] = value;
        }
        else Path = model;
        foreach (var (name, value) in given) dims[name] = value;
        Dims = dims;
    }

    public string Path { get; }

    public IReadOnlyDictionary<string, long> Dims { get; }

    /// <summary>A dim that no input has is a mistake of the call, not something to pass over.</summary>
    private void RefuseUnknownDims(GraphProto graph)
    {
        HashSet<string?> known = [.. graph.Inputs.SelectMany(i => (i.Type as TensorTypeProto)?.Shape ?? []).Select(d => d.Param)];
        if (given.Keys.FirstOrDefault(name => !known.Contains(name)) is { } unknown)
            throw new InvalidInputException($"--dim {unknown}: no input of {Path} has this dimension; the inputs are {string.Join(", ", graph.Inputs)}");
    }

    /// <summary>
    /// An input of each name: from a file in the folder, or else floats uniform in [0, 1) and integers below the limit that the zoo gives, else 0 or 1.
    /// Symbolic dims without a value are 1.
    /// </summary>
    public Dictionary<string, Tensor> MakeInputs(int seed, string? folder)
    {
        using ModelSource source = ModelSource.FromFile(Path);
        GraphProto graph = ModelProto.Parse(source).Graph;
        RefuseUnknownDims(graph);
        HashSet<string> weights = [.. graph.Initializers.Select(i => i.Name)];
        var random = new Random(seed);
        return graph.Inputs.Where(i => !weights.Contains(i.Name)).ToDictionary(i => i.Name, i => Read(i.Name, folder) ?? Fill(i, random));
    }

    public void Dispose()
    {
        if (isTemporary) File.Delete(Path);
    }

    private Tensor Fill(ValueInfoProto input, Random random)
    {
        if (input.Type is not TensorTypeProto { Shape: { } shape } type) throw new InvalidInputException($"{Path}: input '{input.Name}' must be a tensor of known rank, got {input}");
        Tensor tensor = Tensor.Allocate(type.ElemType, [.. shape.Select(d => d.Value ?? Bound(d))]);
        long limit = integerLimits.GetValueOrDefault(input.Name, 2);
        switch (type.ElemType)
        {
            case DType.Float32: Each<float>(() => random.NextSingle()); break;
            case DType.Float64: Each(random.NextDouble); break;
            case DType.Int64: Each(() => random.NextInt64(limit)); break;
            case DType.Int32: Each(() => (int)random.NextInt64(limit)); break;
            case DType.UInt8 or DType.Int8 or DType.Bool: foreach (ref byte b in tensor.Bytes) b = (byte)random.Next(2); break;
            default: throw new InvalidInputException($"{Path}: input '{input.Name}' has elements of {type.ElemType}, which cannot be filled here");
        }
        return tensor;

        void Each<T>(Func<T> next) where T : unmanaged
        {
            foreach (ref T element in tensor.Span<T>()) element = next();
        }
    }

    /// <summary>The input's file in the folder, if there is one: NAME.npy, every character outside of letters, digits, dot, underscore and minus being an underscore.</summary>
    private static Tensor? Read(string name, string? folder)
    {
        string file = string.Concat(name.Select(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-' ? c : '_')) + ".npy";
        return folder is not null && System.IO.Path.Combine(folder, file) is var path && File.Exists(path) ? Npy.Read(path) : null;
    }

    private long Bound(DimensionProto dim) => dim.Param is { } name && Dims.TryGetValue(name, out long value) ? value : 1;
}
