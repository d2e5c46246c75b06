using System.Text;
using Parallax.Planning;

namespace Parallax.Runtime.Calibration;

/// <summary>
/// What was measured, in a file of one line each that is only ever added to: whoever is interrupted goes on where the file ends. A last line that is not whole
/// is cut off. One writer at a time; not thread-safe.
/// </summary>
public sealed class MeasurementLog : IDisposable
{
    private readonly string? path;
    private readonly MeasurementHeader header;
    private readonly List<Measurement> measurements = [];
    private readonly HashSet<(string Device, string Problem, int Units)> known = [];
    private long wholeBytes;
    private FileStream? stream;

    private MeasurementLog(string? path, MeasurementHeader header) => (this.path, this.header) = (path, header);

    /// <summary>Where the measurements behind a profile lie.</summary>
    public static string PathFor(string profile) => System.IO.Path.ChangeExtension(profile, ".measurements.jsonl");

    /// <summary>A log in memory alone.</summary>
    internal static MeasurementLog InMemory(string machine, int seed) => new(null, new MeasurementHeader(MeasurementHeader.CurrentFormat, machine, seed));

    /// <summary>Opens the measurements of a machine; the file is made with the first that is added.</summary>
    /// <param name="seed">Of the problems; measurements with another seed do not fit.</param>
    /// <param name="fresh">Whether what is in the file is to be forgotten.</param>
    /// <exception cref="InvalidInputException">The file holds something else, or another machine's measurements, or cannot be read.</exception>
    public static MeasurementLog Open(string path, string machine, int seed, bool fresh)
    {
        var log = new MeasurementLog(path, new MeasurementHeader(MeasurementHeader.CurrentFormat, machine, seed));
        try
        {
            if (Directory.Exists(path)) throw new InvalidInputException($"{path}: is a folder, not a file of measurements");
            if (fresh) File.Delete(path);
            else if (File.Exists(path)) log.Read(File.ReadAllText(path));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidInputException($"{path}: {e.Message}", e);
        }
        return log;
    }

    /// <summary>In the order in which they were taken.</summary>
    public IEnumerable<LatencySample> Samples => measurements.Where(m => m.Sample is not null).Select(m => m.Sample!);

    /// <summary>The latest constants of the CPU with so many workers.</summary>
    internal CostModel? Cpu(int workers) => measurements.LastOrDefault(m => m.Cpu?.Workers == workers)?.Cpu!.Model;

    /// <summary>The latest constants of each device that was ever measured.</summary>
    internal IEnumerable<AcceleratorModel> Accelerators => measurements.Where(m => m.Accelerator is not null).Select(m => m.Accelerator!).Reverse().DistinctBy(a => (a.Name, a.Device)).Reverse();

    /// <summary>The latest constants of a device.</summary>
    internal AcceleratorModel? Accelerator(string name, string device) => Accelerators.FirstOrDefault(a => a.Name == name && a.Device == device);

    /// <summary>Whether that was measured, or found not to be measurable.</summary>
    internal bool Has(string device, string problem, int units) => known.Contains((device, problem, units));

    /// <summary>Adds measurements and sees to it that they outlast the process.</summary>
    /// <exception cref="InvalidInputException">The file cannot be written.</exception>
    internal void Add(params IReadOnlyCollection<Measurement> added)
    {
        if (added.Count == 0) return;
        foreach (Measurement measurement in added) Remember(measurement);
        if (path is null) return;
        try
        {
            if (stream is null) Begin();
            foreach (Measurement measurement in added) Write(measurement);
            stream!.Flush();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidInputException($"{path}: cannot be written: {e.Message}", e);
        }
    }

    private void Begin()
    {
        if (System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path!)) is { Length: > 0 } folder) Directory.CreateDirectory(folder);
        stream = new FileStream(path!, FileMode.OpenOrCreate, FileAccess.Write, FileShare.Read);
        stream.SetLength(wholeBytes);
        stream.Seek(wholeBytes, SeekOrigin.Begin);
        if (wholeBytes == 0) Write(new Measurement(Header: header));
    }

    private void Write(Measurement measurement) => stream!.Write(Encoding.UTF8.GetBytes(measurement.ToLine() + "\n"));

    private void Read(string text)
    {
        int start = 0;
        for (int number = 1; text.IndexOf('\n', start) is var end and >= 0; number++, start = end + 1)
        {
            Measurement read = Measurement.FromLine(text[start..end]) ?? throw new InvalidInputException($"{path}: line {number} is no measurement; --fresh begins anew");
            if (number == 1) Check(read.Header);
            else Remember(read);
        }
        wholeBytes = Encoding.UTF8.GetByteCount(text.AsSpan(0, start));
    }

    private void Check(MeasurementHeader? found)
    {
        string? why = found is null ? "holds no measurements"
            : found.Format != header.Format ? $"holds measurements of format {found.Format}, this program takes {header.Format}"
            : found.Machine != header.Machine ? $"holds measurements of another machine: {found.Machine}"
            : found.Seed != header.Seed ? $"holds measurements of the problems of seed {found.Seed}"
            : null;
        if (why is not null) throw new InvalidInputException($"{path}: {why}; --fresh begins anew");
    }

    private void Remember(Measurement measurement)
    {
        measurements.Add(measurement);
        if (measurement.Sample is { } sample) known.Add((sample.Device, sample.Problem, sample.Units));
        if (measurement.Skipped is { } skipped) known.Add((skipped.Device, skipped.Problem, skipped.Units));
    }

    public void Dispose() => stream?.Dispose();
}
