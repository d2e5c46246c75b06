using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>How padding is chosen: given, none, or as much as keeps ceil(input / stride) results, the odd one at the end (upper) or at the start (lower).</summary>
public enum AutoPad
{
    NotSet,
    Valid,
    SameUpper,
    SameLower,
}

/// <summary>
/// The window that pooling and convolution slide over the spatial axes. Axes count spatial axes only, from 0.
/// An empty list stands for its default on every axis: stride 1, dilation 1, no padding; an empty kernel must be filled with
/// <see cref="WithKernel"/> before shapes are asked for.
/// </summary>
/// <param name="Kernel">Taps per axis.</param>
/// <param name="Pads">Starts of all axes, then ends of all axes; read only where <paramref name="AutoPad"/> is <see cref="AutoPad.NotSet"/>.</param>
/// <param name="CeilMode">Whether a last window that is only partly inside counts, provided that it starts inside the input or its leading padding.</param>
public sealed record SpatialWindow(
    ImmutableArray<long> Kernel,
    ImmutableArray<long> Strides,
    ImmutableArray<long> Dilations,
    ImmutableArray<long> Pads,
    AutoPad AutoPad = AutoPad.NotSet,
    bool CeilMode = false)
{
    /// <summary>Spatial axes, as far as any list tells; 0 where all are empty.</summary>
    public int Rank => Math.Max(Math.Max(Kernel.Length, Strides.Length), Math.Max(Dilations.Length, Pads.Length / 2));

    public SpatialWindow WithKernel(ImmutableArray<long> kernel) => this with { Kernel = kernel };

    public long Stride(int axis) => Strides.IsEmpty ? 1 : Strides[axis];

    public long Dilation(int axis) => Dilations.IsEmpty ? 1 : Dilations[axis];

    /// <summary>Elements from the first tap to the last, both included.</summary>
    public long Extent(int axis) => (Kernel[axis] - 1) * Dilation(axis) + 1;

    /// <summary>Throws unless all lists fit <paramref name="rank"/> spatial axes and say something possible.</summary>
    public void Check(int rank)
    {
        Check("kernel_shape", Kernel, rank, least: 1);
        if (!Strides.IsEmpty) Check("strides", Strides, rank, least: 1);
        if (!Dilations.IsEmpty) Check("dilations", Dilations, rank, least: 1);
        if (!Pads.IsEmpty) Check("pads", Pads, 2 * rank, least: 0);
    }

    /// <summary>Results along an axis.</summary>
    public Dim Output(int axis, Dim input)
    {
        long stride = Stride(axis);
        if (AutoPad is AutoPad.SameUpper or AutoPad.SameLower) return Dim.CeilDiv(input, stride);
        (long begin, long end) = ExplicitPads(axis);
        Dim slack = input + begin + end - Extent(axis);
        if (slack.TryGetValue(out long known) && known < 0 && !(CeilMode && known > -stride))
            throw new InvalidModelException($"a window of {Extent(axis)} does not fit input {input} padded by {begin} and {end} on spatial axis {axis}");
        if (!CeilMode || AutoPad == AutoPad.Valid) return Dim.FloorDiv(slack, stride) + 1;
        Dim count = Dim.CeilDiv(slack, stride) + 1;
        return count.IsKnown && input.IsKnown && (count.Value - 1) * stride >= input.Value + begin ? count - 1 : count;
    }

    /// <summary>Padding before and after an axis of <paramref name="input"/> elements.</summary>
    public (long Begin, long End) PadsOf(int axis, long input)
    {
        if (AutoPad is AutoPad.NotSet or AutoPad.Valid) return ExplicitPads(axis);
        long outputs = Output(axis, input).Value;
        long total = Math.Max(0, (outputs - 1) * Stride(axis) + Extent(axis) - input);
        long less = total / 2;
        return AutoPad == AutoPad.SameUpper ? (less, total - less) : (total - less, less);
    }

    /// <summary>Shape of the results: the first two dims as given, then one dim per spatial axis of <paramref name="input"/> (rank 3 or more).</summary>
    public Shape Output(Shape input, Dim batch, Dim channels)
    {
        int rank = input.Rank - 2;
        Check(rank);
        var dims = ImmutableArray.CreateBuilder<Dim>(input.Rank);
        dims.Add(batch);
        dims.Add(channels);
        for (int i = 0; i < rank; i++) dims.Add(Output(i, input[i + 2]));
        return new Shape(dims.MoveToImmutable());
    }

    public bool Equals(SpatialWindow? other) => other is not null && AutoPad == other.AutoPad && CeilMode == other.CeilMode
        && Kernel.SequenceEqual(other.Kernel) && Strides.SequenceEqual(other.Strides)
        && Dilations.SequenceEqual(other.Dilations) && Pads.SequenceEqual(other.Pads);

    public override int GetHashCode()
    {
        var hash = new HashCode();
        foreach (long value in Kernel) hash.Add(value);
        foreach (long value in Strides) hash.Add(value);
        foreach (long value in Pads) hash.Add(value);
        hash.Add(AutoPad);
        return hash.ToHashCode();
    }

    /// <summary><c>3x3 stride 2x2 pads 1,1,1,1</c>: only what differs from the defaults.</summary>
    public override string ToString() => string.Join('x', Kernel)
        + (Strides.All(s => s == 1) ? "" : $" stride {string.Join('x', Strides)}")
        + (Dilations.All(d => d == 1) ? "" : $" dilation {string.Join('x', Dilations)}")
        + (AutoPad != AutoPad.NotSet ? $" {AutoPad}" : Pads.All(p => p == 0) ? "" : $" pads {string.Join(',', Pads)}")
        + (CeilMode ? " ceil" : "");

    private (long Begin, long End) ExplicitPads(int axis) =>
        AutoPad == AutoPad.Valid || Pads.IsEmpty ? (0, 0) : (Pads[axis], Pads[Pads.Length / 2 + axis]);

    private static void Check(string name, ImmutableArray<long> values, int count, long least)
    {
        if (values.Length != count) throw new InvalidModelException($"{name} must have {count} entries, got {values.Length}");
        foreach (long value in values)
            if (value < least) throw new InvalidModelException($"{name} must be {least} or more, got {value}");
    }
}
