using Parallax.Kernels;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Kernels;

/// <summary>Columns and rows of products, channels and rows of convolutions that are computed without the others: the bits of the whole, and nothing else is written.</summary>
public sealed unsafe class PartTests
{
    private static readonly GemmProblem[] Products =
        [
        .. from m in (int[])[1, 3, 5, 17] from n in (int[])[2, 17, 66] from k in (int[])[1, 40] select new GemmProblem(m, n, k),
        new(191, 131, 530) { Bias = new MatrixLayout(0, 1), HasResidual = true, Activation = Activation.Silu },
        new(3, 700, 600) { Bias = new MatrixLayout(1, 0), Alpha = 0.5f, Beta = 2, Activation = Activation.GeluErf },
        new(29, 65, 257) { A = new MatrixLayout(1, 29), B = new MatrixLayout(1, 257), Bias = new MatrixLayout(65, 1), HasResidual = true, ResidualAfterActivation = true, Activation = Activation.Relu },
        new(3, 66, 40) { B = new MatrixLayout(1, 40), Activation = Activation.Tanh },
        new(17, 40, 300) { B = new MatrixLayout(1, 300), Bias = new MatrixLayout(1, 0) },
        new(46, 1, 300) { Bias = new MatrixLayout(1, 0), HasResidual = true },
        GemmProblem.MatMul([2, 3, 5, 40], [2, 1, 40, 50]) with { HasResidual = true },
        GemmProblem.MatMul([3, 31, 40], [3, 40, 20]) with { HasResidual = true, Activation = Activation.Silu },
        GemmProblem.MatMul([6, 5, 40], [40, 50]),
        GemmProblem.MatMul([40], [40, 50]),
    ];

    [Theory]
    [MemberData(nameof(GemmEntries.Names), MemberType = typeof(GemmEntries))]
    public void Columns(string width) => AssertParts(width, OutputAxis.Channels, problem => [1, 2, 16, 32, 37, problem.N - 1]);

    [Theory]
    [MemberData(nameof(GemmEntries.Names), MemberType = typeof(GemmEntries))]
    public void Rows(string width) => AssertParts(width, OutputAxis.Rows, problem => GemmEntries.Named(width).MR is var height ? [1, 5, height, 2 * height, (problem.M - 1) / height * height] : []);

    private static void AssertParts(string width, OutputAxis axis, Func<GemmProblem, int[]> cutsOf)
    {
        GemmMicroKernel entry = GemmEntries.Named(width);
        int seed = 1;
        foreach (GemmProblem problem in Products)
        {
            int extent = axis == OutputAxis.Rows ? problem.M : problem.N;
            GemmReference.Inputs inputs = GemmReference.Draw(problem, seed++);
            foreach ((bool constantA, bool constantB) in ((bool, bool)[])[(false, false), (true, false), (false, true)])
            {
                float[] whole = GemmReference.Run(problem, inputs, constantA, constantB, entry);
                foreach (int cut in cutsOf(problem).Where(c => c > 0 && c < extent).Distinct())
                    foreach (OutputPart part in (OutputPart[])[new(0, cut, axis), new(cut, extent - cut, axis)])
                        AssertPart(whole, RunPart(problem, part, inputs, constantA, constantB, entry), i => part.Covers(axis == OutputAxis.Rows ? i / (int)problem.CRowStride % problem.M : i % (int)problem.CRowStride),
                            $"{width} {problem} {part} {constantA} {constantB}");
            }
        }
    }

    private static readonly ConvProblem[] Convolutions =
        [
        ConvReference.Problem(2, 1, 3, 33, [13, 11], [3, 3], 2, 1, 2),
        ConvReference.Problem(2, 1, 20, 45, [13, 11], [3, 3], 1, 1, 1) with { HasResidual = true, Activation = Activation.Silu },
        ConvReference.Problem(1, 1, 24, 90, [20, 20], [3, 3], 1, 1, 1) with { Activation = Activation.Relu },
        ConvReference.Problem(3, 1, 40, 37, [9, 7], [1, 1]) with { HasResidual = true, ResidualAfterActivation = true },
        ConvReference.Problem(2, 1, 300, 41, [5, 5], [1, 1]),
        ConvReference.Problem(2, 1, 1, 30, [9, 30], [3, 3], 1, 1, 1),
        ConvReference.Problem(2, 9, 9, 9, [20, 31], [5, 5], 1, 2, 2) with { HasResidual = true, Activation = Activation.Clip(0, 6) },
        ConvReference.Problem(2, 3, 3, 12, [10, 9], [3, 3], 2, 1, 1),
        ConvReference.Problem(2, 3, 12, 21, [10, 9], [3, 3], 1, 1, 1),
        ConvReference.Problem(2, 4, 12, 20, [10, 9], [1, 1]),
        ConvReference.Problem(2, 1, 4, 40, [50], [7], 2, 3, 2),
        ConvReference.Problem(1, 1, 3, 32, [5, 6, 7], [3, 2, 3], 2, 1, 1),
        ConvReference.Problem(2, 1, 4, 40, [50], [5], 1, 3, 2),
        ConvReference.Problem(1, 2, 4, 40, [150, 1], [3, 1]),
        ConvReference.Problem(1, 1, 4, 20, [9, 31], [1, 3]),
        ConvReference.Problem(2, 1, 5, 7, [9, 6, 7], [3, 1, 2], 1, 2, 1, dilation: 2) with { HasResidual = true },
        ConvReference.Problem(1, 1, 20, 40, [26, 34], [3, 3], 2, 1, 1) with { HasResidual = true },
        ConvReference.Problem(1, 1, 2, 3, [3, 4], [3, 3], 1, 5, 7),
        ];

