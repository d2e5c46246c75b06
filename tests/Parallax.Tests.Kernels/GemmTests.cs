using Parallax.Kernels;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Kernels;

public sealed unsafe class GemmTests
{
    private static readonly int[] Sizes = [1, 2, 3, 4, 5, 7, 8, 13, 15, 16, 17, 31, 33, 40];

    [Fact]
    public void CatalogIsOrderedAndEndsPortably()
    {
        Assert.True(GemmCatalog.Entries[^1].IsSupported);
        Assert.Equal(GemmCatalog.Entries.Count, GemmCatalog.Entries.Select(entry => entry.Name).Distinct().Count());
        Assert.True(GemmCatalog.Entries.Zip(GemmCatalog.Entries.Skip(1)).All(pair => pair.First.Width >= pair.Second.Width));
    }

    [Theory]
    [MemberData(nameof(GemmEntries.Names), MemberType = typeof(GemmEntries))]
    public void AwkwardSizes(string entry)
    {
        int seed = 100;
        foreach (int m in Sizes)
            foreach (int n in Sizes)
                foreach (int k in (int[])[1, 2, 5, 8, 17])
                    Check(new GemmProblem(m, n, k), entry, seed++);
    }

    [Theory]
    [MemberData(nameof(GemmEntries.Names), MemberType = typeof(GemmEntries))]
    public void EmptySizes(string entry)
    {
        Check(new GemmProblem(0, 5, 3), entry, 1);
        Check(new GemmProblem(5, 0, 3), entry, 2);
        Check(new GemmProblem(5, 7, 0) { Bias = new MatrixLayout(0, 1), Activation = Activation.Relu }, entry, 3);
        Check(new GemmProblem(1, 1, 0), entry, 4);
        Check(new GemmProblem(5, 1, 0), entry, 4);
        Check(new GemmProblem(2, 3, 4) { ABatch = [], BBatch = [], CBatch = [] }, entry, 5);
    }

    [Theory]
    [MemberData(nameof(GemmEntries.Names), MemberType = typeof(GemmEntries))]
    public void SeveralSlabsAndBlocks(string entry)
    {
        Check(new GemmProblem(29, 65, 257), entry, 1);
        Check(new GemmProblem(191, 131, 530) { Bias = new MatrixLayout(0, 1), HasResidual = true, Activation = Activation.Silu }, entry, 2);
        Check(new GemmProblem(3, 700, 600), entry, 3);
        Check(new GemmProblem(350, 290, 64), entry, 4);
        Check(new GemmProblem(1, 1500, 300), entry, 5);
        Check(new GemmProblem(16, 300, 1024) { Bias = new MatrixLayout(0, 1) }, entry, 6);
        Check(new GemmProblem(7, 40, 4096) { HasResidual = true }, entry, 7);
    }

    [Theory]
    [MemberData(nameof(GemmEntries.Names), MemberType = typeof(GemmEntries))]
    public void TransposedOperands(string entry)
    {
        int seed = 1;
        foreach ((int m, int n, int k) in ((int, int, int)[])[(1, 1, 9), (1, 33, 19), (3, 9, 64), (4, 21, 40), (33, 1, 17), (19, 35, 23), (45, 70, 300)])
            foreach (bool transposeA in (bool[])[false, true])
                foreach (bool transposeB in (bool[])[false, true])
                    Check(Transposed(m, n, k, transposeA, transposeB), entry, seed++);
    }

    [Theory]
    [MemberData(nameof(GemmEntries.Names), MemberType = typeof(GemmEntries))]
    public void StridedHeadsInPlace(string entry)
    {
        // Heads of attention: [sequence, heads, size] read and written where they lie.
        const int sequence = 19, heads = 3, size = 20;
        long[] headStarts = [0, size, 2 * size];
        Check(new GemmProblem(sequence, sequence, size)
        {
            A = MatrixLayout.RowMajor(heads * size),
            B = new MatrixLayout(1, heads * size),
            ABatch = headStarts,
            BBatch = headStarts,
            CBatch = [0, sequence * sequence, 2 * sequence * sequence],
            Alpha = 0.25f,
        }, entry, 1);
        Check(new GemmProblem(sequence, size, sequence)
        {
            B = MatrixLayout.RowMajor(heads * size),
            CRowStride = heads * size,
            ABatch = [0, sequence * sequence, 2 * sequence * sequence],
            BBatch = headStarts,
            CBatch = headStarts,
            HasResidual = true,
        }, entry, 2);
    }

