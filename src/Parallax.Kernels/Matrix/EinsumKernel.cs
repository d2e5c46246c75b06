using System.Numerics;

namespace Parallax.Kernels.Matrix;

/// <summary>Makes kernels for sums of products over named axes.</summary>
public static class EinsumKernels
{
    /// <summary>The general sum of products. Contractions of two operands are better lowered to a matrix product.</summary>
    /// <param name="dims">Per operand. An axis of one element meets a longer one of the same label by repeating.</param>
    /// <param name="labels">Per operand, a label per axis; a label named twice in an operand means its diagonal.</param>
    /// <param name="output">Labels of the result's axes; all others are summed over.</param>
    public static Kernel Create(DType type, IReadOnlyList<long[]> dims, IReadOnlyList<int[]> labels, int[] output) =>
        TypeDispatch.ForNumber(type, new Factory(dims, labels, output));

    private readonly struct Factory(IReadOnlyList<long[]> dims, IReadOnlyList<int[]> labels, int[] output) : INumberKernelFactory
    {
        public Kernel Create<T>() where T : unmanaged, INumber<T> => new EinsumKernel<T>(dims, labels, output);
    }
}

internal sealed unsafe class EinsumKernel<T> : Kernel where T : unmanaged, INumber<T>
{
    private const int MaxAxes = 64, ProductsPerBlock = 1 << 15;

    private readonly int operands, kept;
    private readonly long[] extents; // of the result's axes, then of the summed ones
    private readonly long[] strides; // operand after operand, by axis as in extents
    private readonly long results, terms, resultsPerBlock;

    internal EinsumKernel(IReadOnlyList<long[]> dims, IReadOnlyList<int[]> labels, int[] output)
    {
        int[] axes = [.. output, .. labels.SelectMany(l => l).Distinct().Except(output)];
        if (axes.Length > MaxAxes) throw new UnsupportedModelException($"a sum over {axes.Length} axes is not computed", [$"Einsum of {axes.Length} axes"]);
        (operands, kept) = (dims.Count, output.Length);
        extents = new long[axes.Length];
        strides = new long[operands * axes.Length];
        for (int a = 0; a < axes.Length; a++)
            extents[a] = dims.Zip(labels).SelectMany(o => o.First.Zip(o.Second)).Where(axis => axis.Second == axes[a]).Select(axis => axis.First).Aggregate(1L, (x, y) => x == 1 ? y : x);
        for (int o = 0; o < operands; o++)
        {
            long[] steps = Shape.Strides(dims[o]);
            for (int axis = 0; axis < steps.Length; axis++)
            {
                int a = Array.IndexOf(axes, labels[o][axis]);
                if (dims[o][axis] != 1) strides[o * axes.Length + a] += steps[axis];
                if (dims[o][axis] != 1 && dims[o][axis] != extents[a]) throw new InvalidInputException($"an axis of a sum has {extents[a]} and {dims[o][axis]} elements");
            }
        }
        results = Shape.Count(extents.AsSpan(0, kept));
        terms = Shape.Count(extents.AsSpan(kept));
        resultsPerBlock = Math.Max(1, ProductsPerBlock / Math.Max(1, terms));
    }

    public override string Name => $"einsum_{DTypes.Of<T>()}_direct".ToLowerInvariant();

    public override int BlockCount(int phase) => checked((int)((results + resultsPerBlock - 1) / resultsPerBlock));

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        long first = block * resultsPerBlock, last = Math.Min(results, first + resultsPerBlock);
        T** inputs = stackalloc T*[operands];
        T* output = args.Output<T>(0);
        for (long at = first; at < last; at++)
        {
            for (int o = 0; o < operands; o++) inputs[o] = args.Input<T>(o) + Offset(o, at);
            output[at] = terms == 0 ? T.Zero : Sum(inputs);
        }
    }

    /// <summary>Where an operand's elements for one result start.</summary>
    private long Offset(int operand, long result)
    {
        long offset = 0;
        for (int a = kept - 1; a >= 0; a--)
        {
            (result, long index) = Math.DivRem(result, extents[a]);
            offset += index * strides[operand * extents.Length + a];
        }
        return offset;
    }

    private T Sum(T** inputs)
    {
        if (extents.Length == kept) return Product(inputs, 0, 0);
        int innermost = extents.Length - 1;
        long* index = stackalloc long[MaxAxes];
        new Span<long>(index, MaxAxes).Clear();
        T sum = T.Zero;
        while (true)
        {
            sum += SumLine(inputs, innermost);
            int a = innermost - 1;
            for (; a >= kept; a--)
            {
                Move(inputs, a, 1);
                if (++index[a] < extents[a]) break;
                Move(inputs, a, -extents[a]);
                index[a] = 0;
            }
            if (a < kept) return sum;
        }
    }

    private T SumLine(T** inputs, int axis)
    {
        T sum = T.Zero;
        long count = extents[axis];
        if (operands == 2)
        {
            T* a = inputs[0], b = inputs[1];
            long aStep = strides[axis], bStep = strides[extents.Length + axis];
            for (long i = 0; i < count; i++) sum += a[i * aStep] * b[i * bStep];
            return sum;
        }
        for (long i = 0; i < count; i++) sum += Product(inputs, axis, i);
        return sum;
    }

    private T Product(T** inputs, int axis, long index)
    {
        T product = T.One;
        for (int o = 0; o < operands; o++) product *= inputs[o][extents.Length == 0 ? 0 : index * strides[o * extents.Length + axis]];
        return product;
    }

    private void Move(T** inputs, int axis, long steps)
    {
        for (int o = 0; o < operands; o++) inputs[o] += steps * strides[o * extents.Length + axis];
    }
}
