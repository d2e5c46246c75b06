using Parallax.Kernels;

namespace Parallax.OpenCL.Bindings;

/// <summary>
/// A plane of a convolution's input with its padding, laid out so that the places which a tap sees for neighbouring results are neighbours: for each phase of the
/// strides, rows of every stride-th column of every stride-th row. The results are the first columns of the first rows of such a phase.
/// </summary>
/// <param name="Height">Trivial for signals, which are one row.</param>
internal readonly record struct PaddedPlanes(WindowAxis Height, WindowAxis Width)
{
    /// <summary>Elements from one plane of the input to the next.</summary>
    internal long InputStride { get; private init; } = Height.Input * Width.Input;

    /// <summary>Elements of a plane of the input before those that are seen.</summary>
    internal long FirstInput { get; private init; }

    /// <summary>Elements from one plane of results to the next.</summary>
    internal long ResultStride { get; private init; } = Height.Output * Width.Output;

    /// <summary>Results of a plane before those that are computed.</summary>
    internal long FirstResult { get; private init; }

    /// <summary>What some rows of the results see, or some places of a signal's.</summary>
    internal PaddedPlanes Part(OutputPart rows, bool isSignal)
    {
        (WindowAxis axis, long first) = (isSignal ? Width : Height).Part(rows.First, rows.Count);
        return isSignal
            ? this with { Width = axis, FirstInput = first, FirstResult = rows.First }
            : this with { Height = axis, FirstInput = first * Width.Input, FirstResult = rows.First * Width.Output };
    }

    /// <summary>Where the results of some channels begin.</summary>
    internal long FirstByteOf(OutputPart channels) => (channels.First * ResultStride + FirstResult) * sizeof(float);

    internal long Taps => Height.Kernel * Width.Kernel;

    internal long Results => Height.Output * Width.Output;

    /// <summary>Phases that taps see.</summary>
    internal long PhaseRows => PhasesOf(Height);

    internal long PhaseColumns => PhasesOf(Width);

    internal long Phases => PhaseRows * PhaseColumns;

    internal long Rows => Height.Output + ReachOf(Height);

    internal long RowLength => Width.Output + ReachOf(Width);

    /// <summary>Of a plane, all phases together.</summary>
    internal long Elements => Phases * Rows * RowLength;

    /// <summary>Places from the first result to the last, with those between the rows.</summary>
    internal long Places => Results == 0 ? 0 : (Height.Output - 1) * RowLength + Width.Output;

    /// <summary>Whether the input already lies so, and no place lies between results.</summary>
    internal bool AreAsGiven => Height.PassesThrough && Width.PassesThrough;

    /// <summary>For each input channel and tap, the place that the first result sees.</summary>
    internal int[] TapOffsets(long channels)
    {
        var offsets = new int[channels * Taps];
        int i = 0;
        for (long channel = 0; channel < channels; channel++)
            for (long k = 0; k < Height.Kernel; k++)
                for (long l = 0; l < Width.Kernel; l++)
                {
                    long phase = k * Height.Dilation % Height.Stride * PhaseColumns + l * Width.Dilation % Width.Stride;
                    long row = phase * Rows + k * Height.Dilation / Height.Stride;
                    offsets[i++] = (int)(channel * Elements + row * RowLength + l * Width.Dilation / Width.Stride);
                }
        return offsets;
    }

    private static long ReachOf(WindowAxis axis) => axis.Kernel == 0 ? 0 : (axis.Kernel - 1) * axis.Dilation / axis.Stride;

    private static long PhasesOf(WindowAxis axis)
    {
        long most = 0;
        for (long k = 0; k < axis.Kernel; k++) most = Math.Max(most, k * axis.Dilation % axis.Stride);
        return most + 1;
    }
}
