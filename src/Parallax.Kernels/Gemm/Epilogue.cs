using System.Runtime.CompilerServices;

namespace Parallax.Kernels;

/// <summary>
/// What happens to a finished piece of a result C while it is in cache:
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

    internal void Apply(in EpilogueTile tile)
    {
        if (tile.Bias != null || tile.Residual != null || Alpha != 1f || Activation.Kind != ActivationKind.None)
            apply(in this, in tile);
    }
}

/// <summary>A piece of a result, and where its bias and residual lie; strides in elements. Columns are contiguous.</summary>
internal unsafe struct EpilogueTile
{
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
    internal static delegate*<in Epilogue, in EpilogueTile, void> Select<V>(ActivationKind kind) where V : struct, IVec<V> => kind switch
    {
        ActivationKind.None => &Run<V, IdentityOp>,
        ActivationKind.Relu => &Run<V, ReluOp>,
        ActivationKind.Clip => &Run<V, ClipOp>,
        ActivationKind.LeakyRelu => &Run<V, LeakyReluOp>,
        ActivationKind.Sigmoid => &Run<V, SigmoidOp>,
        ActivationKind.Tanh => &Run<V, TanhOp>,
        ActivationKind.Silu => &Run<V, SiluOp>,
        ActivationKind.HardSwish => &Run<V, HardSwishOp>,
        ActivationKind.HardSigmoid => &Run<V, HardSigmoidOp>,
        ActivationKind.GeluErf => &Run<V, GeluErfOp>,
        ActivationKind.GeluTanh => &Run<V, GeluTanhOp>,
        ActivationKind.QuickGelu => &Run<V, QuickGeluOp>,
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, null),
    };

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Run<V, TOp>(in Epilogue epilogue, in EpilogueTile tile) where V : struct, IVec<V> where TOp : struct, IActivationOp<TOp>
    {
        var row = new RowEpilogue<V, TOp>(epilogue);
        int rows = tile.Rows, columns = tile.Columns, whole = columns / V.Count * V.Count;
        bool perColumn = tile.BiasColumnStride != 0, isAfter = epilogue.ResidualAfterActivation;
        float* c = tile.C, bias = tile.Bias, residual = tile.Residual;
        for (int i = 0; i < rows; i++)
        {
            row.ConstantBias = bias == null || perColumn ? default : V.Create(epilogue.Beta * *bias);
            float* columnBias = perColumn ? bias : null, before = isAfter ? null : residual, after = isAfter ? residual : null;
            for (int j = 0; j < whole; j += V.Count)
                V.Store(c + j, row.Finish(V.Load(c + j), columnBias, before, after, j));
            if (whole < columns)
                FinishRest(row, c, columnBias, before, after, whole, columns - whole);
            c += tile.Stride;
            if (bias != null) bias += tile.BiasRowStride;
            if (residual != null) residual += tile.ResidualStride;
        }
    }

    /// <summary>The last columns of a row, fewer than a vector has lanes.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void FinishRest<V, TOp>(in RowEpilogue<V, TOp> row, float* c, float* columnBias, float* before, float* after, int start, int count)
        where V : struct, IVec<V> where TOp : struct, IActivationOp<TOp>
    {
        float* rest = stackalloc float[3 * 16];
        V.Store(rest, columnBias == null ? default : Vec.LoadPartial<V>(columnBias + start, count));
        V.Store(rest + 16, before == null ? default : Vec.LoadPartial<V>(before + start, count));
        V.Store(rest + 32, after == null ? default : Vec.LoadPartial<V>(after + start, count));
        V v = row.Finish(Vec.LoadPartial<V>(c + start, count), columnBias == null ? null : rest, before == null ? null : rest + 16, after == null ? null : rest + 32, 0);
        Vec.StorePartial(c + start, v, count);
    }

    /// <summary>What happens to the elements of one row.</summary>
    private struct RowEpilogue<V, TOp>(in Epilogue epilogue) where V : struct, IVec<V> where TOp : struct, IActivationOp<TOp>
    {
        private readonly TOp op = TOp.Create(epilogue.Activation);
        private readonly V alpha = V.Create(epilogue.Alpha), beta = V.Create(epilogue.Beta);

        internal V ConstantBias;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        internal readonly V Finish(V c, float* columnBias, float* before, float* after, int at)
        {
            c = V.MultiplyAdd(alpha, c, columnBias == null ? ConstantBias : beta * V.Load(columnBias + at));
            if (before != null) c += V.Load(before + at);
            c = op.Apply(c);
            return after == null ? c : c + V.Load(after + at);
        }
    }
}
