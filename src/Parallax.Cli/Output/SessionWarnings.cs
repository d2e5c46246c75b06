namespace Parallax.Cli.Output;

/// <summary>What went wrong without failing a run.</summary>
internal static class SessionWarnings
{
    internal static void Print(TextWriter error, string model, IReadOnlyList<string> warnings)
    {
        foreach (string warning in warnings) error.WriteLine($"parallax: {model}: {warning}");
    }
}
