namespace Parallax.Kernels;

/// <summary>Where element [row, column] of a matrix lies: <c>row * RowStride + column * ColumnStride</c> elements behind the first.</summary>
public readonly record struct MatrixLayout(long RowStride, long ColumnStride)
{
    public static MatrixLayout RowMajor(long columns) => new(columns, 1);

    public MatrixLayout Transpose() => new(ColumnStride, RowStride);
}

/// <summary>Elements from where the operands of a product or a convolution begin to where those of a part of it do.</summary>
/// <param name="First">Of input 0.</param>
/// <param name="Second">Of input 1.</param>
/// <param name="Result">Of result and residual.</param>
public readonly record struct PartOffsets(long First, long Second, long Bias, long Result);

/// <summary>
/// A batch of float32 matrix products with what follows them:
/// <c>C = activation(Alpha A B + Beta bias + residual)</c>, A [M, K], B [K, N], C [M, N].
/// Inputs by position: 0 A, 1 B, 2 bias (where <see cref="Bias"/> is set), 3 residual (where <see cref="HasResidual"/>); output 0 is C.
/// A constant operand that was given when the kernel was prepared is not read again: its input may be null.
/// The result may overlap no input.
/// </summary>
public sealed record GemmProblem(int M, int N, int K)
{
    public MatrixLayout A { get; init; } = MatrixLayout.RowMajor(K);

    public MatrixLayout B { get; init; } = MatrixLayout.RowMajor(N);

    /// <summary>Elements between the rows of C; its columns are contiguous.</summary>
    public long CRowStride { get; init; } = N;

    /// <summary>First elements of the A of each product; null for a single product at 0. All batch arrays have the same length.</summary>
    public long[]? ABatch { get; init; }

    public long[]? BBatch { get; init; }

    public long[]? CBatch { get; init; }

    public float Alpha { get; init; } = 1f;

    public float Beta { get; init; } = 1f;

    /// <summary>Strides of the bias: (0, 1) per column, (1, 0) per row, (0, 0) one number, (N, 1) a matrix. The column stride is 0 or 1.</summary>
    public MatrixLayout? Bias { get; init; }

    /// <summary>First elements of the bias of each product; null where all share one.</summary>
    public long[]? BiasBatch { get; init; }

    /// <summary>Whether input 3 is added; it is laid out as C is.</summary>
    public bool HasResidual { get; init; }

    /// <summary>Adds the residual behind the activation instead of before it.</summary>
    public bool ResidualAfterActivation { get; init; }

    public Activation Activation { get; init; }

    /// <summary>Rows of the product that this one is a part of: they decide which kernel sums, and in what order.</summary>
    internal int WholeRows { get; init; } = M;

    /// <summary>
    /// The product that computes some columns or rows of this one and leaves the others as they are. Its operands begin where those do. Columns and rows get the bits that they have
    /// in the whole with the same entry of <see cref="GemmCatalog"/>.
    /// </summary>
    public GemmProblem Part(OutputPart part)
    {
        bool isRows = part.Axis == OutputAxis.Rows;
        if (part.First < 0 || part.Count < 1 || part.End > (isRows ? M : N)) throw new ArgumentOutOfRangeException(nameof(part), $"{part} of {M} rows and {N} columns");
        return isRows ? this with { M = (int)part.Count } : this with { N = (int)part.Count };
    }

    /// <summary>How far behind those of the whole the operands of a part begin.</summary>
    public PartOffsets OffsetsOf(OutputPart part) => part.Axis == OutputAxis.Rows
        ? new PartOffsets(part.First * A.RowStride, 0, part.First * (Bias?.RowStride ?? 0), part.First * CRowStride)
        : new PartOffsets(0, part.First * B.ColumnStride, part.First * (Bias?.ColumnStride ?? 0), part.First);

    public int BatchCount => CBatch?.Length ?? 1;

