using Parallax.Kernels;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Kernels;

/// <summary>Right operands that are kept in 16 bits give the bits that the same numbers give in 32.</summary>
public sealed unsafe class ShortWeightsTests
{
    private static readonly GemmProblem[] Problems =
    [
        new(1, 1, 1), new(1, 70, 40), new(1, 470, 300) { Bias = new MatrixLayout(0, 1) }, new(3, 33, 600), new(17, 131, 300) { HasResidual = true, Activation = Activation.Silu }, new(200, 66, 530) { Bias = new MatrixLayout(0, 1) },
        new(5, 65, 257) { B = new MatrixLayout(1, 257) },
        GemmProblem.MatMul([2, 3, 5, 40], [2, 1, 40, 50]),
    ];

    [Theory]
    [MemberData(nameof(GemmEntries.Names), MemberType = typeof(GemmEntries))]
    public void Numbers_of_eleven_bits_are_kept_whole(string width)
    {
        GemmMicroKernel entry = GemmEntries.Named(width);
        int seed = 1;
        foreach (GemmProblem problem in Problems)
        {
            GemmReference.Inputs drawn = GemmReference.Draw(problem, seed++), inputs = drawn with { B = [.. drawn.B.Select(Round)] };
            float[] expected = GemmReference.Run(problem, inputs, false, true, entry);
            foreach (WeightForm form in (WeightForm[])[WeightForm.ShortIfExact, WeightForm.Short])
            {
                (float[] actual, bool isShort) = Run(problem, inputs, entry, form);
                Assert.True(isShort, $"{width} {problem} {form}");
                Assert.True(expected.AsSpan().SequenceEqual(actual), $"{width} {problem} {form}");
            }
            Assert.False(Run(problem, inputs, entry, WeightForm.Float32).IsShort);
        }
    }

    [Theory]
    [MemberData(nameof(GemmEntries.Names), MemberType = typeof(GemmEntries))]
    public void Others_are_rounded_where_that_is_asked_for(string width)
    {
        GemmMicroKernel entry = GemmEntries.Named(width);
        foreach (GemmProblem problem in Problems.Where(p => p.K > 1))
        {
            GemmReference.Inputs inputs = GemmReference.Draw(problem, 9);
            (float[] exact, bool isShort) = Run(problem, inputs, entry, WeightForm.ShortIfExact);
            Assert.False(isShort);
            Assert.True(GemmReference.Run(problem, inputs, false, true, entry).AsSpan().SequenceEqual(exact));
            (float[] rounded, isShort) = Run(problem, inputs, entry, WeightForm.Short);
            Assert.True(isShort);
            Assert.True(GemmReference.Run(problem, inputs with { B = [.. inputs.B.Select(Round)] }, false, true, entry).AsSpan().SequenceEqual(rounded), $"{width} {problem}");
        }
    }

    /// <summary>Of a row times a diagonal, so that every result is one element.</summary>
    [Fact]
    public void The_largest_element_decides_what_is_too_small()
    {
        float tiny = MathF.ScaleB(1, -30);
        AssertKept([1.5f, -0.25f, MathF.ScaleB(1, -29)], [1.5f, -0.25f, MathF.ScaleB(1, -29)]);
        AssertKept([1.5f, -0.25f, tiny], [1.5f, -0.25f, 0]);
        AssertKept([MathF.BitDecrement(2), 1, 0], [2, 1, 0]); // the mantissa carries
        AssertKept([-0.0f, 0, 0], [0, 0, 0]);
        AssertKept([MathF.ScaleB(3, -80), MathF.ScaleB(1, -81), 0], [MathF.ScaleB(3, -80), MathF.ScaleB(1, -81), 0]);
        AssertKept([1 + MathF.ScaleB(1, -11), 1 + MathF.ScaleB(3, -11), 1], [1, 1 + MathF.ScaleB(1, -9), 1]); // ties to even
        foreach (float odd in (float[])[float.NaN, float.PositiveInfinity, float.NegativeInfinity, float.MaxValue]) Assert.False(Diagonal([1, odd, 1], WeightForm.Short).IsShort);
        Assert.False(Diagonal([1, tiny, 1], WeightForm.ShortIfExact).IsShort);

        static void AssertKept(float[] given, float[] kept)
        {
            (float[] result, bool isShort) = Diagonal(given, WeightForm.Short);
            Assert.True(isShort);
            Assert.Equal(kept, result);
        }

        static (float[] Result, bool IsShort) Diagonal(float[] elements, WeightForm form)
        {
            var matrix = new float[9];
            for (int i = 0; i < 3; i++) matrix[4 * i] = elements[i];
            return Run(new GemmProblem(1, 3, 3), new GemmReference.Inputs([1, 1, 1], matrix, [], []), GemmCatalog.Best, form);
        }
    }

    private static float Round(float value)
    {
        if (value == 0) return 0;
        double unit = Math.ScaleB(1, Math.ILogB(value) - 10);
        return (float)(Math.Round(value / unit, MidpointRounding.ToEven) * unit);
    }

    private static (float[] Result, bool IsShort) Run(GemmProblem problem, GemmReference.Inputs inputs, GemmMicroKernel entry, WeightForm form)
    {
        using var a = new GuardedBuffer<float>(inputs.A);
        using var b = new GuardedBuffer<float>(inputs.B);
        using var bias = new GuardedBuffer<float>(inputs.Bias);
        using var residual = new GuardedBuffer<float>(inputs.Residual);
        using var c = new GuardedBuffer<float>(GemmReference.ResultElements(problem));
        using PackedMatrix packed = GemmKernels.PackB(problem, b.Pointer, entry, form), whole = GemmKernels.PackB(problem, b.Pointer, entry);
        using Kernel kernel = GemmKernels.Create(problem, null, packed, entry);
        KernelRunner.Run(kernel, [(nint)a.Pointer, 0, (nint)bias.Pointer, (nint)residual.Pointer], [(nint)c.Pointer]);
        return (c.Span.ToArray(), packed.ByteCount < whole.ByteCount);
    }
}
