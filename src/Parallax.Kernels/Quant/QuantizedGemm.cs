namespace Parallax.Kernels;

/// <summary>A batch of products of 8-bit integers.</summary>
internal sealed unsafe class QuantizedGemm : Kernel
{
    private readonly GemmProblem problem;
    private readonly QuantizedTypes types;
    private readonly PackedIntegers? b;
    private readonly IntegerMicroKernel entry;
    private readonly IntegerEngine engine;

    internal QuantizedGemm(GemmProblem problem, QuantizedTypes types, PackedIntegers? b, IntegerMicroKernel entry)
    {
        this.problem = problem;
        this.types = types;
        this.entry = entry;
        this.b = b?.AddReference(entry, isLeft: false, problem.N, problem.K);
        engine = new IntegerEngine(entry, types, problem.M, problem.N, problem.K, problem.BatchCount, leftIsPacked: false, b is not null, biasPerColumn: types.Inputs.Bias >= 0);
    }

    public override string Name => entry.Name;

    public override long WorkerScratchBytes => engine.WorkerScratchBytes;

    public override int BlockCount(int phase) => problem.BatchCount * engine.MBlocks * engine.NBlocks;

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        (int index, int part) = Math.DivRem(block, engine.MBlocks * engine.NBlocks);
        byte* right = b is null ? args.Input<byte>(types.Inputs.B) + (problem.BBatch?[index] ?? 0) : null;
        engine.RunBlock(part, new IntegerOperands
        {
            A = args.Input<byte>(types.Inputs.A) + (problem.ABatch?[index] ?? 0),
            ARowStride = (nint)problem.A.RowStride,
            AColumnStride = (nint)problem.A.ColumnStride,
            PackedB = b,
            Y = args.Output<byte>(0) + (problem.CBatch?[index] ?? 0) * (types.Requantizes ? 1 : sizeof(int)),
            YRowStride = (nint)problem.CRowStride,
        }, new StridedRows(right, (nint)problem.B.RowStride, (nint)problem.B.ColumnStride, entry.NR), args);
    }

    public override void Dispose()
    {
        b?.Dispose();
        base.Dispose();
    }
}

/// <summary>The rows of a strided matrix.</summary>
/// <param name="width">Columns of a whole tile.</param>
internal readonly unsafe struct StridedRows(byte* matrix, nint rowStride, nint columnStride, int width) : IByteRows
{
    public void Begin(int column, int columns)
    {
    }

    public byte* Row(int k, int column, int columns, byte* buffer)
    {
        byte* row = matrix + k * rowStride + column * columnStride;
        if (columnStride != 1)
            for (int j = 0; j < columns; j++) buffer[j] = row[j * columnStride];
        else if (columns == width) return row;
        else new ReadOnlySpan<byte>(row, columns).CopyTo(new Span<byte>(buffer, columns));
        return buffer;
    }

    public nint StrideFor(int columns) => columnStride == 1 && columns == width ? rowStride : 0;
}
