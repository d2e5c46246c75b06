using System.Runtime.CompilerServices;

namespace Parallax.Kernels;

/// <summary>8-bit data with one scale and zero point. Bytes are taken as unsigned, signed ones shifted by 128 with their zero point.</summary>
/// <param name="Data">Position of the data among a node's inputs; its scale (float32) and its zero point are the next two.</param>
internal readonly record struct QuantizedOperand(int Data, bool IsSigned)
{
    internal int Flip => IsSigned ? 0x80 : 0;

    internal unsafe double Scale(in KernelArgs args) => *args.Input<float>(Data + 1);

    /// <summary>The zero point as an unsigned number, shifted like the data.</summary>
    internal unsafe int Zero(in KernelArgs args) => *args.Input<byte>(Data + 2) ^ Flip;
}

/// <summary>The type and range of an 8-bit result; its scale (float32) and zero point are inputs.</summary>
internal readonly record struct QuantizedResult(int Scale, int Zero, bool IsSigned, int Low, int High)
{
    internal unsafe double ScaleOf(in KernelArgs args) => *args.Input<float>(Scale);

    internal unsafe Requantizer Requantizer(in KernelArgs args)
    {
        int flip = IsSigned ? 0x80 : 0, zero = (*args.Input<byte>(Zero) ^ flip) - flip;
        return new Requantizer(zero, Math.Max(Low, IsSigned ? sbyte.MinValue : byte.MinValue), Math.Min(High, IsSigned ? sbyte.MaxValue : byte.MaxValue));
    }
}

/// <summary>Add, Sub or Mul of what 8-bit operands stand for. Inputs: A, scale, zero, B, scale, zero, scale and zero of the result.</summary>
internal sealed unsafe class QuantizedBinaryKernel(BinaryFunction function, Broadcast loop, bool aSigned, bool bSigned, QuantizedResult result) : Kernel
{
    private const int Chunk = Requantizer.MaxSums, Slack = 16;

    private readonly QuantizedOperand a = new(0, aSigned), b = new(3, bSigned);

    public override string Name => $"{function}_i8".ToLowerInvariant();

    public override int BlockCount(int phase) => loop.BlockCount;

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        if (function == BinaryFunction.Mul) Multiply(block, args);
        else Add(block, args);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Multiply(int block, in KernelArgs args)
    {
        Requantizer requantizer = result.Requantizer(args);
        double factor = a.Scale(args) / result.ScaleOf(args) * b.Scale(args);
        byte* x = args.Input<byte>(a.Data), y = args.Input<byte>(b.Data), z = args.Output<byte>(0);
        int* left = stackalloc int[Chunk + Slack], right = stackalloc int[Chunk];
        for (Broadcast.Runs run = loop.Block(block); run.Next();)
            for (int done = 0; done < run.Count; done += Chunk)
            {
                int count = Math.Min(Chunk, run.Count - done);
                Widen(x + run.First, loop.Advances(0), done, a.Flip, a.Zero(args), left, count);
                Widen(y + run.Second, loop.Advances(1), done, b.Flip, b.Zero(args), right, count);
                VectorRow.Run<int, VectorRow.Product<int>>(new ReadOnlySpan<int>(left, count), new ReadOnlySpan<int>(right, count), new Span<int>(left, count));
                requantizer.Row(left, 0, factor, 0, z + run.Start + done, count);
            }
    }

    /// <summary>Sums in float32, where whole vectors of both operands advance; single operands, and what is too near to a tie, in float64.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Add(int block, in KernelArgs args)
    {
        Requantizer requantizer = result.Requantizer(args);
        double aFactor = a.Scale(args) / result.ScaleOf(args), bFactor = b.Scale(args) / result.ScaleOf(args);
        if (function == BinaryFunction.Sub) bFactor = -bFactor;
        var scale = new SumScale(aFactor, bFactor, requantizer.Shifted(-a.Zero(args) * aFactor - b.Zero(args) * bFactor));
        byte* x = args.Input<byte>(a.Data), y = args.Input<byte>(b.Data), z = args.Output<byte>(0);
        int* left = stackalloc int[Chunk + Slack];
        double* factors = stackalloc double[Chunk + Slack], addends = stackalloc double[Chunk + Slack], terms = stackalloc double[256];
        for (int i = 0; i < Chunk + Slack; i++) factors[i] = aFactor;
        for (int i = 0; i < 256; i++) terms[i] = ((i ^ b.Flip) - b.Zero(args)) * bFactor;
        bool canBeRough = loop.Advances(0) && loop.Advances(1);
        for (Broadcast.Runs run = loop.Block(block); run.Next();)
            for (int done = 0; done < run.Count; done += Chunk)
            {
                int count = Math.Min(Chunk, run.Count - done), step = canBeRough ? Requantizer.SumsAtOnce(count) : 0;
                byte* target = z + run.Start + done, other = y + run.Second + (loop.Advances(1) ? done : 0);
                // Bit i stands for the vector from i * step on, the last of which ends with the last element.
                ulong again = step > 0 ? requantizer.Sums(scale, x + run.First + done, a.Flip, other, b.Flip, target, count) : 1;
                for (int i = 0; again != 0; i += step, again >>= 1)
                {
                    if ((again & 1) == 0) continue;
                    int at = step > 0 ? Math.Min(i, count - step) : 0, length = step > 0 ? step : count;
                    Widen(x + run.First, loop.Advances(0), done + at, a.Flip, a.Zero(args), left, length);
                    if (!loop.Advances(1)) requantizer.Row(left, 0, aFactor, terms[*other], target, count);
                    else
                    {
                        for (int j = 0; j < length; j++) addends[j] = terms[other[at + j]];
                        requantizer.Row(left, 0, factors, addends, target + at, length);
                    }
                }
            }
    }

