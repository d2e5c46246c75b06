using Parallax.Cli;
using Xunit;

namespace Parallax.Tests.Cli;

/// <summary>What a command line printed, and how it ended.</summary>
internal sealed record CliRun(int Code, string Output, string Error)
{
    internal static CliRun Of(params string[] args) => Of(CancellationToken.None, args);

    internal static CliRun Of(CancellationToken cancellation, params string[] args)
    {
        using StringWriter output = new(), error = new();
        int code = Program.RunAsync(args, output, error, cancellation).GetAwaiter().GetResult();
        return new CliRun(code, output.ToString(), error.ToString());
    }

    /// <summary>A refused call: exit code 2 and one line that holds all of <paramref name="parts"/>.</summary>
    internal static string Refused(string[] args, params string[] parts)
    {
        CliRun run = Of(args);
        Assert.Equal("", run.Output);
        string line = Assert.Single(run.Error.TrimEnd('\r', '\n').Split('\n'));
        Assert.StartsWith("parallax: ", line);
        Assert.DoesNotContain("internal error", line);
        foreach (string part in parts) Assert.Contains(part, line);
        Assert.Equal(2, run.Code);
        return line;
    }
}

/// <summary>A folder that vanishes with the test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    internal string Path { get; } = Directory.CreateTempSubdirectory("parallax-cli-").FullName;

    internal string this[string name] => System.IO.Path.Combine(Path, name);

    internal string Write(string name, byte[] bytes)
    {
        File.WriteAllBytes(this[name], bytes);
        return this[name];
    }

    internal string Write(string name, Tensor tensor)
    {
        Npy.Write(this[name], tensor);
        return this[name];
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
