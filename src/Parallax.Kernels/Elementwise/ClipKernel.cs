using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace Parallax.Kernels;

/// <summary>Input 0 limited to scalars 1 (minimum) and 2 (maximum), either of which may be absent. The maximum wins where it is below the minimum; NaN stays NaN.</summary>
public sealed unsafe class ClipKernel<T>(long count, bool hasMin, bool hasMax) : Kernel where T : unmanaged, INumber<T>
{
    private const int BlockElements = 16384;

    public override string Name => $"clip_{typeof(T).Name.ToLowerInvariant()}";

    public override int BlockCount(int phase) => checked((int)((count + BlockElements - 1) / BlockElements));

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        long start = (long)block * BlockElements;
        int length = (int)Math.Min(BlockElements, count - start);
        var x = new ReadOnlySpan<T>(args.Input<T>(0) + start, length);
        var y = new Span<T>(args.Output<T>(0) + start, length);
        T* min = hasMin ? args.Input<T>(1) : null, max = hasMax ? args.Input<T>(2) : null;
        if (typeof(T) == typeof(float))
            FloatRow.Clip(Floats(x), min is null ? float.NegativeInfinity : *(float*)min, max is null ? float.PositiveInfinity : *(float*)max, Floats(y));
        else if (min is not null && max is not null)
        {
            TensorPrimitives.Max(x, *min, y);
            TensorPrimitives.Min(y, *max, y);
        }
        else if (min is not null) TensorPrimitives.Max(x, *min, y);
        else if (max is not null) TensorPrimitives.Min(x, *max, y);
        else x.CopyTo(y);
    }

    public override bool CanRunInPlace(int input) => input == 0;

    private static ReadOnlySpan<float> Floats(ReadOnlySpan<T> span) => MemoryMarshal.Cast<T, float>(span);

    private static Span<float> Floats(Span<T> span) => MemoryMarshal.Cast<T, float>(span);
}

/// <summary>Makes <see cref="ClipKernel{T}"/>.</summary>
public readonly record struct ClipFactory(long Count, bool HasMin, bool HasMax) : INumberKernelFactory
{
    public Kernel Create<T>() where T : unmanaged, INumber<T> => new ClipKernel<T>(Count, HasMin, HasMax);
}
