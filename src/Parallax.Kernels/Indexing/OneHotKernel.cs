using System.Numerics;
using Parallax.Kernels.Copy;

namespace Parallax.Kernels.Indexing;

/// <summary>Indices [outer, inner] of any number type, values (off, on) as input 2; result [outer, depth, inner]. An index out of range gives off everywhere.</summary>
public sealed unsafe class OneHotKernel<T>(int valueBytes, long outer, long depth, long inner) : UnitKernel("one_hot", outer, depth * inner * valueBytes)
    where T : unmanaged, INumber<T>
{
    private readonly int valueBytes = valueBytes;
    private readonly long depth = depth, inner = inner;

    protected override void RunUnits(long start, long end, in KernelArgs args)
    {
        byte* off = args.Input<byte>(2), on = off + valueBytes;
        for (long unit = start; unit < end; unit++)
        {
            byte* target = args.Output<byte>(0) + unit * depth * inner * valueBytes;
            ElementMoves.Fill(valueBytes, off, target, depth * inner);
            for (long i = 0; i < inner; i++)
            {
                long index = long.CreateSaturating(args.Input<T>(0)[unit * inner + i]);
                if (index < 0) index += depth;
                if ((ulong)index < (ulong)depth) ElementMoves.Fill(valueBytes, on, target + (index * inner + i) * valueBytes, 1);
            }
        }
    }
}

/// <summary>Makes <see cref="OneHotKernel{T}"/> for a type of indices.</summary>
public readonly record struct OneHotFactory(int ValueBytes, long Outer, long Depth, long Inner) : INumberKernelFactory
{
    public Kernel Create<T>() where T : unmanaged, INumber<T> => new OneHotKernel<T>(ValueBytes, Outer, Depth, Inner);
}
