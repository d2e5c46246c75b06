using System.Numerics;

namespace Parallax.Kernels.Copy;

/// <summary>Writes one element everywhere.</summary>
public sealed unsafe class FillKernel : UnitKernel
{
    private const int Unit = 4096;
    private readonly byte[] value;
    private readonly long count;

    /// <param name="element">The bytes of the element.</param>
    public FillKernel(ReadOnlySpan<byte> element, long count) : base("fill", (count + Unit - 1) / Unit, Unit * element.Length)
    {
        value = element.ToArray();
        this.count = count;
    }

    protected override void RunUnits(long start, long end, in KernelArgs args)
    {
        fixed (byte* element = value)
            ElementMoves.Fill(value.Length, element, args.Output<byte>(0) + start * Unit * value.Length, Math.Min(count, end * Unit) - start * Unit);
    }
}

/// <summary>Writes numbers that were known when the kernel was prepared.</summary>
public sealed unsafe class ConstantKernel<T>(string name, T[] values) : UnitKernel(name, 1, 1) where T : unmanaged
{
    protected override void RunUnits(long start, long end, in KernelArgs args) => values.CopyTo(new Span<T>(args.Output<T>(0), values.Length));
}

/// <summary>A matrix of zero bytes with one element on a diagonal.</summary>
public sealed unsafe class EyeKernel(byte[] one, long rows, long columns, long diagonal) : UnitKernel("eye", rows, columns * one.Length)
{
    protected override void RunUnits(long start, long end, in KernelArgs args)
    {
        for (long row = start; row < end; row++)
        {
            byte* target = args.Output<byte>(0) + row * columns * one.Length;
            byte zero = 0;
            ElementMoves.Fill(1, &zero, target, columns * one.Length);
            // The sum may overflow for a diagonal far outside; unchecked, it stays outside.
            long column = unchecked(row + diagonal);
            if (column >= 0 && column < columns) one.CopyTo(new Span<byte>(target + column * one.Length, one.Length));
        }
    }
}

/// <summary>start + i * delta; inputs: start, limit (unused), delta, scalars.</summary>
public sealed unsafe class RangeKernel<T>(long count) : UnitKernel("range", (count + Unit - 1) / Unit, Unit * sizeof(T)) where T : unmanaged, INumber<T>
{
    private const int Unit = 4096;

    protected override void RunUnits(long start, long end, in KernelArgs args)
    {
        T first = *args.Input<T>(0), delta = *args.Input<T>(2);
        T* target = args.Output<T>(0);
        long stop = Math.Min(count, end * Unit);
        for (long i = start * Unit; i < stop; i++) target[i] = first + T.CreateTruncating(i) * delta;
    }
}

/// <summary>Makes <see cref="RangeKernel{T}"/>.</summary>
public readonly record struct RangeFactory(long Count) : INumberKernelFactory
{
    public Kernel Create<T>() where T : unmanaged, INumber<T> => new RangeKernel<T>(Count);
}
