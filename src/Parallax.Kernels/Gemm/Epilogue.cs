using System.Runtime.CompilerServices;

namespace Parallax.Kernels;

/// <summary>
/// What happens to finished sums C while they are in cache:
/// <c>C = activation(Alpha C + Beta bias + residual)</c>, or <c>activation(Alpha C + Beta bias) + residual</c>.
/// </summary>
internal readonly unsafe struct Epilogue
{
    private readonly delegate*<in Epilogue, in EpilogueTile, void> apply;

    internal Epilogue(VecWidth width, Activation activation, float alpha, float beta, bool residualAfterActivation)
    {
        Activation = activation;
        Alpha = alpha;
        Beta = beta;
        ResidualAfterActivation = residualAfterActivation;
        apply = width switch
        {
            VecWidth.V512 => EpilogueCode.Select<Vec512>(activation.Kind),
            VecWidth.V256 => EpilogueCode.Select<Vec256>(activation.Kind),
            VecWidth.V128 => EpilogueCode.Select<Vec128>(activation.Kind),
            _ => EpilogueCode.Select<Vec1>(activation.Kind),
        };
    }

    internal Activation Activation { get; }
    internal float Alpha { get; }
    internal float Beta { get; }
    internal bool ResidualAfterActivation { get; }

    /// <summary>Whether results differ from sums.</summary>
    internal bool Changes(bool hasBias, bool hasResidual) => hasBias || hasResidual || Alpha != 1f || Activation.Kind != ActivationKind.None;

    internal void Apply(in EpilogueTile tile)
    {
        if (tile.Sums != tile.C || Changes(tile.Bias != null, tile.Residual != null))
            apply(in this, in tile);
    }
}

/// <summary>A piece of a result, and where its sums, its bias and its residual lie; strides in elements. Columns are contiguous.</summary>
internal unsafe struct EpilogueTile
{
    /// <summary>Sums before what follows them: the place of the result itself, or memory that does not overlap it.</summary>
    internal float* Sums;
    internal nint SumsStride;

    internal float* C;
    internal nint Stride;
    internal int Rows, Columns;

    /// <summary>Null where there is none.</summary>
    internal float* Bias;

    /// <summary>The column stride is 0 or 1.</summary>
    internal nint BiasRowStride, BiasColumnStride;

    /// <summary>Null where there is none.</summary>
    internal float* Residual;
    internal nint ResidualStride;
}

internal static unsafe class EpilogueCode
{
    /// <summary>Fewer rows are faster one after another.</summary>
    private const int LeastRowsDown = 4;

    internal static delegate*<in Epilogue, in EpilogueTile, void> Select<V>(ActivationKind kind) where V : struct, IVec<V> =>
        (delegate*<in Epilogue, in EpilogueTile, void>)ActivationOps.Select<nint, Runs<V>>(kind, default);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Run<V, TOp>(in Epilogue epilogue, in EpilogueTile tile) where V : struct, IVec<V> where TOp : struct, IActivationOp<TOp>
    {
        var row = new RowEpilogue<V, TOp>(epilogue);
        int rows = tile.Rows, columns = tile.Columns, whole = columns / V.Count * V.Count;
        bool perColumn = tile.BiasColumnStride != 0, isAfter = epilogue.ResidualAfterActivation;
        float* sums = tile.Sums, c = tile.C, bias = tile.Bias, residual = tile.Residual;
        // Rows of a tile are two vectors long: a vector of columns of all rows is one loop, over a bias in a register where all rows have the same.
        bool goesDown = rows >= LeastRowsDown && (!perColumn || tile.BiasRowStride == 0);
        if (goesDown)
        {
            for (int j = 0; j < whole; j += V.Count) row.FinishDown(tile, j, isAfter);
            if (whole == columns) return;
        }
        for (int i = 0; i < rows; i++)
        {
            float constantBias = bias == null || perColumn ? 0 : epilogue.Beta * *bias;
            float* columnBias = perColumn ? bias : null, before = isAfter ? null : residual, after = isAfter ? residual : null;
            if (!goesDown) row.Finish(constantBias, sums, c, columnBias, before, after, 0, whole);
            if (whole < columns)
                FinishRest<TOp>(epilogue, constantBias, sums, c, columnBias, before, after, whole, columns);
            sums += tile.SumsStride;
            c += tile.Stride;
            if (bias != null) bias += tile.BiasRowStride;
            if (residual != null) residual += tile.ResidualStride;
        }
    }

