using System.Diagnostics;
using Parallax.Cli.Commands;
using Parallax.Cli.Vision;
using Parallax.Graphs;
using Parallax.Kernels.Image;

namespace Parallax.Cli.Models;

/// <summary>A session and a full set of inputs for it.</summary>
/// <param name="Letterbox">How the picture was fitted into the input; null where no picture was given.</param>
/// <param name="LoadMs">Reading the file, importing it and preparing the session.</param>
internal sealed record ReadyModel(string Name, InferenceSession Session, Dictionary<string, Datum> Inputs, Letterbox? Letterbox, double LoadMs) : IDisposable
{
    /// <param name="inputFiles">NAME=FILE.</param>
    /// <param name="file">Where the model lies as a file, where that is not its name.</param>
    internal static ReadyModel Load(string name, CommonSettings settings, IReadOnlyList<string>? inputFiles = null, string? image = null, string? file = null)
    {
        var stopwatch = Stopwatch.StartNew();
        ModelFile opened = ModelFile.Open(name, settings.Dims, file);
        try
        {
            Dictionary<string, Datum> inputs = InputFiles.Read(opened.Graph, inputFiles ?? []);
            string? imageInput = image is null ? null : FindImageInput(opened.Graph, inputs);
            Dictionary<string, long> dims = InputShapes.Bind(opened.Graph, inputs, settings.Shapes, settings.Dims, Defaults(opened, imageInput));
            var session = new InferenceSession(opened.Model, settings.Session(dims));
            double loadMs = stopwatch.Elapsed.TotalMilliseconds;
            try
            {
                Letterbox? letterbox = imageInput is null ? null : Fit(image!, session, imageInput, settings);
                if (letterbox is not null) inputs[imageInput!] = letterbox.Tensor;
                foreach (ValueInfo input in session.Inputs)
                    if (!inputs.ContainsKey(input.Name)) inputs[input.Name] = Fill(input, settings);
                return new ReadyModel(name, session, inputs, letterbox, loadMs);
            }
            catch
            {
                session.Dispose();
                throw;
            }
        }
        catch
        {
            opened.Dispose();
            throw;
        }
    }

    private static Datum Fill(ValueInfo input, CommonSettings settings)
    {
        if (input.Kind != "tensor") throw new InvalidInputException($"input '{input.Name}' is missing, and a {input.Kind} cannot be made up: give it with --input {input.Name}=FILE.pb");
        return SeededInput.Create(input.Name, input.DType, InputShapes.Complete(input, settings.Shapes), settings.Seed);
    }

    private static string FindImageInput(Graph graph, Dictionary<string, Datum> given)
    {
        foreach (ValueId id in graph.Inputs)
            if (graph.TensorFact(id) is { Type: DType.Float32, Shape: { Rank: 4 } shape } && (!shape[1].TryGetValue(out long channels) || channels == 3) && !given.ContainsKey(graph[id].Name))
                return graph[id].Name;
        throw new InvalidInputException($"--image: the model has no Float32[Nx3xHxW] input; it takes {string.Join(", ", graph.Inputs.Select(i => $"{graph[i].Name}: {graph.Fact(i)}"))}");
    }

    /// <summary>One picture is a batch of one.</summary>
    private static IReadOnlyDictionary<string, long> Defaults(ModelFile file, string? imageInput)
    {
        if (imageInput is null) return file.DefaultDims;
        var defaults = file.DefaultDims.ToDictionary();
        Shape shape = file.Graph.TensorFact(file.Graph.Inputs.First(i => file.Graph[i].Name == imageInput))!.Shape!.Value;
        if (!shape[0].IsKnown) defaults.TryAdd(shape[0].ToString(), 1);
        if (!shape[1].IsKnown) defaults.TryAdd(shape[1].ToString(), 3);
        return defaults;
    }

    private static Letterbox Fit(string path, InferenceSession session, string inputName, CommonSettings settings)
    {
        ValueInfo input = session.Inputs.First(i => i.Name == inputName);
        long[] dims = InputShapes.Complete(input, settings.Shapes);
        if (dims[0] != 1) throw new InvalidInputException($"--image: input '{inputName}' takes {dims[0]} pictures at once; only a batch of 1 can be given so");
        if (!File.Exists(path)) throw new InvalidInputException($"{path}: {(Directory.Exists(path) ? "is a folder, not a picture" : "no such file")}");
        try
        {
            return Letterbox.Fit(ImageDecoder.Decode(File.ReadAllBytes(path)), (int)dims[2], (int)dims[3]);
        }
        catch (InvalidInputException e)
        {
            throw new InvalidInputException($"{path}: {e.Message}", e);
        }
    }

    public void Dispose() => Session.Dispose();
}