    [Theory]
    [MemberData(nameof(GemmEntries.Names), MemberType = typeof(GemmEntries))]
    public void Channels(string width) =>
        AssertConvolutionParts(width, OutputAxis.Channels, problem => ConvProblem.ChannelGranuleOf(problem.Groups, problem.OutputChannels, GemmEntries.Named(width)), problem => problem.OutputChannels, problem => problem.OutputPlane);

    /// <summary>Of images; of signals at other places as well than those that the planner takes.</summary>
    [Theory]
    [MemberData(nameof(GemmEntries.Names), MemberType = typeof(GemmEntries))]
    public void Rows_of_planes(string width) => AssertConvolutionParts(width, OutputAxis.Rows, problem => problem.Axes is [var signal] ? signal.Stride == 1 ? 9 - (int)signal.Kernel : 3 : ConvProblem.RowGranuleOf([.. problem.Axes.Select(a => a.Kernel)]),
        problem => (int)problem.Axes[0].Output, problem => problem.OutputPlane / (int)problem.Axes[0].Output);

    /// <param name="inner">Elements of the result for each index of the axis.</param>
    private static void AssertConvolutionParts(string width, OutputAxis axis, Func<ConvProblem, int> granuleOf, Func<ConvProblem, int> extentOf, Func<ConvProblem, int> inner)
    {
        GemmMicroKernel entry = GemmEntries.Named(width);
        int seed = 1;
        foreach (ConvProblem problem in Convolutions.Select(p => p with { HasBias = true }))
        {
            ConvReference.Inputs inputs = ConvReference.Draw(problem, seed++);
            (int granule, int extent) = (granuleOf(problem), extentOf(problem));
            foreach (ConvAlgorithm algorithm in ConvCatalog.Entries.Where(a => a.Supports(problem)))
                foreach (bool constant in algorithm.NeedsConstantWeights ? (bool[])[true] : [false, true])
                {
                    float[] whole = ConvReference.Run(problem, inputs, constant, algorithm, entry, guardBefore: false);
                    foreach (int cut in ((int[])[granule, 2 * granule, (extent - 1) / granule * granule]).Where(c => c > 0 && c < extent).Distinct())
                        foreach (OutputPart part in (OutputPart[])[new(0, cut, axis), new(cut, extent - cut, axis)])
                            AssertPart(whole, RunPart(problem, part, inputs, constant, algorithm, entry), i => part.Covers(i / inner(problem) % extent),
                                $"{algorithm.Name} {width} {problem} {part} {constant}");
                }
        }
    }

    [Fact]
    public void Other_types()
    {
        ConvProblem conv = ConvReference.Problem(2, 2, 4, 6, [7, 8], [3, 2], 2, 1, 0) with { HasBias = true };
        ConvReference.Inputs inputs = ConvReference.Draw(conv, 5);
        double[] x = [.. inputs.X], w = [.. inputs.W], bias = [.. inputs.Bias];
        OutputPart group = new(3, 3), planeRows = new(1, 2, OutputAxis.Rows);
        int height = (int)conv.Axes[0].Output;
        using Kernel all = ConvKernels.CreateDirect<double>(conv), some = ConvKernels.CreateDirect<double>(conv, group), someRows = ConvKernels.CreateDirect<double>(conv, planeRows);
        Compare(all, some, [x, w, bias], ConvReference.ResultElements(conv), i => group.Covers(i / conv.OutputPlane % 6));
        Compare(all, someRows, [x, w, bias], ConvReference.ResultElements(conv), i => planeRows.Covers(i / (conv.OutputPlane / height) % height));

        GemmProblem product = new(7, 50, 9) { Bias = new MatrixLayout(0, 1), Alpha = 2 };
        OutputPart columns = new(13, 30), rows = new(2, 4, OutputAxis.Rows);
        GemmReference.Inputs operands = GemmReference.Draw(product, 6);
        using Kernel wholeProduct = new TypedGemm<double>(product), columnsOfIt = GemmKernels.OfPart(new TypedGemm<double>(product.Part(columns)), product, columns, sizeof(double));
        using Kernel rowsOfIt = GemmKernels.OfPart(new TypedGemm<double>(product.Part(rows)), product, rows, sizeof(double));
        Compare(wholeProduct, columnsOfIt, [[.. operands.A], [.. operands.B], [.. operands.Bias]], 7 * 50, i => columns.Covers(i % 50));
        Compare(wholeProduct, rowsOfIt, [[.. operands.A], [.. operands.B], [.. operands.Bias]], 7 * 50, i => rows.Covers(i / 50));

        static void Compare(Kernel all, Kernel some, double[][] inputs, int count, Func<int, bool> isInPart)
        {
            double[] whole = new double[count], of = new double[count];
            Array.Fill(of, Unwritten);
            fixed (double* a = inputs[0], b = inputs[1], c = inputs[2], y = whole, z = of)
            {
                KernelRunner.Run(all, [(nint)a, (nint)b, (nint)c, 0], [(nint)y]);
                KernelRunner.Run(some, [(nint)a, (nint)b, (nint)c, 0], [(nint)z]);
            }
            for (int i = 0; i < count; i++) Assert.Equal(isInPart(i) ? whole[i] : Unwritten, of[i]);
        }
    }