    [Theory]
    [MemberData(nameof(GemmEntries.Names), MemberType = typeof(GemmEntries))]
    public void ArbitraryStrides(string entry) =>
        Check(new GemmProblem(17, 37, 21) { A = new MatrixLayout(50, 2), B = new MatrixLayout(120, 3), CRowStride = 41 }, entry, 1);

    [Theory]
    [MemberData(nameof(GemmEntries.Names), MemberType = typeof(GemmEntries))]
    public void BroadcastBatches(string entry)
    {
        Check(GemmProblem.MatMul([2, 1, 5, 7], [3, 7, 9]), entry, 1);
        Check(GemmProblem.MatMul([2, 3, 5, 7], [7, 9]), entry, 2);
        Check(GemmProblem.MatMul([5, 7], [4, 7, 9]), entry, 3);
        Check(GemmProblem.MatMul([7], [2, 7, 9]), entry, 4);
        Check(GemmProblem.MatMul([2, 5, 7], [7]), entry, 5);
        Check(GemmProblem.MatMul([3, 1, 16], [3, 16, 20]), entry, 6);
        Check(GemmProblem.MatMul([3, 20, 16], [3, 16, 1]), entry, 7);
        Check(GemmProblem.MatMul([16], [16]), entry, 8);
    }

    [Theory]
    [MemberData(nameof(GemmEntries.Names), MemberType = typeof(GemmEntries))]
    public void EveryBiasLayout(string entry)
    {
        int seed = 1;
        foreach ((int m, int n) in ((int, int)[])[(1, 17), (17, 1), (15, 33), (5, 6)])
            foreach (MatrixLayout bias in (MatrixLayout[])[new(0, 0), new(0, n == 1 ? 0 : 1), new(1, 0), new(n, 1)])
                Check(new GemmProblem(m, n, 9) { Bias = bias, Alpha = -0.5f, Beta = 1.5f }, entry, seed++);
        foreach (long[] dims in (long[][])[[], [1], [6], [1, 6], [5, 1], [5, 6], [1, 1]])
            Check(GemmProblem.Gemm([5, 9], [9, 6], false, false, 1f, 0.5f, dims), entry, seed++);
    }

    [Theory]
    [MemberData(nameof(GemmEntries.Names), MemberType = typeof(GemmEntries))]
    public void EveryActivation(string entry)
    {
        Activation[] all =
        [
            Activation.None, Activation.Relu, Activation.Clip(-0.5f, 1f), Activation.LeakyRelu(0.1f), Activation.Sigmoid, Activation.Tanh,
            Activation.Silu, Activation.HardSwish, Activation.HardSigmoid(), Activation.GeluErf, Activation.GeluTanh, Activation.QuickGelu(),
        ];
        Assert.Equal(Enum.GetValues<ActivationKind>(), all.Select(activation => activation.Kind));
        foreach (Activation activation in all)
        {
            Check(new GemmProblem(9, 43, 20) { Bias = new MatrixLayout(0, 1), Activation = activation }, entry, 1);
            Check(new GemmProblem(4, 35, 20) { HasResidual = true, Activation = activation }, entry, 2);
            Check(new GemmProblem(4, 35, 20) { HasResidual = true, ResidualAfterActivation = true, Activation = activation }, entry, 3);
        }
    }

    [Theory]
    [MemberData(nameof(GemmEntries.Names), MemberType = typeof(GemmEntries))]
    public void NotANumberSpreadsAlongItsRowOnly(string name)
    {
        var problem = new GemmProblem(9, 37, 11) { Activation = Activation.Relu };
        GemmReference.Inputs inputs = GemmReference.Draw(problem, 1);
        inputs.A[4 * 11 + 3] = float.NaN;
        float[] c = GemmReference.Run(problem, inputs, false, true, GemmEntries.Named(name));
        for (int i = 0; i < c.Length; i++)
            Assert.Equal(i / 37 == 4, float.IsNaN(c[i]));
    }

