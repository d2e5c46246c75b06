using System.Globalization;

namespace Parallax.Bench.CoExecution;

/// <summary>How the evaluation is called.</summary>
/// <param name="Profile">The device profile; null for the one at the default place.</param>
/// <param name="Shapes">Layers of each family.</param>
/// <param name="Seconds">About how long one layer is measured.</param>
/// <param name="Layers">Layers that are measured instead, named as the table shows them, whether predictors were trained on them or not; null for those that no predictor was trained on.</param>
/// <param name="Json">Where all numbers are written; null for nowhere.</param>
internal sealed record CoExecutionOptions(string? Profile = null, int Shapes = 44, double Seconds = 4, string? Json = null, string[]? Layers = null)
{
    internal const string Usage = "coexecution [--profile FILE] [--shapes N] [--seconds S] [--layers LAYER;...] [--quick] [--json FILE]";

    /// <exception cref="InvalidInputException">The call is not like <see cref="Usage"/>.</exception>
    internal static CoExecutionOptions Read(ReadOnlySpan<string> args)
    {
        var options = new CoExecutionOptions();
        for (int i = 0; i < args.Length; i++)
        {
            string name = args[i];
            if (name == "--quick")
            {
                options = options with { Shapes = 8, Seconds = 2 };
                continue;
            }
            if (name is not ("--profile" or "--json" or "--shapes" or "--seconds" or "--layers") || i + 1 == args.Length) throw new InvalidInputException($"'{name}': the call is {Usage}");
            string value = args[++i];
            options = name switch
            {
                "--profile" => options with { Profile = value },
                "--json" => options with { Json = value },
                "--layers" => options with { Layers = value.Split(';', StringSplitOptions.TrimEntries) },
                "--shapes" when int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int shapes) && shapes > 0 => options with { Shapes = shapes },
                "--seconds" when double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out double seconds) && seconds > 0 => options with { Seconds = seconds },
                _ => throw new InvalidInputException($"{name} must be a number above 0, got '{value}'"),
            };
        }
        return options;
    }
}
