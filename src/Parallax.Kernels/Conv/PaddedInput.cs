using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Parallax.Kernels;

/// <summary>
/// One axis of a padded copy. A stride s splits the axis: element u of the padded axis lies in part u mod s at u / s, so that what
/// neighbouring results read at one tap lies side by side. Only the parts that some tap reads are kept.
/// </summary>
internal sealed class PaddedAxis
{
    private readonly int[] slotOfPart;

    internal PaddedAxis(int input, int padBegin, int stride, int length, IEnumerable<int> usedParts)
    {
        Input = input;
        PadBegin = padBegin;
        Stride = stride;
        Length = length;
        Parts = [.. usedParts.Distinct().Order()];
        slotOfPart = new int[stride];
        for (int i = 0; i < Parts.Length; i++) slotOfPart[Parts[i]] = i;
    }

    internal static PaddedAxis For(WindowAxis axis)
    {
        int stride = (int)axis.Stride, reach = (int)((axis.Kernel - 1) * axis.Dilation);
        return new PaddedAxis((int)axis.Input, (int)axis.PadBegin, stride, (int)axis.Output + reach / stride,
            Enumerable.Range(0, (int)axis.Kernel).Select(tap => (int)(tap * axis.Dilation % stride)));
    }

    internal int Input { get; }
    internal int PadBegin { get; }
    internal int Stride { get; }

    /// <summary>Elements of one part.</summary>
    internal int Length { get; }

    internal int[] Parts { get; }

    /// <summary>Slot of the part, and place in it, of element <paramref name="u"/> of the padded axis.</summary>
    internal (int Slot, int Place) Locate(int u) => (slotOfPart[u % Stride], u / Stride);

    /// <summary>The places of a part that hold input: from First to End.</summary>
    internal (int First, int End) Inside(int part)
    {
        int first = Math.Max(0, (PadBegin - part + Stride - 1) / Stride);
        int end = PadBegin + Input - part <= 0 ? 0 : (PadBegin + Input - part + Stride - 1) / Stride;
        end = Math.Min(end, Length);
        return (Math.Min(first, Math.Max(end, 0)), Math.Max(end, 0));
    }
}

/// <summary>
/// Copies channels into a padded form in which every tap of a window is a constant distance from the place of its result: convolutions
/// over it need no bounds and no strides. A channel is laid out [z slot][y slot][x slot][z][y][x].
/// </summary>
internal sealed unsafe class PaddedInput(PaddedAxis z, PaddedAxis y, PaddedAxis x)
{
    /// <summary>Elements that vector loads may read behind the last channel.</summary>
    internal const int Slack = 32;

    internal static PaddedInput For(WindowAxis[] axes) => new(PaddedAxis.For(axes[0]), PaddedAxis.For(axes[1]), PaddedAxis.For(axes[2]));

    internal int RowStride => x.Length;

    internal int PlaneStride(int rows) => rows * x.Length;

    internal int Rows => y.Length;

    /// <summary>Elements of a channel of which only <paramref name="rows"/> rows of each y part are kept.</summary>
    internal int ChannelElements(int rows) => checked(z.Parts.Length * y.Parts.Length * x.Parts.Length * z.Length * rows * x.Length);

    /// <summary>Distance from a result's place (0 for the first result) to the element at (uz, uy, ux) of the padded window.</summary>
    internal int Offset(int uz, int uy, int ux, int rows)
    {
        (int zSlot, int zPlace) = z.Locate(uz);
        (int ySlot, int yPlace) = y.Locate(uy);
        (int xSlot, int xPlace) = x.Locate(ux);
        return checked((((zSlot * y.Parts.Length + ySlot) * x.Parts.Length + xSlot) * z.Length + zPlace) * rows * x.Length + yPlace * x.Length + xPlace);
    }

    /// <summary>Distances of all taps of a window.</summary>
    internal int[] TapOffsets(WindowAxis[] axes, int rows)
    {
        var offsets = new List<int>();
        for (int kz = 0; kz < axes[0].Kernel; kz++)
            for (int ky = 0; ky < axes[1].Kernel; ky++)
                for (int kx = 0; kx < axes[2].Kernel; kx++)
                    offsets.Add(Offset(kz * (int)axes[0].Dilation, ky * (int)axes[1].Dilation, kx * (int)axes[2].Dilation, rows));
        return [.. offsets];
    }

