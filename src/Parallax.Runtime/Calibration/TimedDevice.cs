using Parallax.Graphs;
using Parallax.Planning;

namespace Parallax.Runtime.Calibration;

/// <summary>A device whose times are sampled.</summary>
internal interface ITimedDevice
{
    string Name { get; }

    /// <summary>The numbers of workers to be measured; of an accelerator, the one number of its compute units.</summary>
    IReadOnlyList<int> Units { get; }

    /// <summary>Prepares the operator of a graph of one; null where the device cannot compute it.</summary>
    ITimedOperator? Prepare(Graph graph);
}

/// <summary>An operator that is ready to be timed.</summary>
internal interface ITimedOperator : IDisposable
{
    KernelFacts Kernel { get; }

    /// <summary>Whether so many units all have something to do.</summary>
    bool Occupies(int units);

    /// <summary>Runs once.</summary>
    /// <returns>What that took in microseconds, dispatch and copies to and from a device left out.</returns>
    double RunUs(int units);
}
