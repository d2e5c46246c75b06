using System.Numerics;
using System.Numerics.Tensors;
using Parallax.Kernels.Copy;

namespace Parallax.Kernels.Resize;

/// <summary>
/// Resamples several axes, one phase each, in the order of <see cref="AxisWeights.Order"/>. Computes in <typeparamref name="TAcc"/>; where the
/// elements are of another type, a phase before and one behind convert (saturating, rounding towards zero).
/// </summary>
public sealed unsafe class SeparableKernel<T, TAcc> : Kernel where T : unmanaged, INumber<T> where TAcc : unmanaged, INumber<TAcc>
{
    private const int ConvertUnit = 16384;

    private readonly AxisPass<TAcc>[] passes;
    private readonly bool converts = typeof(T) != typeof(TAcc);
    private readonly long sourceElements, targetElements, halfBytes;

    public SeparableKernel(string name, long[] dims, IReadOnlyList<AxisWeights> axes)
    {
        Name = $"resize_{name}";
        sourceElements = targetElements = Shape.Count(dims);
        long[] current = [.. dims];
        var made = new List<AxisPass<TAcc>>();
        long largest = sourceElements;
        foreach (int axis in AxisWeights.Order(axes))
        {
            made.Add(new AxisPass<TAcc>(axes[axis], Shape.Count(current.AsSpan(0, axis)), Shape.Count(current.AsSpan(axis + 1))));
            current[axis] = axes[axis].Length;
            targetElements = made[^1].ResultElements;
            largest = Math.Max(largest, targetElements);
        }
        passes = [.. made];
        halfBytes = Vec.WholeLines(largest * sizeof(TAcc));
    }

    public override string Name { get; }

    public override int PhaseCount => passes.Length == 0 ? 1 : passes.Length + (converts ? 2 : 0);

    public override long ScratchBytes => passes.Length > 1 || converts ? 2 * halfBytes : 0;

    public override int BlockCount(int phase)
    {
        if (passes.Length == 0) return Units(targetElements);
        int pass = phase - (converts ? 1 : 0);
        return pass < 0 ? Units(sourceElements) : pass == passes.Length ? Units(targetElements) : passes[pass].BlockCount;
    }

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        T* source = args.Input<T>(0), target = args.Output<T>(0);
        if (passes.Length == 0)
        {
            Convert(source, target, targetElements, block);
            return;
        }
        int pass = phase - (converts ? 1 : 0);
        TAcc* from = pass == 0 && !converts ? (TAcc*)source : Half(args, pass + 1), to = pass == passes.Length - 1 && !converts ? (TAcc*)target : Half(args, pass);
        if (pass < 0) Convert(source, Half(args, pass), sourceElements, block);
        else if (pass == passes.Length) Convert(from, target, targetElements, block);
        else passes[pass].RunBlock(block, from, to);
    }

    private TAcc* Half(in KernelArgs args, int pass) => (TAcc*)(args.Scratch + ((pass & 1) == 0 ? 0 : halfBytes));

    private static int Units(long elements) => checked((int)((elements + ConvertUnit - 1) / ConvertUnit));

    private static void Convert<TFrom, TTo>(TFrom* source, TTo* target, long elements, int block) where TFrom : unmanaged, INumberBase<TFrom> where TTo : unmanaged, INumberBase<TTo>
    {
        long start = (long)block * ConvertUnit;
        int count = (int)Math.Min(ConvertUnit, elements - start);
        TensorPrimitives.ConvertSaturating(new ReadOnlySpan<TFrom>(source + start, count), new Span<TTo>(target + start, count));
    }
}

/// <summary>Makes <see cref="SeparableKernel{T, TAcc}"/>: float32 and float64 compute as they are, everything else in float64.</summary>
public readonly record struct SeparableFactory(string Name, long[] Dims, IReadOnlyList<AxisWeights> Axes) : INumberKernelFactory
{
    public Kernel Create<T>() where T : unmanaged, INumber<T> =>
        typeof(T) == typeof(float) ? new SeparableKernel<float, float>(Name, Dims, Axes) : new SeparableKernel<T, double>(Name, Dims, Axes);
}
