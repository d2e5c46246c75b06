using Parallax.Graphs.Ops;
using Parallax.Kernels;
using Parallax.Kernels.Matrix;

namespace Parallax.Runtime.Cpu.Bindings;

internal static class MatrixBindings
{
    internal static readonly Binding[] All =
    [
        Binding.Kernel<MatMul>(PrepareMatMul),
        Binding.Kernel<Gemm>(PrepareGemm),
        Binding.Kernel<Einsum>(PrepareEinsum),
        Binding.Kernel<Det>((_, x) => DetKernels.Create(x.Type(0), x.Dims(0))),
    ];

    private static Kernel PrepareMatMul(MatMul op, PrepareContext x)
    {
        long[] a = op.TransposeA ? SwapLast(x.Dims(0)) : x.Dims(0), b = op.TransposeB ? SwapLast(x.Dims(1)) : x.Dims(1);
        GemmProblem problem = GemmProblem.MatMul(a, b) with { Alpha = op.Alpha };
        if (op.TransposeA)
        {
            // A left operand whose batch folds into its rows cannot be transposed matrix by matrix: keep its batch.
            if (problem.ABatch is null && a.Length > 2) problem = Batched(a, b) with { Alpha = op.Alpha };
            problem = problem with { A = new MatrixLayout(1, a[^2]) };
        }
        if (op.TransposeB) problem = problem with { B = new MatrixLayout(1, b[^2]) };
        return Create(Finish(problem, op, x) with { Bias = x.Has(2) ? new MatrixLayout(0, 1) : null }, x);
    }

    private static Kernel PrepareGemm(Gemm op, PrepareContext x) =>
        Create(Finish(GemmProblem.Gemm(x.Dims(0), x.Dims(1), op.TransposeA, op.TransposeB, op.Alpha, op.Beta, x.Has(2) ? x.Dims(2) : null), op, x), x);

    private static GemmProblem Finish(GemmProblem problem, IFusible op, PrepareContext x) => problem with
    {
        HasResidual = x.Has(IFusible.ResidualInput),
        Activation = op.Activation,
        ResidualAfterActivation = op.ResidualAfterActivation,
    };

    private static Kernel PrepareEinsum(Einsum op, PrepareContext x)
    {
        long[][] dims = [.. Enumerable.Range(0, x.Inputs.Length).Select(x.Dims)];
        EinsumEquation equation = EinsumEquation.Parse(op.Equation, [.. dims.Select(d => d.Length)]);
        return EinsumKernels.Create(x.Type(0), dims, [.. equation.Operands.Select(o => o.ToArray())], [.. equation.Output]);
    }

    private static Kernel Create(GemmProblem whole, PrepareContext x)
    {
        if (x.Part is not { } part) return Create(whole, default, x);
        return GemmKernels.OfPart(Create(whole.Part(part), whole.OffsetsOf(part), x), whole, part, x.Type(0).ElementBytes());
    }

    private static Kernel Create(GemmProblem problem, PartOffsets first, PrepareContext x) =>
        x.Type(0) == DType.Float32 ? CreateFloat(problem, first, x) : TypeDispatch.ForNumber(x.Type(0), new TypedFactory(problem));

    /// <param name="first">Where the problem's operands begin.</param>
    private static unsafe Kernel CreateFloat(GemmProblem problem, PartOffsets first, PrepareContext x)
    {
        PackedMatrix? packedB = null;
        if (x.Constant(1) is { } b)
        {
            bool isNew = false;
            packedB = x.Weights.GetOrAdd(b, $"gemm B {problem.K}x{problem.N} {problem.B} from {first.Second}", () =>
            {
                isNew = true;
                float* source = (float*)b.Address + first.Second;
                return (x.MayDefer ? GemmKernels.DeferB(problem, source, x.Weights.ProductForm, Read) : null) ?? GemmKernels.PackB(problem, source, form: x.Weights.ProductForm, read: Read);

                void Read(long at, long count) => WeightCache.Release(b, first.Second + at, count);
            });
            if (isNew && !packedB.IsFilled) return GemmKernels.CreateDeferred(problem, packedB);
            packedB.Fill(); // another kernel has it already: it is read more often than once
        }
        // One constant side is enough: with both constant the node would have been folded.
        PackedMatrix? packedA = packedB is null && x.Constant(0) is { } a
            ? x.Weights.GetOrAdd(a, $"gemm A {problem.M}x{problem.K} {problem.A} from {first.First} {problem is { N: 1, CRowStride: 1 }}", () => GemmKernels.PackA(problem, (float*)a.Address + first.First))
            : null;
        return GemmKernels.Create(problem, packedA, packedB);
    }

    private static long[] SwapLast(long[] dims)
    {
        if (dims.Length < 2) return dims;
        (dims[^1], dims[^2]) = (dims[^2], dims[^1]);
        return dims;
    }

    private static GemmProblem Batched(long[] a, long[] b)
    {
        long[] aBatch = a[..^2], bBatch = b.Length > 2 ? b[..^2] : [], batch = GemmProblem.Broadcast(aBatch, bBatch);
        int m = checked((int)a[^2]), k = checked((int)a[^1]), n = checked((int)(b.Length == 1 ? 1 : b[^1]));
        return new GemmProblem(m, n, k)
        {
            ABatch = GemmProblem.BatchOffsets(aBatch, batch, (long)m * k),
            BBatch = GemmProblem.BatchOffsets(bBatch, batch, (long)k * n),
            CBatch = GemmProblem.BatchOffsets(batch, batch, (long)m * n),
        };
    }

    private readonly struct TypedFactory(GemmProblem problem) : INumberKernelFactory
    {
        public Kernel Create<T>() where T : unmanaged, System.Numerics.INumber<T> => new TypedGemm<T>(problem);
    }
}
