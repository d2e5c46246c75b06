using Parallax.Kernels;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Kernels;

public sealed unsafe class ConvTests
{
    [Theory]
    [MemberData(nameof(GemmEntries.Names), MemberType = typeof(GemmEntries))]
    public void TwoDimensional(string width)
    {
        int seed = 1;
        foreach (int stride in (int[])[1, 2, 3])
            foreach (int kernel in (int[])[1, 2, 3, 5])
                foreach (int dilation in (int[])[1, 2])
                    foreach ((int padBegin, int padEnd) in ((int, int)[])[(0, 0), (1, 1), (0, 2), (4, 3)])
                        Check(ConvReference.Problem(2, 1, 3, 5, [13, 11], [kernel, kernel], stride, padBegin, padEnd, dilation), width, seed++);
    }

    [Theory]
    [MemberData(nameof(GemmEntries.Names), MemberType = typeof(GemmEntries))]
    public void RowsLongerThanVectors(string width)
    {
        Check(ConvReference.Problem(1, 1, 3, 17, [9, 70], [3, 3], 1, 1, 1) with { HasBias = true, Activation = Activation.Relu }, width, 1);
        Check(ConvReference.Problem(1, 1, 3, 17, [9, 151], [3, 3], 2, 1, 1) with { HasBias = true }, width, 2);
        Check(ConvReference.Problem(1, 4, 4, 4, [6, 199], [5, 5], 1, 2, 2) with { HasBias = true }, width, 3);
        Check(ConvReference.Problem(1, 4, 4, 4, [6, 261], [3, 3], 2, 1, 0) with { HasBias = true }, width, 4);
    }

    [Theory]
    [MemberData(nameof(GemmEntries.Names), MemberType = typeof(GemmEntries))]
    public void OtherRanks(string width)
    {
        Check(ConvReference.Problem(2, 1, 4, 6, [50], [7], 2, 3, 2), width, 1);
        Check(ConvReference.Problem(1, 4, 4, 4, [50], [4], 1, 0, 3), width, 2);
        Check(ConvReference.Problem(1, 1, 3, 4, [5, 6, 7], [3, 2, 3], 2, 1, 1), width, 3);
        Check(ConvReference.Problem(2, 3, 3, 6, [5, 6, 7], [3, 3, 3], 1, 1, 1), width, 4);
        Check(ConvReference.Problem(1, 1, 2, 2, [3, 4, 3, 5], [2, 2, 1, 2], 1, 1, 0), width, 5);
    }

    /// <summary>So few that their patches are rows of a product; weights of several panels and several slabs of depth.</summary>
    [Theory]
    [MemberData(nameof(GemmEntries.Names), MemberType = typeof(GemmEntries))]
    public void FewResults(string width)
    {
        ConvProblem[] problems =
        [
            ConvReference.Problem(1, 1, 40, 70, [5], [3], 2, 1, 1),
            ConvReference.Problem(2, 1, 130, 37, [3, 2], [3, 2], 1, 1, 0),
            ConvReference.Problem(1, 1, 7, 40, [2, 4, 3], [2, 3, 2], 2, 1, 1),
            ConvReference.Problem(3, 1, 90, 20, [1, 1], [1, 1]),
            ConvReference.Problem(1, 1, 6, 9, [9], [3], 1, 0, 0, 3),
        ];
        int seed = 1;
        foreach (ConvProblem problem in problems)
        {
            Assert.Contains(ConvCatalog.Entries, e => e.Name == "conv_f32_narrow" && e.Supports(problem));
            Check(problem, width, seed++);
            Check(problem with { HasBias = true, Activation = Activation.Silu }, width, seed++);
        }
    }

    /// <summary>Signals that are stored as images one element wide.</summary>
    [Theory]
    [MemberData(nameof(GemmEntries.Names), MemberType = typeof(GemmEntries))]
    public void AxesOfOneElement(string width)
    {
        Check(ConvReference.Problem(1, 1, 12, 30, [90, 1], [5, 1]), width, 1);
        Check(ConvReference.Problem(2, 3, 3, 6, [1, 50, 1], [1, 4, 1], 1), width, 2);
        Check(new ConvProblem(1, 1, 5, 17, [ConvReference.Axis(40, 3, 2, 1, 1, 1), ConvReference.Axis(1, 1, 1, 0, 0, 1)]) { HasBias = true }, width, 3);
    }

