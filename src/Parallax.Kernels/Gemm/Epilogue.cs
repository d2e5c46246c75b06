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
        TOp op = TOp.Create(epilogue.Activation);
        V alpha = V.Create(epilogue.Alpha), beta = V.Create(epilogue.Beta);
        float* before = epilogue.ResidualAfterActivation ? null : tile.Residual;
        float* after = epilogue.ResidualAfterActivation ? tile.Residual : null;
        for (int row = 0; row < tile.Rows; row++)
        {
            float* c = tile.C + row * tile.Stride;
            float* bias = tile.Bias == null ? null : tile.Bias + row * tile.BiasRowStride;
            float* add = tile.Residual == null ? null : tile.Residual + row * tile.ResidualStride;
            bool perColumn = tile.BiasColumnStride != 0;
            V rowBias = bias == null || perColumn ? default : V.Create(*bias) * beta;
            for (int i = 0; i < tile.Columns; i += V.Count)
            {
                int count = tile.Columns - i;
                bool whole = count >= V.Count;
                V v = alpha * (whole ? V.Load(c + i) : Vec.LoadPartial<V>(c + i, count));
                if (bias != null)
                    v += !perColumn ? rowBias : beta * (whole ? V.Load(bias + i) : Vec.LoadPartial<V>(bias + i, count));
                if (before != null)
                    v += whole ? V.Load(add + i) : Vec.LoadPartial<V>(add + i, count);
                v = op.Apply(v);
                if (after != null)
                    v += whole ? V.Load(add + i) : Vec.LoadPartial<V>(add + i, count);
                if (whole)
                    V.Store(c + i, v);
                else
                    Vec.StorePartial(c + i, v, count);
            }
        }
    }
}
