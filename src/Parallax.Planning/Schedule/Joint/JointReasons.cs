using System.Globalization;

namespace Parallax.Planning;

/// <summary>Says in numbers why an operator is where it is.</summary>
internal static class JointReasons
{
    internal static string Why(JointProblem problem, int op, JointChoice choice)
    {
        JointOperator of = problem.Operators[op];
        string cpu = Us(of.CpuUs.Min()), device = of.FitsDevice ? $"{Us(of.DeviceUs)} on the device" : "the device cannot run it";
        return choice.Side switch
        {
            Side.Cpu => $"{Workers(choice.Workers)}: {Us(of.CpuUs[choice.Workers - 1])} on the CPU, {device}",
            Side.Device => $"device: {Us(of.DeviceUs)}, {cpu} on the CPU",
            _ => Split(of, choice, cpu, device),
        };
    }

    private static string Split(JointOperator of, JointChoice choice, string cpu, string device)
    {
        SplitAxis axis = of.AxisOf(choice.Axis);
        return string.Create(CultureInfo.InvariantCulture,
            $"split {OutputAxes.NameOf(axis.Axis)} at {choice.Cut} of {axis.Extent}: {Us(axis.CpuUs(choice.Cut, choice.Workers))} on {Workers(choice.Workers)} beside {Us(axis.DeviceUs(choice.Cut))} on the device; whole {cpu} on the CPU, {device}");
    }

    private static string Workers(int count) => count == 1 ? "1 worker" : string.Create(CultureInfo.InvariantCulture, $"{count} workers");

    private static string Us(double us) => string.Create(CultureInfo.InvariantCulture, $"{us:0.#} us");
}