    [Theory]
    [MemberData(nameof(GemmEntries.Names), MemberType = typeof(GemmEntries))]
    public void Groups(string width)
    {
        Check(ConvReference.Problem(2, 2, 6, 8, [9, 9], [3, 3], 1, 1, 1) with { HasBias = true }, width, 1);
        Check(ConvReference.Problem(2, 3, 6, 9, [10, 7], [1, 1]) with { HasBias = true, HasResidual = true }, width, 2);
        Check(ConvReference.Problem(2, 5, 5, 10, [10, 7], [3, 3], 2, 1, 1) with { HasBias = true, HasResidual = true }, width, 3);
    }

    [Theory]
    [MemberData(nameof(GemmEntries.Names), MemberType = typeof(GemmEntries))]
    public void Epilogues(string width)
    {
        int seed = 1;
        foreach (int groups in (int[])[1, 4])
            foreach (int kernel in (int[])[1, 3])
                foreach (Activation activation in (Activation[])[Activation.None, Activation.Silu, Activation.Clip(0, 6)])
                    foreach (bool after in (bool[])[false, true])
                        Check(ConvReference.Problem(2, groups, 4, 8, [7, 9], [kernel, kernel], 1, kernel / 2, kernel / 2) with
                        {
                            HasBias = true,
                            HasResidual = true,
                            ResidualAfterActivation = after,
                            Activation = activation,
                        }, width, seed++);
    }

    [Theory]
    [MemberData(nameof(GemmEntries.Names), MemberType = typeof(GemmEntries))]
    public void SeveralSlabsAndBlocks(string width)
    {
        Check(ConvReference.Problem(1, 1, 40, 190, [17, 19], [3, 3], 1, 1, 1) with { HasBias = true, Activation = Activation.Relu }, width, 1);
        Check(ConvReference.Problem(1, 1, 300, 70, [20, 21], [1, 1]) with { HasBias = true }, width, 2);
        Check(ConvReference.Problem(1, 2, 2, 2, [230, 250], [3, 3], 1, 1, 1) with { HasBias = true }, width, 3);
    }

    /// <summary>Blocks that begin inside a row, the last of which is short, and blocks of whole rows: each pads the rows that it needs, or all share them.</summary>
    [Theory]
    [MemberData(nameof(GemmEntries.Names), MemberType = typeof(GemmEntries))]
    public void BlocksThatPadTheirRows(string width)
    {
        GemmMicroKernel entry = GemmEntries.Named(width);
        ConvAlgorithm algorithm = ConvCatalog.Entries.Single(e => e.Name == "conv_f32_implicit");
        ConvProblem[] alone =
        [
            ConvReference.Problem(2, 1, 3, 9, [151, 203], [3, 3], 2, 1, 1) with { HasBias = true, HasResidual = true },
            ConvReference.Problem(1, 2, 4, 6, [301, 164], [3, 3], 1, 1, 1),
            ConvReference.Problem(1, 1, 4, 18, [400, 397], [5, 3], 3, 2, 0, 2) with { HasBias = true, Activation = Activation.Silu },
        ];
        for (int i = 0; i < alone.Length; i++)
        {
            using (Kernel kernel = ConvKernels.Create(alone[i], algorithm: algorithm, entry: entry))
            {
                Assert.Equal(1, kernel.PhaseCount);
                Assert.InRange(kernel.BlockCount(0), 2, 1000);
            }
            Check(alone[i], width, i + 1);
        }
        using Kernel shared = ConvKernels.Create(ConvReference.Problem(1, 1, 64, 64, [20, 20], [3, 3], 1, 1, 1), algorithm: algorithm, entry: entry);
        Assert.Equal(2, shared.PhaseCount);
    }

    [Theory]
    [MemberData(nameof(GemmEntries.Names), MemberType = typeof(GemmEntries))]
    public void EmptyAndTiny(string width)
    {
        Check(ConvReference.Problem(0, 1, 3, 4, [5, 5], [3, 3]), width, 1);
        Check(ConvReference.Problem(1, 1, 3, 4, [2, 2], [3, 3]), width, 2);
        Check(ConvReference.Problem(1, 1, 1, 1, [1, 1], [3, 3], 1, 1, 1), width, 3);
        Check(ConvReference.Problem(1, 2, 2, 2, [1, 1], [3, 3], 2, 1, 1), width, 4);
    }

