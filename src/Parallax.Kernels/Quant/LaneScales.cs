using System.Runtime.InteropServices;

namespace Parallax.Kernels;

/// <summary>
/// How the sums of neighbouring lanes become results, one after another as a vector reads them: the numbers of a <see cref="RowScale"/> for each lane, in native memory. Found once, where all that
/// they follow from is constant. Behind the last lane there are lanes of zeros up to a whole line.
/// </summary>
internal sealed unsafe class LaneScales : IDisposable
{
    private readonly byte* memory;

    internal LaneScales(int lanes)
    {
        long padded = Vec.WholeLineElements(lanes), bytes = padded * (4 * sizeof(float) + 2 * sizeof(double));
        memory = (byte*)NativeMemory.AlignedAlloc((nuint)Math.Max(bytes, Vec.LineBytes), Vec.LineBytes);
        Factors = (double*)memory;
        Addends = Factors + padded;
        RoughFactors = (float*)(Addends + padded);
        RoughAddends = RoughFactors + padded;
        Safe = RoughAddends + padded;
        Adds = (int*)(Safe + padded);
        for (int lane = lanes; lane < padded; lane++)
        {
            Set(lane, default);
            Safe[lane] = float.PositiveInfinity;
        }
    }

    /// <summary>Those of a convolution's output channels.</summary>
    /// <param name="adds">What is added to the sums of each.</param>
    internal static LaneScales Of(ConvProblem problem, QuantizedTypes types, in KernelArgs constants, ReadOnlySpan<int> adds)
    {
        var found = new LaneScales(problem.OutputChannels);
        var scales = new ResultScales(types, constants);
        Requantizer requantizer = types.Requantizer(constants);
        for (int channel = 0; channel < problem.OutputChannels; channel++)
        {
            (double factor, double addend) = scales.At(channel, 0, channel);
            found.Set(channel, requantizer.ScaleOf(adds[channel], factor, addend));
        }
        return found;
    }

    internal int* Adds { get; }

    internal double* Factors { get; }

    internal double* Addends { get; }

    internal float* RoughFactors { get; }

    internal float* RoughAddends { get; }

    internal float* Safe { get; }

    internal void Set(int lane, in RowScale scale)
    {
        (Adds[lane], Factors[lane], Addends[lane]) = (scale.Add, scale.Factor, scale.Addend);
        (RoughFactors[lane], RoughAddends[lane], Safe[lane]) = (scale.RoughFactor, scale.RoughAddend, scale.Safe);
    }

    public void Dispose() => NativeMemory.AlignedFree(memory);
}
