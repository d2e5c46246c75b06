using System.Numerics;

namespace Parallax.Kernels.Attention;

/// <summary>Rotary position embedding. Inputs: data, cosines, sines, positions (int64, optional).</summary>
public sealed record RotaryProblem(long Batch, long Heads, long Rows, int Size, HeadLayout Layout)
{
    /// <summary>Leading elements of a head that are rotated; even.</summary>
    public required int Rotated { get; init; }

    public bool Interleaved { get; init; }

    /// <summary>Rows of the tables that input 3 chooses from; 0 where the tables have a row per batch item and row instead.</summary>
    public long Positions { get; init; }

    public static Kernel Create(DType type, RotaryProblem problem) => type switch
    {
        DType.Float32 => new RotaryKernel<float>(problem),
        DType.Float64 => new RotaryKernel<double>(problem),
        _ => throw new UnsupportedModelException($"rotary embedding of {type}", [$"rotary embedding of {type}"]),
    };
}

internal sealed unsafe class RotaryKernel<T>(RotaryProblem problem) : Kernel where T : unmanaged, INumber<T>
{
    private readonly long rowsPerBlock = Math.Max(1, 8192 / Math.Max(1, problem.Heads * problem.Size));

    public override string Name => $"rotary_{typeof(T).Name.ToLowerInvariant()}";

    public override int BlockCount(int phase) => (int)((problem.Batch * problem.Rows + rowsPerBlock - 1) / rowsPerBlock);

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        long end = Math.Min(problem.Batch * problem.Rows, (block + 1) * rowsPerBlock);
        for (long i = block * rowsPerBlock; i < end; i++)
        {
            (long batch, long row) = Math.DivRem(i, problem.Rows);
            long table = problem.Positions > 0 ? Position(args.Input<long>(3)[i]) : i, half = problem.Rotated / 2;
            for (long head = 0; head < problem.Heads; head++)
            {
                long offset = problem.Layout.Offset(batch, head, row);
                Rotate(args.Input<T>(0) + offset, args.Output<T>(0) + offset, args.Input<T>(1) + table * half, args.Input<T>(2) + table * half);
            }
        }
    }

    private long Position(long position) => position >= 0 && position < problem.Positions
        ? position
        : throw new InvalidInputException($"position {position} is outside of the tables of {problem.Positions} rows");

    private void Rotate(T* x, T* y, T* cosines, T* sines)
    {
        int half = problem.Rotated / 2;
        (int step, int partner) = problem.Interleaved ? (2, 1) : (1, half);
        for (int i = 0; i < half; i++)
        {
            T a = x[i * step], b = x[i * step + partner];
            y[i * step] = cosines[i] * a - sines[i] * b;
            y[i * step + partner] = sines[i] * a + cosines[i] * b;
        }
        for (int i = problem.Rotated; i < problem.Size; i++) y[i] = x[i];
    }
}
