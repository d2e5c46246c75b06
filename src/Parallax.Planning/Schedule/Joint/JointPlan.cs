using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace Parallax.Planning;

/// <summary>One operator's place, and why it is there.</summary>
/// <param name="StartUs">When the first side is predicted to begin.</param>
/// <param name="EndUs">When both sides are predicted to be done.</param>
public sealed record JointPlacement(string Name, JointChoice Choice, double StartUs, double EndUs, string Why);

/// <summary>Which operators the CPU runs and with how many workers, which the device runs, and which are split between them and where.</summary>
/// <param name="Placements">By operator.</param>
/// <param name="CpuUs">The whole on the CPU alone.</param>
/// <param name="DeviceUs">The whole on the device, but for what it cannot run.</param>
/// <param name="EachForItselfUs">Every operator where it alone would be fastest.</param>
/// <param name="Evaluations">Schedules that were looked at.</param>
public sealed record JointPlan(ImmutableArray<JointPlacement> Placements, double PredictedUs, double CpuUs, double DeviceUs, double EachForItselfUs, int Evaluations)
{
    public string Dump()
    {
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture,
            $"joint plan: {PredictedUs:0.#} us; CPU alone {CpuUs:0.#} us, device {DeviceUs:0.#} us, each operator for itself {EachForItselfUs:0.#} us; {Evaluations} schedules looked at");
        foreach (JointPlacement p in Placements)
            text.AppendLine(CultureInfo.InvariantCulture, $"  {p.StartUs,10:0.0} .. {p.EndUs,10:0.0}  {p.Name}: {p.Why}");
        return text.ToString();
    }
}