    [Theory]
    [MemberData(nameof(GemmEntries.Names), MemberType = typeof(GemmEntries))]
    public void RowsHaveTheSameBitsWhateverTheirNumber(string name)
    {
        foreach ((int columns, int depth) in ((int, int)[])[(300, 70), (70, 530), (37, 1024), (9, 4500)])
        {
            GemmProblem most = Rows(columns, depth, 150);
            GemmReference.Inputs inputs = GemmReference.Draw(most, columns);
            float[] all = GemmReference.Run(most, inputs, false, true, GemmEntries.Named(name));
            for (int rows = 1; rows < 50; rows++)
            {
                float[] some = GemmReference.Run(Rows(columns, depth, rows), inputs with { Residual = inputs.Residual[..(rows * columns)] }, false, true, GemmEntries.Named(name));
                Assert.True(some.AsSpan().SequenceEqual(all.AsSpan(0, some.Length)), $"{name}: {rows} of {most.M} rows, {columns} columns, depth {depth}");
            }
        }

        static GemmProblem Rows(int columns, int depth, int rows) => new(rows, columns, depth) { Bias = new MatrixLayout(0, 1), HasResidual = true, Activation = Activation.Silu };
    }

    [Fact]
    public void PackedWeightsAreSharedAndOutliveTheirFirstOwner()
    {
        float[] weights = RandomData.Floats(30 * 40, 1);
        Kernel small, large;
        fixed (float* source = weights)
        {
            using PackedMatrix packed = GemmKernels.PackB(new GemmProblem(1, 40, 30), source);
            small = GemmKernels.Create(new GemmProblem(2, 40, 30), null, packed);
            large = GemmKernels.Create(new GemmProblem(50, 40, 30), null, packed);
        }
        small.Dispose();
        var problem = new GemmProblem(50, 40, 30);
        var inputs = new GemmReference.Inputs(RandomData.Floats(50 * 30, 2), weights, [], []);
        float[] expected = GemmReference.Run(problem, inputs, false, true, null), c = new float[50 * 40];
        fixed (float* a = inputs.A, to = c)
            KernelRunner.Run(large, [(nint)a, 0, 0, 0], [(nint)to]);
        large.Dispose();
        Assert.Equal(expected, c);
    }

    [Fact]
    public void MismatchedPackingIsRefused()
    {
        float[] weights = new float[12];
        fixed (float* source = weights)
        {
            using PackedMatrix packed = GemmKernels.PackB(new GemmProblem(1, 3, 4), source);
            Assert.Throws<ArgumentException>(() => GemmKernels.Create(new GemmProblem(1, 4, 3), null, packed));
            Assert.Throws<ArgumentException>(() => GemmKernels.Create(new GemmProblem(1, 3, 4) { Bias = new MatrixLayout(1, 2) }));
        }
        Assert.Throws<InvalidModelException>(() => GemmProblem.MatMul([2, 3], [4, 5]));
    }

    private static GemmProblem Transposed(int m, int n, int k, bool transposeA, bool transposeB) =>
        GemmProblem.Gemm(transposeA ? [k, m] : [m, k], transposeB ? [n, k] : [k, n], transposeA, transposeB, 1f, 1f, null);

    private static void Check(GemmProblem problem, string name, int seed)
    {
        GemmReference.Inputs inputs = GemmReference.Draw(problem, seed);
        (double[] expected, double[] magnitude) = GemmReference.Compute(problem, inputs);
        foreach ((bool constantA, bool constantB) in ((bool, bool)[])[(false, false), (true, false), (false, true), (true, true)])
        {
            float[] c = GemmReference.Run(problem, inputs, constantA, constantB, GemmEntries.Named(name), guardBefore: constantB);
            for (int i = 0; i < c.Length; i++)
            {
                // Between the rows of a strided C nothing may be written.
                bool right = magnitude[i] == 0 ? float.IsNaN(c[i]) : Math.Abs(c[i] - expected[i]) <= magnitude[i] * 1e-6;
                if (!right)
                    Assert.Fail($"{name} seed {seed} {problem} constants {constantA} {constantB}: C[{i}] = {c[i]}, expected {expected[i]}");
            }
        }
    }
}