    /// <summary>The product of ONNX MatMul (numpy.matmul): leading dims broadcast; a vector is a row on the left, a column on the right.</summary>
    public static GemmProblem MatMul(ReadOnlySpan<long> aDims, ReadOnlySpan<long> bDims)
    {
        long[] a = aDims.Length == 1 ? [1, aDims[0]] : aDims.ToArray(), b = bDims.Length == 1 ? [bDims[0], 1] : bDims.ToArray();
        int m = checked((int)a[^2]), k = checked((int)a[^1]), n = checked((int)b[^1]);
        if (b[^2] != k)
            throw new InvalidModelException($"MatMul: inputs {Shape.ToString(aDims)} and {Shape.ToString(bDims)} must agree in the inner dim");
        if (Shape.Count(b.AsSpan(0, b.Length - 2)) == 1)
            return new GemmProblem(checked((int)(Shape.Count(a.AsSpan(0, a.Length - 2)) * m)), n, k);
        long[] batch = Broadcast(a.AsSpan(0, a.Length - 2), b.AsSpan(0, b.Length - 2));
        return new GemmProblem(m, n, k)
        {
            ABatch = BatchOffsets(a.AsSpan(0, a.Length - 2), batch, (long)m * k),
            BBatch = BatchOffsets(b.AsSpan(0, b.Length - 2), batch, (long)k * n),
            CBatch = BatchOffsets(batch, batch, (long)m * n),
        };
    }

    /// <summary>The product of ONNX Gemm. <paramref name="cDims"/> is the shape of its third input, which broadcasts to [M, N]; null where absent.</summary>
    public static GemmProblem Gemm(
        ReadOnlySpan<long> aDims, ReadOnlySpan<long> bDims, bool transposeA, bool transposeB, float alpha, float beta, long[]? cDims)
    {
        int m = checked((int)aDims[transposeA ? 1 : 0]), k = checked((int)aDims[transposeA ? 0 : 1]), n = checked((int)bDims[transposeB ? 0 : 1]);
        if (bDims[transposeB ? 1 : 0] != k)
            throw new InvalidModelException($"Gemm: inputs {Shape.ToString(aDims)} and {Shape.ToString(bDims)} must agree in the inner dim");
        return new GemmProblem(m, n, k)
        {
            A = transposeA ? new MatrixLayout(1, m) : MatrixLayout.RowMajor(k),
            B = transposeB ? new MatrixLayout(1, k) : MatrixLayout.RowMajor(n),
            Alpha = alpha,
            Beta = beta,
            Bias = cDims is null ? null : BiasLayout(cDims),
        };
    }

    /// <summary>Strides of a bias of rank 0 to 2 that broadcasts to [M, N].</summary>
    public static MatrixLayout BiasLayout(ReadOnlySpan<long> dims)
    {
        long columns = dims.Length == 0 ? 1 : dims[^1], rows = dims.Length < 2 ? 1 : dims[^2];
        return new MatrixLayout(rows == 1 ? 0 : columns, columns == 1 ? 0 : 1);
    }

    /// <summary>The broadcast of two lists of batch dims.</summary>
    public static long[] Broadcast(ReadOnlySpan<long> a, ReadOnlySpan<long> b)
    {
        var result = new long[Math.Max(a.Length, b.Length)];
        for (int i = 1; i <= result.Length; i++)
        {
            long x = i <= a.Length ? a[^i] : 1, y = i <= b.Length ? b[^i] : 1;
            if (x != y && x != 1 && y != 1)
                throw new InvalidModelException($"batch dims {Shape.ToString(a)} and {Shape.ToString(b)} must broadcast");
            result[^i] = x == 1 ? y : x;
        }
        return result;
    }

    /// <summary>Offsets of the matrices of an operand with batch dims <paramref name="dims"/>, in the order of the broadcast batch.</summary>
    public static long[] BatchOffsets(ReadOnlySpan<long> dims, ReadOnlySpan<long> batch, long matrixElements)
    {
        var offsets = new long[Shape.Count(batch)];
        for (long i = 0; i < offsets.Length; i++)
        {
            long rest = i, stride = matrixElements;
            for (int axis = 1; axis <= batch.Length; axis++)
            {
                long at = rest % batch[^axis];
                rest /= batch[^axis];
                if (axis > dims.Length)
                    continue;
                offsets[i] += dims[^axis] == 1 ? 0 : at * stride;
                stride *= dims[^axis];
            }
        }
        return offsets;
    }
}
