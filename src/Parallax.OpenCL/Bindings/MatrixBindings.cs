using Parallax.Graphs.Ops;
using Parallax.Kernels;
using Parallax.OpenCL.Calls;
using Parallax.Runtime;

namespace Parallax.OpenCL.Bindings;

internal static class MatrixBindings
{
    internal static readonly ClBinding[] All =
    [
        ClBinding.Of<MatMul>(WhyNotMatMul, PrepareMatMul, (_, _, _) => 1),
        ClBinding.Of<Gemm>((_, x) => OperandLimits.UnlessFloat32(x, 0, 1), PrepareGemm, (_, _, _) => 1),
    ];

    private static string? WhyNotMatMul(MatMul op, OperandFacts x)
    {
        if (OperandLimits.UnlessFloat32(x, 0, 1) is { } reason) return reason;
        int rank = BatchLoop(x.Dims(0), x.Dims(1)).Dims.Length;
        return rank > ClGemm.BatchRank ? $"broadcasting alternates over {rank} dims of the batch, at most {ClGemm.BatchRank} are supported" : null;
    }

    private static ClCall PrepareMatMul(MatMul op, ClPrepareContext x)
    {
        long[] a = x.Dims(0), b = x.Dims(1);
        MatrixDims left = a.Length == 1 ? new(1, a[0], MatrixLayout.RowMajor(a[0])) : MatrixDims.Of(a, op.TransposeA);
        MatrixDims right = b.Length == 1 ? new(b[0], 1, MatrixLayout.RowMajor(1)) : MatrixDims.Of(b, op.TransposeB);
        Broadcast loop = BatchLoop(a, b);
        long m = left.Rows, n = right.Columns, k = left.Columns;
        long[] batch = loop.Dims.ToArray();
        // One B for all: the batch of a left operand in order is more rows.
        bool folds = BatchOf(b) is var matrices && Shape.Count(matrices) == 1 && (!op.TransposeA || a.Length < 2);
        if (folds) (m, batch) = (m * Shape.Count(BatchOf(a)), []);
        return Prepare(op, x, new ClGemm(m, n, k)
        {
            Tile = default,
            A = left.Layout,
            B = default,
            CRowStride = n,
            Batch = batch,
            ABatch = folds ? [] : Scaled(loop.Strides(0), left.Rows * k),
            BBatch = folds ? [] : loop.Strides(1).ToArray(),
            CBatch = folds ? [] : Scaled(RowMajor(batch), m * n),
            Alpha = op.Alpha,
            Bias = x.Has(2) ? new MatrixLayout(0, 1) : null,
        }, right.Layout, Shape.Count(matrices));
    }

    private static ClCall PrepareGemm(Gemm op, ClPrepareContext x)
    {
        MatrixDims a = MatrixDims.Of(x.Dims(0), op.TransposeA), b = MatrixDims.Of(x.Dims(1), op.TransposeB);
        return Prepare(op, x, new ClGemm(a.Rows, b.Columns, a.Columns)
        {
            Tile = default,
            A = a.Layout,
            B = default,
            CRowStride = b.Columns,
            Alpha = op.Alpha,
            Beta = op.Beta,
            Bias = x.Has(2) ? GemmProblem.BiasLayout(x.Dims(2)) : null,
        }, b.Layout, 1);
    }

    /// <param name="problem">The whole product; its batch strides of B count matrices, tile and layout of B are chosen here.</param>
    /// <param name="layout">That of B's matrices, which follow one another.</param>
    private static ClCall Prepare(IFusible op, ClPrepareContext x, ClGemm problem, MatrixLayout layout, long matrices)
    {
        (OutputPart rows, OutputPart columns) = (new OutputPart(0, problem.M, OutputAxis.Rows), new OutputPart(0, problem.N));
        if (x.Part is { Axis: OutputAxis.Rows } someRows) rows = someRows;
        else if (x.Part is { } someColumns) columns = someColumns;
        long matrixElements = problem.K * problem.N, firstOfB = columns.First * layout.ColumnStride;
        var steps = new ClSteps();
        ClFactor b;
        ClTile tile = ClTile.For(x.Context, rows.Count, columns.Count);
        ClGemm product = problem with { Tile = tile, M = rows.Count, N = columns.Count, Finish = ClFinish.Of(op, x) };
        if (x.Constant(1) is null && layout.ColumnStride == 1 && ClColumns.CanBeRows(tile, columns.Count))
        {
            b = ClArg.Input(1, firstOfB * sizeof(float));
            product = product with { B = ClColumns.Rows(layout.RowStride), BBatch = Scaled(problem.BBatch, matrixElements) };
        }
        else
        {
            var panels = new ClPanels(columns.Count, problem.K, tile.Width, matrices) { ColumnStride = layout.ColumnStride, RowStride = layout.RowStride, MatrixStride = matrixElements };
            b = x.Constant(1) is { } constant ? panels.Of(x, constant, firstOfB) : panels.Of(x, 1, firstOfB, steps);
            product = product with { B = ClColumns.Of(panels), BBatch = Scaled(problem.BBatch, panels.MatrixElements) };
        }
        MatrixLayout terms = product.Bias ?? default;
        long first = At(new MatrixLayout(product.CRowStride, 1));
        steps.Add(product.Launch(x, ClArg.Input(0, At(product.A with { ColumnStride = 0 })), b,
            ClArg.Input(x.Has(2) ? 2 : 0, At(terms)), x.Has(IFusible.ResidualInput) ? ClArg.Input(IFusible.ResidualInput, first) : ClArg.Input(0), ClArg.Output(0, first)));
        return steps.ToCall();

        long At(MatrixLayout layout) => (rows.First * layout.RowStride + columns.First * layout.ColumnStride) * sizeof(float);
    }

    private static long[] BatchOf(long[] dims) => dims.Length > 2 ? dims[..^2] : [];

    private static Broadcast BatchLoop(long[] a, long[] b)
    {
        long[] left = BatchOf(a), right = BatchOf(b);
        return new Broadcast(GemmProblem.Broadcast(left, right), left, right);
    }

    private static long[] Scaled(ReadOnlySpan<long> strides, long elements) => [.. strides.ToArray().Select(s => s * elements)];

    private static long[] RowMajor(long[] dims)
    {
        var strides = new long[dims.Length];
        for (int i = dims.Length - 1, stride = 1; i >= 0; stride *= (int)dims[i--]) strides[i] = stride;
        return strides;
    }

    /// <summary>A matrix operand after its transposition.</summary>
    private readonly record struct MatrixDims(long Rows, long Columns, MatrixLayout Layout)
    {
        internal static MatrixDims Of(long[] dims, bool transposed) =>
            transposed ? new(dims[^1], dims[^2], new MatrixLayout(1, dims[^1])) : new(dims[^2], dims[^1], MatrixLayout.RowMajor(dims[^1]));
    }
}
