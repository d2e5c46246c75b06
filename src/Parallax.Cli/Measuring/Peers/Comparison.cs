using Parallax.Cli.Commands;
using Parallax.Cli.Conformance;
using Parallax.Cli.Models;
using Parallax.Cli.Output;

namespace Parallax.Cli.Measuring.Peers;

/// <summary>A model that runs here and in ONNX Runtime beside: the same file, the same inputs, the same number of threads.</summary>
internal sealed class Comparison : IDisposable
{
    /// <summary>Timed runs of one side before the other's turn.</summary>
    internal const int Turn = 5;

    private const string Zoo = "zoo:";

    private readonly string folder = Directory.CreateTempSubdirectory("parallax-compare-").FullName;
    private readonly string library, file;
    private PeerProcess? peer;

    /// <param name="library">ONNX Runtime's library.</param>
    internal Comparison(string library, string model, CommonSettings settings, CancellationToken cancellation)
    {
        this.library = library;
        file = model;
        if (!model.StartsWith(Zoo, StringComparison.Ordinal)) return;
        file = Path.Combine(folder, "model.onnx");
        string[] options = ModelFile.IsDynamic(model, settings.Dims) ? ["--dynamic"] : [];
        SelfProcess.Run(["zoo", "export", model, file, .. options], cancellation); // elsewhere: what building it takes is not what loading it takes
    }

    /// <summary>The model as a file; one of the zoo was exported.</summary>
    internal string File => file;

    /// <summary>Starts the other side.</summary>
    internal PeerProcess Start(ReadyModel model, int threads, CancellationToken cancellation)
    {
        foreach ((string name, Datum datum) in model.Inputs)
            Npy.Write(Path.Combine(folder, $"{FileSafeName.Of(name)}.npy"), datum as Tensor ?? throw new InvalidInputException($"--compare: input '{name}' is {datum}; only tensors can be compared"));
        return peer = PeerProcess.Start(library, file, folder, threads, model.Session.Options.Dimensions, cancellation);
    }

    /// <summary>The largest difference of the other side's outputs from these, relative to an output's largest magnitude.</summary>
    internal double Difference(RunResult ours)
    {
        double worst = 0;
        foreach ((string name, Datum datum) in ours)
        {
            Tensor theirs = Npy.Read(Path.Combine(folder, PeerCommand.OutputFolder, $"{FileSafeName.Of(name)}.npy"));
            worst = Math.Max(worst, datum is Tensor tensor ? Difference(Npy.Widened(tensor), theirs) : double.PositiveInfinity);
        }
        return worst;
    }

    private static double Difference(Tensor ours, Tensor theirs)
    {
        if (ours.DType != theirs.DType || !ours.Dims.SequenceEqual(theirs.Dims)) return double.PositiveInfinity;
        double[] a = ElementReader.ToDoubles(ours), b = ElementReader.ToDoubles(theirs);
        double worst = 0, largest = 0;
        for (int i = 0; i < a.Length; i++)
        {
            double gap = a[i].Equals(b[i]) ? 0 : Math.Abs(a[i] - b[i]);
            worst = Math.Max(worst, double.IsNaN(gap) ? double.PositiveInfinity : gap);
            if (double.IsFinite(b[i])) largest = Math.Max(largest, Math.Abs(b[i]));
        }
        return worst == 0 ? 0 : worst / largest;
    }

    public void Dispose()
    {
        peer?.Dispose();
        Directory.Delete(folder, recursive: true);
    }
}
