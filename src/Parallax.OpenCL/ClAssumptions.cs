using Parallax.Planning;

namespace Parallax.OpenCL;

/// <summary>What is assumed of a device that was never measured. The paper's thresholds hold: only large regions with small boundaries are worth a try.</summary>
internal static class ClAssumptions
{
    /// <summary>What a driver says that does not tell its clock.</summary>
    private const int UsualClockMhz = 500;

    internal static AcceleratorModel Of(string name, ClDevice device, ClSharing sharing)
    {
        // A unit of a GPU has 32 to 128 lanes, of which plain kernels keep a quarter busy; one of a CPU computes vectors of 8 or so, less what tiling costs.
        int macsPerCycle = device.Kind == ClDeviceKind.Cpu ? 3 : 16;
        double hertz = 1e6 * (device.ClockMhz > 0 ? device.ClockMhz : UsualClockMhz);
        return AcceleratorModel.Snapdragon8Gen1 with
        {
            Name = name,
            LatencyUs = sharing == ClSharing.FineGrainedAtomics ? 100 : 200,
            MacsPerSecond = Math.Max(1, device.ComputeUnits) * hertz * macsPerCycle,
            BytesPerSecond = sharing == ClSharing.Copied ? 5e9 : 20e9,
            CpuMacsPerSecond = null,
            Units = Math.Max(1, device.ComputeUnits),
        };
    }

    internal static string Describe(ClSharing sharing) => sharing switch
    {
        ClSharing.FineGrainedAtomics => "fine-grained shared memory with atomics",
        ClSharing.FineGrained => "fine-grained shared memory",
        _ => "copies",
    };
}