    /// <summary>Copies one channel, rows [firstRow, firstRow + rows) of each y part.</summary>
    internal void Copy(float* source, float* target, int firstRow, int rows) => Copy(source, target, firstRow, rows, default(FloatRows));

    /// <summary>As <see cref="Copy(float*, float*, int, int)"/>, for elements that <typeparamref name="TRows"/> copies.</summary>
    internal void Copy<TFrom, TTo, TRows>(TFrom* source, TTo* target, int firstRow, int rows, TRows copier)
        where TFrom : unmanaged where TTo : unmanaged where TRows : struct, IRowCopy<TFrom, TTo>
    {
        int last = firstRow + rows;
        foreach (int zPart in z.Parts)
            foreach (int yPart in y.Parts)
            {
                // Of rows that are kept, those that are rows of the input.
                (int above, int below) = y.Inside(yPart);
                above = Math.Clamp(above, firstRow, last);
                below = Math.Clamp(below, above, last);
                foreach (int xPart in x.Parts)
                {
                    (int first, int end) = x.Inside(xPart);
                    for (int iz = 0; iz < z.Length; iz++, target += (nint)rows * x.Length)
                    {
                        int fromZ = iz * z.Stride + zPart - z.PadBegin;
                        if ((uint)fromZ >= (uint)z.Input || above == below || first == end)
                        {
                            copier.Pad(target, rows * x.Length);
                            continue;
                        }
                        nint fromY = (nint)fromZ * y.Input + above * y.Stride + yPart - y.PadBegin;
                        copier.Pad(target, (above - firstRow) * x.Length);
                        copier.CopyRows(source + fromY * x.Input + (first * x.Stride + xPart - x.PadBegin), (nint)y.Stride * x.Input, x.Stride,
                            target + (nint)(above - firstRow) * x.Length, below - above, first, end - first, x.Length - end);
                        copier.Pad(target + (nint)(below - firstRow) * x.Length, (last - below) * x.Length);
                    }
                }
            }
    }
}

/// <summary>Copies rows into a padded form.</summary>
internal unsafe interface IRowCopy<TFrom, TTo> where TFrom : unmanaged where TTo : unmanaged
{
    void Pad(TTo* target, int count);

    /// <summary>Rows of the target one behind another: padding, elements of the source that lie <paramref name="stride"/> apart, and padding again.</summary>
    /// <param name="sourceRow">Elements between rows of the source.</param>
    void CopyRows(TFrom* source, nint sourceRow, int stride, TTo* target, int rows, int before, int count, int after);
}

internal readonly unsafe struct FloatRows : IRowCopy<float, float>
{
    public void Pad(float* target, int count)
    {
        if (count > 8) new Span<float>(target, count).Clear();
        else
            for (int i = 0; i < count; i++) target[i] = 0;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void CopyRows(float* source, nint sourceRow, int stride, float* target, int rows, int before, int count, int after)
    {
        for (int row = 0; row < rows; row++, source += sourceRow, target += before + count + after)
        {
            Pad(target, before);
            if (stride == 1) VectorCopy.Copy(source, target + before, count);
            else if (stride == 2) CopyEverySecond(source, target + before, count);
            else
                for (int i = 0; i < count; i++) target[before + i] = source[i * stride];
            Pad(target + before + count, after);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void CopyEverySecond(float* from, float* to, int count)
    {
        int i = 0;
        if (Vec512.IsSupported) CopyEverySecond<Vec512>(from, to, count, ref i);
        if (Vec256.IsSupported) CopyEverySecond<Vec256>(from, to, count, ref i);
        CopyEverySecond<Vec128>(from, to, count, ref i);
        for (; i < count; i++) to[i] = from[2 * i];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void CopyEverySecond<V>(float* from, float* to, int count, ref int i) where V : struct, IVec<V>
    {
        // One more element must exist behind a vector of pairs: the last pair may lack its second.
        for (; i < count - V.Count; i += V.Count)
        {
            V.LoadColumns(from + 2 * i, out V even, out _);
            V.Store(to + i, even);
        }
    }
}
