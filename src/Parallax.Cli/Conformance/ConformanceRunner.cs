using System.Text.Json;
using Parallax.Onnx;
using Parallax.Runtime.Memory;

namespace Parallax.Cli.Conformance;

internal enum Outcome
{
    Passed,
    Failed,
    Skipped,
}

/// <summary>What became of one test folder.</summary>
internal sealed record CaseResult(string Name, Outcome Outcome, string Reason);

/// <summary>Runs ONNX backend test folders: <c>model.onnx</c> and <c>test_data_set_*/{input,output}_*.pb</c>.</summary>
internal sealed class ConformanceRunner(SessionOptions options)
{
    private static readonly TimeSpan CaseLimit = TimeSpan.FromMinutes(2);

    /// <summary>Folders at or below <paramref name="root"/> that hold a model and a data set, in order of their names.</summary>
    internal static IEnumerable<string> FindCases(string root) =>
        Directory.EnumerateFiles(root, "model.onnx", SearchOption.AllDirectories)
            .Select(f => Path.GetDirectoryName(f)!)
            .Where(d => Directory.EnumerateDirectories(d, "test_data_set_*").Any())
            .Order(StringComparer.Ordinal);

    internal CaseResult Run(string folder, CancellationToken cancellation)
    {
        string name = Path.GetFileName(folder);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(CaseLimit);
        try
        {
            string? difference = RunDataSets(folder, limit.Token);
            return difference is null ? new CaseResult(name, Outcome.Passed, "") : new CaseResult(name, Outcome.Failed, difference);
        }
        catch (UnsupportedModelException e)
        {
            return new CaseResult(name, Outcome.Failed, $"unsupported: {e.Message}");
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return new CaseResult(name, Outcome.Failed, $"took more than {CaseLimit.TotalSeconds} s");
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            return new CaseResult(name, Outcome.Failed, e is ParallaxException ? e.Message : $"{e.GetType().Name}: {e.Message}");
        }
    }

    private string? RunDataSets(string folder, CancellationToken cancellation)
    {
        string path = Path.Combine(folder, "model.onnx");
        (double relative, double absolute) = Tolerance(folder);
        GraphProto graph = ModelProto.Parse(ModelSource.FromFile(path)).Graph;
        HashSet<string> initialized = [.. graph.Initializers.Select(i => i.Name)];
        ValueInfoProto[] inputs = [.. graph.Inputs.Where(i => !initialized.Contains(i.Name))];
        using var session = new InferenceSession(path, options);
        foreach (string set in Directory.EnumerateDirectories(folder, "test_data_set_*").Order(StringComparer.Ordinal))
        {
            var values = new Dictionary<string, Datum>();
            for (int i = 0; i < inputs.Length && File.Exists(Path.Combine(set, $"input_{i}.pb")); i++)
                values[inputs[i].Name] = DatumFile.Read(Path.Combine(set, $"input_{i}.pb"), inputs[i].Type!);
            using RunResult result = session.Run(values, cancellation);
            for (int i = 0; i < graph.Outputs.Count && File.Exists(Path.Combine(set, $"output_{i}.pb")); i++)
            {
                Datum expected = DatumFile.Read(Path.Combine(set, $"output_{i}.pb"), graph.Outputs[i].Type!);
                if (DatumComparison.Difference(expected, result[i].Value, relative, absolute) is { } difference)
                    return $"{Path.GetFileName(set)}, output '{graph.Outputs[i].Name}': {difference}";
            }
        }
        return session.Warnings.FirstOrDefault();
    }

    /// <summary>ONNX's own tolerance, or what the folder's <c>data.json</c> says instead.</summary>
    private static (double Relative, double Absolute) Tolerance(string folder)
    {
        double relative = 1e-3, absolute = 1e-7;
        string path = Path.Combine(folder, "data.json");
        if (!File.Exists(path)) return (relative, absolute);
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(path));
        if (json.RootElement.TryGetProperty("rtol", out JsonElement r)) relative = r.GetDouble();
        if (json.RootElement.TryGetProperty("atol", out JsonElement a)) absolute = a.GetDouble();
        return (relative, absolute);
    }
}