    /// <summary>The last columns of a row, fewer than a vector has lanes: in shorter vectors, which give the same bits.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void FinishRest<TOp>(
        in Epilogue epilogue, float bias, float* sums, float* c, float* columnBias, float* before, float* after, int start, int end) where TOp : struct, IActivationOp<TOp>
    {
        if (Vec128.IsSupported)
        {
            int whole = start + (end - start) / Vec128.Count * Vec128.Count;
            new RowEpilogue<Vec128, TOp>(epilogue).Finish(bias, sums, c, columnBias, before, after, start, whole);
            start = whole;
        }
        new RowEpilogue<Vec1, TOp>(epilogue).Finish(bias, sums, c, columnBias, before, after, start, end);
    }

    private readonly struct Runs<V> : IActivationChoice<nint> where V : struct, IVec<V>
    {
        public nint For<TOp>() where TOp : struct, IActivationOp<TOp> => (nint)(delegate*<in Epilogue, in EpilogueTile, void>)&Run<V, TOp>;
    }
}

/// <summary>What happens to the elements of one row, or of a vector of columns.</summary>
internal readonly unsafe struct RowEpilogue<V, TOp>(in Epilogue epilogue) where V : struct, IVec<V> where TOp : struct, IActivationOp<TOp>
{
    private readonly TOp op = TOp.Create(epilogue.Activation);
    private readonly V alpha = V.Create(epilogue.Alpha), beta = V.Create(epilogue.Beta);

    /// <summary>Columns [start, end): whole vectors. The constant bias, already scaled, is added where there is none per column.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void Finish(float constantBias, float* sums, float* c, float* columnBias, float* before, float* after, int start, int end)
    {
        V constant = V.Create(constantBias);
        for (int i = start; i < end; i += V.Count)
        {
            V v = V.MultiplyAdd(alpha, V.Load(sums + i), columnBias == null ? constant : beta * V.Load(columnBias + i));
            if (before != null) v += V.Load(before + i);
            v = op.Apply(v);
            V.Store(c + i, after == null ? v : v + V.Load(after + i));
        }
    }

    /// <summary>A vector of columns from a column on, in all rows of a tile whose bias is per column or per row, not of each element.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void FinishDown(in EpilogueTile tile, int column, bool isAfter)
    {
        float* rowBias = tile.BiasColumnStride == 0 ? tile.Bias : null;
        V bias = tile.Bias == null || rowBias != null ? default : beta * V.Load(tile.Bias + column);
        float* sums = tile.Sums + column, c = tile.C + column, residual = tile.Residual == null ? null : tile.Residual + column;
        nint sumsStride = tile.SumsStride, stride = tile.Stride, residualStride = residual == null ? 0 : tile.ResidualStride, biasStride = tile.BiasRowStride;
        for (int i = tile.Rows; i > 0; i--, sums += sumsStride, c += stride, residual += residualStride)
        {
            if (rowBias != null)
            {
                bias = beta * V.Create(*rowBias);
                rowBias += biasStride;
            }
            V v = V.MultiplyAdd(alpha, V.Load(sums), bias);
            if (residual != null && !isAfter) v += V.Load(residual);
            v = op.Apply(v);
            if (residual != null && isAfter) v += V.Load(residual);
            V.Store(c, v);
        }
    }
}
