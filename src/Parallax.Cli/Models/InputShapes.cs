using Parallax.Graphs;

namespace Parallax.Cli.Models;

/// <summary>Finds the sizes of a model's symbolic dimensions in what the call says.</summary>
internal static class InputShapes
{
    /// <summary>Sizes by name: from given tensors, then <c>--shape</c>, then <c>--dim</c>, then <paramref name="defaults"/>.</summary>
    /// <exception cref="InvalidInputException">Two of them disagree, or something is named that the model does not have.</exception>
    internal static Dictionary<string, long> Bind(Graph graph, IReadOnlyDictionary<string, Datum> given, IReadOnlyDictionary<string, long[]> shapes,
        IReadOnlyDictionary<string, long> dims, IReadOnlyDictionary<string, long> defaults)
    {
        var sizes = new Dictionary<string, (long Size, string Source)>();
        foreach (string name in shapes.Keys) FindInput(graph, name, "--shape");
        foreach (ValueId id in graph.Inputs)
        {
            if (graph.TensorFact(id)?.Shape is not { } declared) continue;
            string name = graph[id].Name;
            if (given.TryGetValue(name, out Datum? datum) && datum is Tensor tensor && tensor.Rank == declared.Rank) BindShape(sizes, declared, tensor.Dims, $"the input '{name}'");
            if (!TryGetShape(shapes, name, out long[] wanted)) continue;
            CheckFits(name, declared, wanted);
            BindShape(sizes, declared, wanted, $"--shape {name}");
        }
        string[] symbols = Symbols(graph);
        foreach ((string name, long size) in dims)
        {
            if (!symbols.Contains(name))
                throw new InvalidInputException($"--dim {name}: the model has no such symbolic dimension{(symbols.Length == 0 ? "; all its sizes are fixed" : $"; it has {string.Join(", ", symbols)}")}");
            Add(sizes, name, size, $"--dim {name}");
        }
        foreach ((string name, long size) in defaults)
            if (symbols.Contains(name)) sizes.TryAdd(name, (size, ""));
        return sizes.ToDictionary(s => s.Key, s => s.Value.Size);
    }

    /// <summary>The shape that an input which nobody gives shall have.</summary>
    internal static long[] Complete(ValueInfo input, IReadOnlyDictionary<string, long[]> shapes)
    {
        if (TryGetShape(shapes, input.Name, out long[] wanted)) return wanted;
        if (input.Shape is not { } shape) throw new InvalidInputException($"input '{input.Name}' declares no shape: give one with --shape {input.Name}=1x2x3, or the data with --input {input.Name}=FILE");
        string[] open = [.. shape.Where(d => !d.IsKnown).Select(d => d.ToString()).Distinct()];
        if (open.Length == 0) return shape.ToArray();
        string sizes = string.Join(" and ", open.Select(d => $"'{d}'")), options = string.Join(" ", open.Select(d => $"--dim {d}=N"));
        string pattern = string.Join('x', shape.Select(d => d.IsKnown ? d.ToString() : "N"));
        throw new InvalidInputException(
            $"input '{input.Name}' is {input.DType}{shape}, and the size of {sizes} is not given: add {options}, or --shape {input.Name}={pattern}");
    }

    /// <summary>The name of the input that is called so, by its own name or the file-safe form of it.</summary>
    internal static string FindInput(Graph graph, string name, string option)
    {
        string[] names = [.. graph.Inputs.Select(i => graph[i].Name)];
        return names.FirstOrDefault(n => n == name) ?? names.FirstOrDefault(n => Output.FileSafeName.Of(n) == name)
            ?? throw new InvalidInputException($"{option} {name}: the model has no such input; it has {(names.Length == 0 ? "none" : string.Join(", ", names))}");
    }

    private static bool TryGetShape(IReadOnlyDictionary<string, long[]> shapes, string name, out long[] shape)
    {
        shape = shapes.TryGetValue(name, out long[]? found) || shapes.TryGetValue(Output.FileSafeName.Of(name), out found) ? found : [];
        return found is not null;
    }

    private static void CheckFits(string name, Shape declared, long[] wanted)
    {
        bool fits = declared.Rank == wanted.Length;
        for (int i = 0; fits && i < wanted.Length; i++) fits = !declared[i].TryGetValue(out long dim) || dim == wanted[i];
        if (!fits) throw new InvalidInputException($"--shape {name}={string.Join('x', wanted)}: the model declares {declared}");
    }

    private static void BindShape(Dictionary<string, (long, string)> sizes, Shape declared, ReadOnlySpan<long> dims, string source)
    {
        for (int i = 0; i < dims.Length; i++)
            if (!declared[i].IsKnown) Add(sizes, declared[i].ToString(), dims[i], source);
    }

    private static void Add(Dictionary<string, (long Size, string Source)> sizes, string name, long size, string source)
    {
        if (sizes.TryGetValue(name, out var known) && known.Size != size)
            throw new InvalidInputException($"dimension '{name}' is {known.Size} by {known.Source}, but {size} by {source}");
        sizes.TryAdd(name, (size, source));
    }

    private static string[] Symbols(Graph graph) =>
        [.. graph.Inputs.SelectMany(i => graph.TensorFact(i)?.Shape?.Dims ?? []).Where(d => !d.IsKnown).Select(d => d.ToString()).Distinct()];
}
