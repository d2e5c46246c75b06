using System.Numerics;
using Parallax.Kernels;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Kernels;

public sealed unsafe class TypedGemmTests
{
    [Fact]
    public void EveryTypeAndLayout()
    {
        Check<double>();
        Check<int>();
        Check<uint>();
        Check<long>();
        Check<ulong>();
    }

    private static void Check<T>() where T : unmanaged, INumber<T>
    {
        int seed = 1;
        foreach ((int m, int n, int k) in ((int, int, int)[])[(0, 2, 3), (3, 2, 0), (1, 1, 1), (5, 7, 9), (67, 131, 130), (1, 33, 300)])
        {
            Check<T>(new GemmProblem(m, n, k), seed++);
            Check<T>(GemmProblem.Gemm([k, m], [n, k], true, true, 2, 3, [n]), seed++);
        }
        Check<T>(GemmProblem.MatMul([2, 1, 5, 7], [3, 7, 9]), seed++);
        Check<T>(new GemmProblem(4, 5, 6) { CRowStride = 8, Alpha = 2 }, seed);
    }

    private static void Check<T>(GemmProblem problem, int seed) where T : unmanaged, INumber<T>
    {
        // Small integers: exact in every type, so that the order of sums does not matter.
        GemmReference.Inputs drawn = GemmReference.Draw(problem, seed);
        static float[] Whole(float[] values) => [.. values.Select(value => MathF.Abs(MathF.Round(value * 9)))];
        var inputs = new GemmReference.Inputs(Whole(drawn.A), Whole(drawn.B), Whole(drawn.Bias), []);
        (double[] expected, double[] magnitude) = GemmReference.Compute(problem, inputs);
        using var a = new GuardedBuffer<T>(Convert<T>(inputs.A));
        using var b = new GuardedBuffer<T>(Convert<T>(inputs.B));
        using var bias = new GuardedBuffer<T>(Convert<T>(inputs.Bias));
        using var c = new GuardedBuffer<T>(expected.Length);
        T untouched = T.CreateTruncating(99_999);
        c.Span.Fill(untouched);
        using var kernel = new TypedGemm<T>(problem);
        KernelRunner.Run(kernel, [(nint)a.Pointer, (nint)b.Pointer, (nint)bias.Pointer, 0], [(nint)c.Pointer]);
        for (int i = 0; i < expected.Length; i++)
            Assert.Equal(magnitude[i] == 0 ? untouched : T.CreateTruncating(expected[i]), c.Span[i]);
    }

    private static T[] Convert<T>(float[] values) where T : INumber<T> => [.. values.Select(T.CreateTruncating)];
}