    private static void Widen(byte* run, bool advances, int done, int flip, int zero, int* target, int count)
    {
        if (advances) ByteLanes.Widen(run + done, flip, zero, target, count);
        else new Span<int>(target, count).Fill((*run ^ flip) - zero);
    }
}

/// <summary>Means of rows of what 8-bit data stands for. Inputs: data, scale, zero, scale and zero of the result.</summary>
internal sealed unsafe class QuantizedMeanKernel(long rows, long length, bool isSigned, QuantizedResult result) : Kernel
{
    private const int Chunk = 512, Slack = 16;
    private const long BlockWork = 1 << 15;

    private readonly QuantizedOperand x = new(0, isSigned);
    private readonly int rowsPerBlock = (int)Math.Clamp(BlockWork / Math.Max(1, length), 1, Chunk);

    public override string Name => "mean_i8";

    public override int BlockCount(int phase) => checked((int)((rows + rowsPerBlock - 1) / rowsPerBlock));

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        long first = (long)block * rowsPerBlock;
        int count = (int)Math.Min(rowsPerBlock, rows - first);
        int* sums = stackalloc int[Chunk + Slack];
        int zero = x.Zero(args);
        for (int row = 0; row < count; row++) sums[row] = Sum(args.Input<byte>(x.Data) + (first + row) * length, zero);
        double factor = x.Scale(args) / (result.ScaleOf(args) * length);
        result.Requantizer(args).Row(sums, 0, factor, 0, args.Output<byte>(0) + first, count);
    }

    /// <summary>Exact where it fits int32: rows of up to 2^23 elements.</summary>
    private int Sum(byte* row, int zero)
    {
        int* chunk = stackalloc int[Chunk];
        int sum = 0;
        for (long done = 0; done < length; done += Chunk)
        {
            int count = (int)Math.Min(Chunk, length - done);
            ByteLanes.Widen(row + done, x.Flip, zero, chunk, count);
            sum += Reduce.VectorFold.Sum(new ReadOnlySpan<int>(chunk, count));
        }
        return sum;
    }
}

/// <summary>Each byte of input 0 becomes the byte at its place in the table, input 1.</summary>
internal sealed unsafe class TableLookupKernel(long count) : Kernel
{
    private const int BlockElements = 1 << 16;

    public override string Name => "table_i8";

    public override int BlockCount(int phase) => checked((int)((count + BlockElements - 1) / BlockElements));

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        long start = (long)block * BlockElements, end = Math.Min(start + BlockElements, count);
        byte* x = args.Input<byte>(0), table = args.Input<byte>(1), y = args.Output<byte>(0);
        for (long i = start; i < end; i++) y[i] = table[x[i]];
    }

    public override bool CanRunInPlace(int input) => input == 0;
}

/// <summary>Kernels on 8-bit data that stands for real numbers. Results are <c>limit(round(real / scale) + zero)</c> with ties to even.</summary>
public static class QuantizedElementKernels
{
    /// <summary>Add, Sub or Mul. Inputs: A, its scale (float32) and zero point, B, its scale and zero point, scale and zero point of the result; scalars each.</summary>
    /// <param name="low">The smallest result, where that is above the type's.</param>
    /// <param name="high">The largest result, where that is below the type's.</param>
    public static Kernel Binary(BinaryFunction function, Broadcast loop, bool aSigned, bool bSigned, bool ySigned, int low = int.MinValue, int high = int.MaxValue) =>
        function is BinaryFunction.Add or BinaryFunction.Sub or BinaryFunction.Mul
            ? new QuantizedBinaryKernel(function, loop, aSigned, bSigned, new QuantizedResult(6, 7, ySigned, low, high))
            : throw new ArgumentOutOfRangeException(nameof(function));

    /// <summary>Means of rows of at most 2^23 elements. Inputs: data, its scale and zero point, scale and zero point of the result.</summary>
    public static Kernel Mean(long rows, long length, bool xSigned, bool ySigned) =>
        new QuantizedMeanKernel(rows, length, xSigned, new QuantizedResult(3, 4, ySigned, int.MinValue, int.MaxValue));

    /// <summary>Inputs: bytes, and a table of 256 bytes.</summary>
    public static Kernel Lookup(long count) => new TableLookupKernel(count);
}