    [Fact]
    public void TheCatalogTakesTheSpecializedEntry()
    {
        Assert.Equal("conv_f32_pointwise", ConvCatalog.Select(ConvReference.Problem(1, 1, 64, 64, [20, 20], [1, 1]), constantWeights: true).Name);
        Assert.Equal("conv_f32_depthwise", ConvCatalog.Select(ConvReference.Problem(1, 64, 64, 64, [20, 20], [3, 3], 1, 1, 1), constantWeights: true).Name);
        Assert.Equal("conv_f32_implicit", ConvCatalog.Select(ConvReference.Problem(1, 1, 64, 64, [20, 20], [3, 3], 2, 1, 1), constantWeights: true).Name);
        // With short vectors or none the two results fill the columns of a tile well enough.
        Assert.Equal(GemmCatalog.Best.NR > 8 ? "conv_f32_narrow" : "conv_f32_implicit", ConvCatalog.Select(ConvReference.Problem(1, 1, 128, 64, [4], [3], 2, 1, 1), constantWeights: true).Name);
        Assert.Equal("conv_f32_direct", ConvCatalog.Select(ConvReference.Problem(1, 1, 2, 2, [3, 3, 3, 3], [1, 2, 2, 2]), constantWeights: true).Name);
    }

    [Fact]
    public void WinogradIsTakenWhereWeightsAreKnownAndItsErrorIsAccepted()
    {
        ConvProblem problem = ConvReference.Problem(1, 1, 64, 64, [20, 20], [3, 3], 1, 1, 1);
        Assert.Equal("conv_f32_winograd4", ConvCatalog.Select(problem, constantWeights: true).Name);
        Assert.Equal("conv_f32_implicit", ConvCatalog.Select(problem, constantWeights: true, strict: true).Name);
        Assert.Equal("conv_f32_implicit", ConvCatalog.Select(problem, constantWeights: false).Name);
    }

    /// <summary>By the formula: G g G', where row j of G is [1, p_j, p_j^2] / prod(p_j - p_l) and that of infinity [0, 0, 1].</summary>
    [Fact]
    public void FiltersAreTransformedIntoMatrices()
    {
        const int Count = 5000; // more than one thread takes
        double[] points = [0, Math.Sqrt(0.5), -Math.Sqrt(0.5), Math.Sqrt(2), -Math.Sqrt(2)];
        double[][] rows = [.. points.Select(p => points.Where(q => q != p).Aggregate(1.0, (product, q) => product * (p - q))).Zip(points, (d, p) => (double[])[1 / d, p / d, p * p / d]), [0, 0, 1]];
        float[] filters = RandomData.Floats(9 * Count, 1), matrices = new float[36 * Count];
        WinogradWeights.Transform(filters, matrices);
        for (int filter = 0; filter < Count; filter++)
            for (int i = 0; i < 36; i++)
            {
                double expected = 0;
                for (int tap = 0; tap < 9; tap++) expected += rows[i / 6][tap / 3] * filters[9 * filter + tap] * rows[i % 6][tap % 3];
                Assert.Equal(expected, matrices[i * Count + filter], 1e-5);
            }
    }

    /// <summary>Tile rows that end inside a vector, blocks that begin inside a tile row, several slabs, chunks of rows and blocks that share their input.</summary>
    [Theory]
    [MemberData(nameof(GemmEntries.Names), MemberType = typeof(GemmEntries))]
    public void TransformedDomain(string width)
    {
        int seed = 1;
        foreach ((int inputs, int outputs, int height, int columns) in ((int, int, int, int)[])[(16, 16, 41, 39), (300, 20, 9, 10), (24, 90, 20, 20), (5, 3, 1, 67), (8, 8, 90, 2)])
            foreach ((int begin, int end) in ((int, int)[])[(1, 1), (0, 2), (5, 3)])
                Check(ConvReference.Problem(seed % 2 + 1, 1, inputs, outputs, [height, columns], [3, 3], 1, begin, end) with
                {
                    HasBias = true,
                    HasResidual = seed % 3 == 0,
                    Activation = Activation.LeakyRelu(0.1f),
                }, width, seed++);
        Check(ConvReference.Problem(3, 4, 64, 48, [12, 13], [3, 3], 1, 1, 1) with { HasBias = true }, width, seed);
        foreach ((int inputs, int outputs, int height, int columns) in ((int, int, int, int)[])[(16, 16, 81, 79), (300, 20, 17, 20), (24, 90, 40, 40), (5, 3, 1, 134), (8, 8, 180, 3)])
            foreach ((int begin, int end) in ((int, int)[])[(1, 1), (0, 1), (2, 0), (5, 3)])
                Check(ConvReference.Problem(seed % 2 + 1, 1, inputs, outputs, [height, columns], [3, 3], 2, begin, end) with
                {
                    HasBias = true,
                    HasResidual = seed % 3 == 0,
                    Activation = Activation.LeakyRelu(0.1f),
                }, width, ++seed);
        Check(ConvReference.Problem(3, 4, 64, 48, [25, 26], [3, 3], 2, 1, 1) with { HasBias = true }, width, seed);
    }

