namespace Parallax.Kernels;

/// <summary>
/// How the sums of neighbouring lanes become results: the numbers of a <see cref="RowScale"/> for each lane, each kind one behind another as vectors read them, in memory that belongs to somebody else.
/// Behind the last lane there are some up to a whole line, for which all results are 0.
/// </summary>
internal readonly unsafe struct LaneScales
{
    internal readonly double* Factors, Addends;
    internal readonly float* RoughFactors, RoughAddends, Safe;

    /// <summary>What is added to sums, which <see cref="Find"/> expects.</summary>
    internal readonly int* Adds;

    private readonly int lanes;

    /// <param name="memory">As many bytes as <see cref="BytesOf"/> says.</param>
    internal LaneScales(byte* memory, int lanes)
    {
        long padded = Vec.WholeLineElements(lanes);
        this.lanes = lanes;
        Factors = (double*)memory;
        Addends = Factors + padded;
        RoughFactors = (float*)(Addends + padded);
        RoughAddends = RoughFactors + padded;
        Safe = RoughAddends + padded;
        Adds = (int*)(Safe + padded);
    }

    internal static long BytesOf(int lanes) => Vec.WholeLineElements(lanes) * (4 * sizeof(float) + 2 * sizeof(double));

    /// <summary>Finds all but what is added for the output channels of a convolution from one on.</summary>
    internal void Find(QuantizedTypes types, in Requantizer requantizer, int channel, in KernelArgs args)
    {
        var scales = new ResultScales(types, args);
        for (int lane = 0; lane < lanes; lane++)
        {
            (double factor, double addend) = scales.At(channel + lane, 0, channel + lane);
            RowScale scale = requantizer.ScaleOf(Adds[lane], factor, addend);
            (Factors[lane], Addends[lane]) = (factor, addend);
            (RoughFactors[lane], RoughAddends[lane], Safe[lane]) = (scale.RoughFactor, scale.RoughAddend, scale.Safe);
        }
        for (long lane = lanes; lane < Vec.WholeLineElements(lanes); lane++)
        {
            (Adds[lane], Factors[lane], Addends[lane]) = (0, 0, 0);
            (RoughFactors[lane], RoughAddends[lane], Safe[lane]) = (0, 0, float.PositiveInfinity);
        }
    }
}
