using Parallax.Kernels;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Kernels;

/// <summary>Products that read a constant where it lies until it is packed.</summary>
public sealed unsafe class DeferredGemmTests
{
    private static readonly GemmProblem[] Problems =
    [
        new(1, 70, 40), new(2, 33, 600), new(5, 131, 300) { HasResidual = true, Activation = Activation.Silu }, new(16, 96, 1000) { Bias = new MatrixLayout(0, 1) },
        new(16, 65, 257) { B = new MatrixLayout(1, 257) }, new(30, 200, 64), new(40, 66, 530) { Bias = new MatrixLayout(0, 1), HasResidual = true }, new(3, 50, 5) { A = new MatrixLayout(1, 3) },
    ];

    [Theory]
    [MemberData(nameof(GemmEntries.Names), MemberType = typeof(GemmEntries))]
    public void The_first_run_gives_the_bits_of_later_ones(string width)
    {
        GemmMicroKernel entry = GemmEntries.Named(width);
        int seed = 1, deferred = 0;
        foreach (GemmProblem problem in Problems)
        {
            GemmReference.Inputs inputs = GemmReference.Draw(problem, seed++);
            float[] expected = GemmReference.Run(problem, inputs, false, true, entry);
            using var a = new GuardedBuffer<float>(inputs.A);
            using var b = new GuardedBuffer<float>(inputs.B);
            using var bias = new GuardedBuffer<float>(inputs.Bias);
            using var residual = new GuardedBuffer<float>(inputs.Residual);
            int filled = 0;
            using PackedMatrix? packed = GemmKernels.DeferB(problem, b.Pointer, WeightForm.ShortIfExact, (_, _) => filled++, entry);
            if (packed is null) continue; // entries of few rows cut these
            deferred++;
            using Kernel kernel = GemmKernels.CreateDeferred(problem, packed);
            Kernel first = kernel.Current;
            Assert.False(kernel.IsSettled);
            Assert.Equal(expected, Run(first));
            Assert.Equal(0, filled);
            kernel.Settle();
            kernel.Settle();
            Assert.True(kernel.IsSettled);
            Assert.Equal(1, filled);
            Assert.NotSame(first, kernel.Current);
            Assert.Equal(expected, Run(first)); // a run that began before goes on
            b.Span.Fill(float.NaN);
            Assert.Equal(expected, Run(kernel.Current));
            Assert.Equal(expected, Run(kernel));

            float[] Run(Kernel run)
            {
                using var c = new GuardedBuffer<float>(GemmReference.ResultElements(problem));
                Assert.True(run.ScratchBytes <= kernel.ScratchBytes && run.WorkerScratchBytes <= kernel.WorkerScratchBytes);
                KernelRunner.Run(run, [(nint)a.Pointer, (nint)b.Pointer, (nint)bias.Pointer, (nint)residual.Pointer], [(nint)c.Pointer]);
                return c.Span.ToArray();
            }
        }
        Assert.True(deferred >= 5, $"{width}: {deferred}");
    }

    [Fact]
    public void A_kernel_that_is_run_before_it_is_settled_settles_itself()
    {
        GemmProblem problem = Problems[0];
        GemmReference.Inputs inputs = GemmReference.Draw(problem, 3);
        using var a = new GuardedBuffer<float>(inputs.A);
        using var b = new GuardedBuffer<float>(inputs.B);
        using var c = new GuardedBuffer<float>(GemmReference.ResultElements(problem));
        using PackedMatrix packed = GemmKernels.DeferB(problem, b.Pointer, WeightForm.Float32, (_, _) => { })!;
        using Kernel kernel = GemmKernels.CreateDeferred(problem, packed);
        KernelRunner.Run(kernel, [(nint)a.Pointer, (nint)b.Pointer], [(nint)c.Pointer]);
        Assert.True(kernel.IsSettled);
        Assert.Equal(GemmReference.Run(problem, inputs, false, true, null), c.Span.ToArray());
    }

    /// <summary>Pieces that were read are overwritten at once: they make up the whole, and nothing reads them again.</summary>
    [Fact]
    public void A_large_source_is_read_piece_by_piece()
    {
        GemmProblem problem = new(2, 40_003, 64) { B = new MatrixLayout(1, 64) };
        GemmReference.Inputs inputs = GemmReference.Draw(problem, 5);
        float[] expected = GemmReference.Run(problem, inputs, false, true, null);
        long read = 0;
        int pieces = 0;
        using var a = new GuardedBuffer<float>(inputs.A);
        using var b = new GuardedBuffer<float>(inputs.B);
        using var c = new GuardedBuffer<float>(GemmReference.ResultElements(problem));
        using PackedMatrix packed = GemmKernels.PackB(problem, b.Pointer, read: (first, count) =>
        {
            Assert.Equal(read, first);
            (read, pieces) = (first + count, pieces + 1);
            new Span<float>(b.Pointer + first, (int)count).Fill(float.NaN);
        });
        Assert.Equal(inputs.B.Length, read);
        Assert.InRange(pieces, 3, 4);
        using Kernel kernel = GemmKernels.Create(problem, null, packed);
        KernelRunner.Run(kernel, [(nint)a.Pointer, 0], [(nint)c.Pointer]);
        Assert.Equal(expected, c.Span.ToArray());
    }

    [Fact]
    public void What_would_round_or_sum_otherwise_or_be_read_more_often_is_packed_at_once()
    {
        Assert.Null(Defer(new GemmProblem(4, 64, 64) { B = new MatrixLayout(1, 64) }, WeightForm.Float32)); // dot products sum in another order
        Assert.Null(Defer(new GemmProblem(16, 64, 64), WeightForm.Short));
        Assert.Null(Defer(new GemmProblem(5000, 64, 64), WeightForm.Float32)); // many blocks of rows
        Assert.Null(Defer(new GemmProblem(16, 1, 64), WeightForm.Float32));
        Assert.Null(Defer(GemmProblem.MatMul([2, 3, 5, 40], [2, 1, 40, 50]), WeightForm.Float32));
        Assert.Null(Defer(new GemmProblem(16, 64, 64), WeightForm.ShortIfExact, round: true));
        Assert.NotNull(Defer(new GemmProblem(16, 64, 64), WeightForm.ShortIfExact));

        static PackedMatrix? Defer(GemmProblem problem, WeightForm form, bool round = false)
        {
            float[] values = GemmReference.Draw(problem, 1).B;
            if (round) Array.Fill(values, 0.5f);
            fixed (float* source = values) return GemmKernels.DeferB(problem, source, form, (_, _) => { });
        }
    }
}