    /// <summary>Filters of many channels, which are transformed in every run: of several groups, for blocks that share their input and for blocks that do not; for a single block, chunk by chunk.</summary>
    [Theory]
    [MemberData(nameof(GemmEntries.Names), MemberType = typeof(GemmEntries))]
    public void FiltersThatAreTransformedLate(string width)
    {
        Check(ConvReference.Problem(1, 2, 128, 72, [9, 10], [3, 3], 1, 1, 1) with { HasBias = true }, width, 1);
        Check(ConvReference.Problem(1, 2, 128, 72, [17, 20], [3, 3], 2, 1, 1) with { HasBias = true }, width, 2);
        Check(ConvReference.Problem(1, 1, 64, 64, [80, 76], [3, 3], 1, 1, 1) with { Activation = Activation.Relu }, width, 3);
        foreach (int stride in (int[])[1, 2])
            Check(ConvReference.Problem(1, 1, 70, 69, [8 * stride, 6 * stride], [3, 3], stride, 1, 1) with { HasBias = true }, width, 3 + stride);
    }

    /// <summary>All numbers of taps; several signals, blocks that begin inside one, tiles that reach behind its end, several slabs, chunks of rows, and blocks that do not share their input.</summary>
    [Theory]
    [MemberData(nameof(GemmEntries.Names), MemberType = typeof(GemmEntries))]
    public void SignalsInTheTransformedDomain(string width)
    {
        int seed = 1;
        for (int taps = 2; taps <= 7; taps++)
            foreach ((int inputs, int outputs, int length) in ((int, int, int)[])[(5, 3, 9), (16, 20, 100), (300, 90, 67), (3, 4, 7000)])
                foreach ((int begin, int end) in ((int, int)[])[(0, 0), (1, 2), (9, 11)])
                    CheckSignal(new ConvProblem(seed % 2 + 1, 1, inputs, outputs, [ConvReference.Axis(length, taps, 1, begin, end, 1)]) with
                    {
                        HasBias = true,
                        HasResidual = seed % 3 == 0,
                        Activation = Activation.LeakyRelu(0.1f),
                    }, width, seed++);
        CheckSignal(ConvReference.Problem(2, 1, 7, 18, [9, 31], [1, 3]), width, seed++);
        CheckSignal(ConvReference.Problem(1, 3, 6, 9, [3, 5, 40, 1], [1, 1, 4, 1]), width, seed++);
        CheckSignal(new ConvProblem(1, 1, 12, 30, [ConvReference.Axis(90, 5, 1, 2, 1, 1), ConvReference.Axis(1, 1, 1, 0, 0, 1)]), width, seed);
        CheckSignal(ConvReference.Problem(1, 1, 4, 4, [3], [4]), width, seed);

        static void CheckSignal(ConvProblem problem, string width, int seed)
        {
            Assert.Contains(ConvCatalog.Entries, e => e.Name == "conv_f32_winograd_1d" && e.Supports(problem));
            Check(problem, width, seed);
        }
    }

    [Fact]
    public void SignalsAreTransformedWhereThatIsLessWork()
    {
        Assert.Equal("conv_f32_winograd_1d", Chosen(ConvReference.Problem(1, 1, 256, 512, [512, 1], [5, 1])));
        Assert.Equal("conv_f32_implicit", ConvCatalog.Select(ConvReference.Problem(1, 1, 256, 512, [512, 1], [5, 1]), constantWeights: true, strict: true).Name);
        Assert.Equal("conv_f32_implicit", Chosen(ConvReference.Problem(1, 1, 8, 8, [512], [3]))); // transforms of so few channels cost more than they save
        Assert.DoesNotContain(ConvCatalog.Entries, e => e.Name == "conv_f32_winograd_1d" && (e.Supports(ConvReference.Problem(1, 1, 8, 8, [99], [8]))
            || e.Supports(ConvReference.Problem(1, 1, 8, 8, [99], [3], 2)) || e.Supports(ConvReference.Problem(1, 1, 8, 8, [99], [3], dilation: 2)) || e.Supports(ConvReference.Problem(1, 1, 8, 8, [99, 2], [3, 1]))));

        static string Chosen(ConvProblem problem) => ConvCatalog.Select(problem, constantWeights: true).Name;
    }

