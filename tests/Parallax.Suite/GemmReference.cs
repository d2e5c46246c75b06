using Parallax.Kernels;

namespace Parallax.Suite;

/// <summary>Runs of <see cref="GemmProblem"/>: inputs of the right sizes, and the result by its definition in double precision.</summary>
public static unsafe class GemmReference
{
    public sealed record Inputs(float[] A, float[] B, float[] Bias, float[] Residual);

    public static Inputs Draw(GemmProblem problem, int seed) => new(
        RandomData.Floats(Extent(problem.ABatch, problem.A, problem.M, problem.K), seed),
        RandomData.Floats(Extent(problem.BBatch, problem.B, problem.K, problem.N), seed + 1),
        RandomData.Floats(problem.Bias is { } bias ? Extent(problem.BiasBatch, bias, problem.M, problem.N) : 0, seed + 2),
        RandomData.Floats(problem.HasResidual ? ResultElements(problem) : 0, seed + 3));

    public static int ResultElements(GemmProblem problem) =>
        Extent(problem.CBatch, new MatrixLayout(problem.CRowStride, 1), problem.M, problem.N);

    /// <summary>The result, and per element the sum of magnitudes that bounds its rounding.</summary>
    public static (double[] Result, double[] Magnitude) Compute(GemmProblem problem, Inputs inputs)
    {
        var result = new double[ResultElements(problem)];
        var magnitude = new double[result.Length];
        for (int batch = 0; batch < problem.BatchCount; batch++)
            for (int m = 0; m < problem.M; m++)
                for (int n = 0; n < problem.N; n++)
                {
                    long at = (problem.CBatch?[batch] ?? 0) + m * problem.CRowStride + n;
                    (result[at], magnitude[at]) = Element(problem, inputs, batch, m, n, at);
                }
        return (result, magnitude);
    }

    /// <summary>Runs a kernel for the problem on guarded buffers and returns C.</summary>
    public static float[] Run(GemmProblem problem, Inputs inputs, bool constantA, bool constantB, GemmMicroKernel? entry, bool guardBefore = false)
    {
        using var a = new GuardedBuffer<float>(inputs.A, guardBefore);
        using var b = new GuardedBuffer<float>(inputs.B, guardBefore);
        using var bias = new GuardedBuffer<float>(inputs.Bias, guardBefore);
        using var residual = new GuardedBuffer<float>(inputs.Residual, guardBefore);
        using var c = new GuardedBuffer<float>(ResultElements(problem), guardBefore);
        c.Span.Fill(float.NaN);
        using Kernel kernel = GemmKernels.Create(problem, constantA ? a.Pointer : null, constantB ? b.Pointer : null, entry);
        KernelRunner.Run(kernel, [constantA ? 0 : (nint)a.Pointer, constantB ? 0 : (nint)b.Pointer, (nint)bias.Pointer, (nint)residual.Pointer], [(nint)c.Pointer]);
        return c.Span.ToArray();
    }

    private static (double, double) Element(GemmProblem problem, Inputs inputs, int batch, int m, int n, long at)
    {
        long a = (problem.ABatch?[batch] ?? 0) + m * problem.A.RowStride, b = (problem.BBatch?[batch] ?? 0) + n * problem.B.ColumnStride;
        double sum = 0, magnitude = 1;
        for (int k = 0; k < problem.K; k++)
        {
            double product = (double)inputs.A[a + k * problem.A.ColumnStride] * inputs.B[b + k * problem.B.RowStride];
            sum += product;
            magnitude += Math.Abs(product);
        }
        sum *= problem.Alpha;
        if (problem.Bias is { } bias)
            sum += problem.Beta * (double)inputs.Bias[(problem.BiasBatch?[batch] ?? 0) + m * bias.RowStride + n * bias.ColumnStride];
        double residual = problem.HasResidual ? inputs.Residual[at] : 0;
        double value = problem.ResidualAfterActivation
            ? ActivationReference.Apply(problem.Activation, sum) + residual
            : ActivationReference.Apply(problem.Activation, sum + residual);
        return (value, magnitude * Math.Max(1, Math.Abs(problem.Alpha)) * 2);
    }

    private static int Extent(long[]? batch, MatrixLayout layout, int rows, int columns) =>
        rows == 0 || columns == 0 || batch is { Length: 0 } ? 0
        : checked((int)((batch?.Max() ?? 0) + (rows - 1) * layout.RowStride + (columns - 1) * layout.ColumnStride + 1));
}
