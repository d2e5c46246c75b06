using System.Runtime.CompilerServices;

namespace Parallax.Kernels;

/// <summary>
/// Products with few rows whose two operands are both contiguous along the depth and computed, not constant: one row of A against one
/// column of B at a time, nothing packed. Attention over a cache of keys, and matrix times vector, are such.
/// </summary>
internal sealed unsafe class DotProducts
{
    private const int MaxRows = 4;
    private const long BlockWork = 1 << 17;

    private readonly GemmProblem problem;
    private readonly Epilogue epilogue;
    private readonly int columnsPerBlock;
    private readonly delegate*<float*, float*, nint, nint, float*, void> dot4;

    internal DotProducts(GemmProblem problem, VecWidth width, Epilogue epilogue)
    {
        this.problem = problem;
        this.epilogue = epilogue;
        long perColumn = Math.Max(1, (long)problem.M * problem.K);
        columnsPerBlock = (int)Math.Clamp((BlockWork / perColumn + 3) / 4 * 4, 4, Math.Max(4, problem.N));
        dot4 = width switch
        {
            VecWidth.V512 => &Dot4<Vec512>,
            VecWidth.V256 => &Dot4<Vec256>,
            VecWidth.V128 => &Dot4<Vec128>,
            _ => &Dot4<Vec1>,
        };
        Name = width == VecWidth.Scalar ? "gemm_f32_dot_scalar" : $"gemm_f32_dot_v{32 * (int)width}";
    }

    internal string Name { get; }

    internal int Blocks => problem.M == 0 ? 0 : (problem.N + columnsPerBlock - 1) / columnsPerBlock;

    internal static bool Suits(GemmProblem problem) =>
        problem.WholeRows <= MaxRows && problem.K >= 8 && problem.A.ColumnStride == 1 && problem.B.RowStride == 1;

    internal void RunBlock(int block, in GemmOperands operands)
    {
        int column = block * columnsPerBlock, columns = Math.Min(columnsPerBlock, problem.N - column);
        float* results = stackalloc float[4];
        for (int row = 0; row < problem.M; row++)
        {
            float* a = operands.A + row * operands.ARowStride, c = operands.C + row * operands.CStride + column;
            for (int j = 0; j < columns; j += 4)
            {
                float* b = operands.B + (column + j) * operands.BColumnStride;
                int count = Math.Min(4, columns - j);
                // A rest of less than four columns reads one column four times: the sums are the same.
                if (count == 4)
                    dot4(a, b, operands.BColumnStride, problem.K, c + j);
                else
                    for (int i = 0; i < count; i++)
                    {
                        dot4(a, b + i * operands.BColumnStride, 0, problem.K, results);
                        c[j + i] = results[0];
                    }
            }
        }
        epilogue.Apply(new EpilogueTile
        {
            Sums = operands.C + column,
            SumsStride = operands.CStride,
            C = operands.C + column,
            Stride = operands.CStride,
            Rows = problem.M,
            Columns = columns,
            Bias = operands.Bias == null ? null : operands.Bias + column * operands.BiasColumnStride,
            BiasRowStride = operands.BiasRowStride,
            BiasColumnStride = operands.BiasColumnStride,
            Residual = operands.Residual == null ? null : operands.Residual + column,
            ResidualStride = operands.ResidualStride,
        });
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Dot4<V>(float* a, float* b, nint bStride, nint depth, float* results) where V : struct, IVec<V>
    {
        float* b1 = b + bStride, b2 = b1 + bStride, b3 = b2 + bStride;
        V s0 = default, s1 = default, s2 = default, s3 = default;
        nint k = 0;
        for (; k <= depth - V.Count; k += V.Count)
        {
            V x = V.Load(a + k);
            s0 = V.MultiplyAdd(x, V.Load(b + k), s0);
            s1 = V.MultiplyAdd(x, V.Load(b1 + k), s1);
            s2 = V.MultiplyAdd(x, V.Load(b2 + k), s2);
            s3 = V.MultiplyAdd(x, V.Load(b3 + k), s3);
        }
        float r0 = V.Sum(s0), r1 = V.Sum(s1), r2 = V.Sum(s2), r3 = V.Sum(s3);
        for (; k < depth; k++)
        {
            r0 = float.MultiplyAddEstimate(a[k], b[k], r0);
            r1 = float.MultiplyAddEstimate(a[k], b1[k], r1);
            r2 = float.MultiplyAddEstimate(a[k], b2[k], r2);
            r3 = float.MultiplyAddEstimate(a[k], b3[k], r3);
        }
        results[0] = r0;
        results[1] = r1;
        results[2] = r2;
        results[3] = r3;
    }
}