    [Fact]
    public void OtherElementTypes()
    {
        ConvProblem problem = ConvReference.Problem(2, 2, 4, 6, [7, 8], [3, 2], 2, 1, 0) with { HasBias = true };
        ConvReference.Inputs inputs = ConvReference.Draw(problem, 5);
        double[] expected = ConvReference.Compute(problem, inputs), y = new double[expected.Length];
        double[] x = [.. inputs.X], w = [.. inputs.W], bias = [.. inputs.Bias];
        using Kernel kernel = ConvKernels.CreateDirect<double>(problem);
        fixed (double* px = x, pw = w, pb = bias, py = y)
            KernelRunner.Run(kernel, [(nint)px, (nint)pw, (nint)pb, 0], [(nint)py]);
        for (int i = 0; i < y.Length; i++)
            Assert.Equal(expected[i], y[i], 1e-12);
        Assert.Throws<UnsupportedModelException>(() => ConvKernels.CreateDirect<double>(problem with { HasResidual = true }));
    }

    [Fact]
    public unsafe void WhatIsToldOfAKernelBeforehandHolds()
    {
        int told = 0;
        foreach (ConvProblem problem in (ConvProblem[])[ConvReference.Problem(1, 1, 16, 24, [20, 28], [3, 3], 1, 1, 1), ConvReference.Problem(1, 1, 16, 24, [20, 28], [3, 3], 2, 1, 1),
            ConvReference.Problem(1, 1, 16, 24, [20, 28], [1, 1]), ConvReference.Problem(1, 1, 16, 24, [300], [5], 1, 2, 2), ConvReference.Problem(1, 1, 64, 64, [4], [3], 2, 1, 1), ConvReference.Problem(1, 8, 8, 8, [9, 9], [3, 3], 1, 1, 1)])
            foreach (ConvAlgorithm algorithm in ConvCatalog.Entries.Where(algorithm => algorithm.Supports(problem)))
            {
                var weights = new float[problem.OutputChannels * problem.GroupInputs * problem.Taps];
                fixed (float* data = weights)
                {
                    using PackedMatrix packed = algorithm.Pack(problem, data, GemmCatalog.Best);
                    using Kernel kernel = algorithm.Create(problem, packed, GemmCatalog.Best);
                    if (algorithm.Describe(problem) is var (name, work))
                    {
                        Assert.Equal((name, work), (kernel.Name, kernel.Work));
                        Assert.True(work.Macs >= problem.Work / (algorithm.IsPrecise ? 1 : 4), $"{name} counts {work}"); // F(4x4) needs 36 for 144 taps
                        Assert.True(work.Moves > 0, $"{name} counts {work}");
                        told++;
                    }
                    else Assert.Equal(default, kernel.Work);
                }
            }
        Assert.True(told > 6, $"{told} kernels were described");
    }

    [Fact]
    public void ChannelsMustDivide() =>
        Assert.Throws<InvalidModelException>(() => ConvKernels.Create(ConvReference.Problem(1, 2, 3, 4, [5, 5], [3, 3])));

    private static void Check(ConvProblem problem, string width, int seed)
    {
        ConvReference.Inputs inputs = ConvReference.Draw(problem, seed);
        double[] expected = ConvReference.Compute(problem, inputs);
        GemmMicroKernel entry = GemmEntries.Named(width);
        double sums = 2e-6 * (4 + problem.GroupInputs * problem.Taps), transformed = 5e-5 * expected.Select(Math.Abs).DefaultIfEmpty().Max();
        foreach (ConvAlgorithm algorithm in ConvCatalog.Entries.Where(algorithm => algorithm.Supports(problem)))
            foreach (bool constant in (bool[])[false, true])
            {
                if ((algorithm.Name == "conv_f32_direct" && problem.Work > 1 << 20) || (algorithm.NeedsConstantWeights && !constant))
                    continue;
                double tolerance = algorithm.IsPrecise ? sums : transformed;
                float[] y = ConvReference.Run(problem, inputs, constant, algorithm, entry, guardBefore: constant);
                for (int i = 0; i < y.Length; i++)
                    if (!(Math.Abs(y[i] - expected[i]) <= tolerance))
                        Assert.Fail($"{algorithm.Name} {width} seed {seed} constant {constant} {string.Join(' ', problem.Axes)} {problem}: Y[{i}] = {y[i]}, expected {expected[i]}");
            }
    }
}