    [Fact]
    public void What_is_no_part_is_refused()
    {
        var product = new GemmProblem(3, 10, 4);
        foreach (OutputPart part in (OutputPart[])[new(-1, 3), new(0, 0), new(8, 3), new(1, 3, OutputAxis.Rows), new(-1, 2, OutputAxis.Rows)]) Assert.Throws<ArgumentOutOfRangeException>(() => product.Part(part));
        ConvProblem conv = ConvReference.Problem(1, 2, 4, 6, [5, 5], [3, 3]);
        foreach (OutputPart part in (OutputPart[])[new(-3, 3), new(0, 0), new(3, 6), new(0, 2), new(1, 3), new(2, 2, OutputAxis.Rows), new(-1, 2, OutputAxis.Rows), new(1, 0, OutputAxis.Rows)]) Assert.Throws<ArgumentOutOfRangeException>(() => conv.Part(part));
    }

    private const float Unwritten = 12345.678f;

    private static void AssertPart(float[] whole, float[] part, Func<int, bool> isInPart, string what)
    {
        for (int i = 0; i < whole.Length; i++)
            if (BitConverter.SingleToInt32Bits(part[i]) != BitConverter.SingleToInt32Bits(isInPart(i) ? whole[i] : Unwritten))
                Assert.Fail($"{what}: [{i}] = {part[i]}, the whole has {whole[i]}");
    }

    private static float[] RunPart(GemmProblem whole, OutputPart part, GemmReference.Inputs inputs, bool constantA, bool constantB, GemmMicroKernel entry)
    {
        using var a = new GuardedBuffer<float>(inputs.A);
        using var b = new GuardedBuffer<float>(inputs.B);
        GemmProblem problem = whole.Part(part);
        PartOffsets first = whole.OffsetsOf(part);
        using PackedMatrix? packedA = constantA ? GemmKernels.PackA(problem, a.Pointer + first.First, entry) : null, packedB = constantB ? GemmKernels.PackB(problem, b.Pointer + first.Second, entry) : null;
        using Kernel kernel = GemmKernels.OfPart(GemmKernels.Create(problem, packedA, packedB, entry), whole, part, sizeof(float));
        return Run(kernel, constantA ? 0 : (nint)a.Pointer, constantB ? 0 : (nint)b.Pointer, inputs.Bias, inputs.Residual, GemmReference.ResultElements(whole));
    }

    private static float[] RunPart(ConvProblem whole, OutputPart part, ConvReference.Inputs inputs, bool constant, ConvAlgorithm algorithm, GemmMicroKernel entry)
    {
        using var x = new GuardedBuffer<float>(inputs.X);
        using var w = new GuardedBuffer<float>(inputs.W);
        using PackedMatrix? packed = constant ? algorithm.Pack(whole.Part(part), w.Pointer + whole.OffsetsOf(part).Second, entry) : null;
        using Kernel kernel = ConvKernels.CreatePart(whole, part, packed, algorithm, entry);
        return Run(kernel, (nint)x.Pointer, constant ? 0 : (nint)w.Pointer, inputs.Bias, inputs.Residual, ConvReference.ResultElements(whole));
    }

    private static float[] Run(Kernel kernel, nint first, nint second, float[] biases, float[] residuals, int count)
    {
        using var bias = new GuardedBuffer<float>(biases);
        using var residual = new GuardedBuffer<float>(residuals);
        using var y = new GuardedBuffer<float>(count);
        y.Span.Fill(Unwritten);
        KernelRunner.Run(kernel, [first, second, (nint)bias.Pointer, (nint)residual.Pointer], [(nint)y.Pointer]);
        return y.Span.ToArray();
    }
}
