namespace Parallax.Kernels;

/// <summary>
/// How signals, the rows of an image or the one row of a signal, are cut into tiles of m results, m elements apart. The tiles of a signal are followed by some that have no results: then the elements that
/// a tile shares with those behind it are, for all tiles, the first ones of the next lanes, and lanes need not know where a signal ends.
/// </summary>
internal sealed class SignalTiling : WinogradTiling
{
    internal SignalTiling(ConvProblem problem, GemmMicroKernel entry) : base(problem, entry, SignalTransform.Tile, LanesOf(problem))
    {
        Axis = problem.Axes[SignalTransform.AxisOf(problem)];
        Results = SignalTransform.ResultsOf(Axis.Kernel);
        Reach = ReachOf(Results);
        SignalLanes = SignalLanesOf(Axis);
    }

    internal WindowAxis Axis { get; }

    /// <summary>m.</summary>
    internal int Results { get; }

    /// <summary>How many lanes further the last element of a tile lies.</summary>
    internal int Reach { get; }

    /// <summary>Lanes from the first of one signal to the first of the next.</summary>
    internal int SignalLanes { get; }

    internal override int Filters => SignalTransform.Tile;

    internal override int FilterOf(int element) => element;

    /// <summary>Lanes of all signals of a channel.</summary>
    internal static int LanesOf(ConvProblem problem)
    {
        WindowAxis axis = problem.Axes[SignalTransform.AxisOf(problem)];
        return checked((int)(problem.OutputPlane / Math.Max(1, axis.Output) * SignalLanesOf(axis)));
    }

    private static int SignalLanesOf(WindowAxis axis)
    {
        int results = SignalTransform.ResultsOf(axis.Kernel);
        return (int)((axis.Output + results - 1) / results) + ReachOf(results);
    }

    private static int ReachOf(int results) => (SignalTransform.Tile - 1) / results;
}
