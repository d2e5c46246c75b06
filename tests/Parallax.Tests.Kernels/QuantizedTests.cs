using System.Runtime.InteropServices;
using Parallax.Kernels;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Kernels;

public sealed unsafe class QuantizedTests
{
    public static TheoryData<string> Entries => new(IntegerCatalog.Entries.Where(entry => entry.IsSupported).Select(entry => entry.Name));

    [Theory]
    [MemberData(nameof(Entries))]
    public void ProductsAreExact(string name)
    {
        IntegerMicroKernel entry = Entry(name);
        int seed = 1;
        foreach ((int m, int n, int k) in ((int, int, int)[])[(0, 3, 2), (1, 1, 1), (1, 33, 7), (5, 1, 9), (4, 16, 8), (7, 37, 21), (66, 131, 40), (9, 40, 1030)])
            foreach (bool aSigned in (bool[])[false, true])
                foreach (bool bSigned in (bool[])[false, true])
                    foreach (bool perLane in (bool[])[false, true])
                        CheckSums(new GemmProblem(m, n, k), aSigned, bSigned, perLane, entry, seed++);
        GemmProblem gemm = GemmProblem.Gemm([9, 6], [11, 9], true, true, 1, 1, null);
        CheckSums(gemm, true, false, true, entry, seed++);
        CheckSums(GemmProblem.MatMul([2, 1, 5, 7], [3, 7, 9]), false, true, false, entry, seed);
    }

    [Theory]
    [MemberData(nameof(Entries))]
    public void RequantizedProductsRoundTiesToEvenAndSaturate(string name)
    {
        IntegerMicroKernel entry = Entry(name);
        // Sums 0, 1, 2, ... times 1/2: every second one is a tie.
        const int n = 40;
        byte[] a = [1], b = [.. Enumerable.Range(0, n).Select(i => (byte)i)], zero = [0], y = new byte[n], yZero = [3];
        float[] half = [0.5f], one = [1f];
        var types = new QuantizedTypes(QuantizedInputs.QLinearMatMul);
        Run(QuantizedKernels.CreateProduct(new GemmProblem(1, n, 1), types, entry: entry), y, a, half, zero, b, one, zero, one, yZero);
        for (int i = 0; i < n; i++)
            Assert.Equal(3 + (int)Math.Round(i * 0.5, MidpointRounding.ToEven), y[i]);
        float[] large = [100f];
        Run(QuantizedKernels.CreateProduct(new GemmProblem(1, n, 1), types with { YSigned = true }, entry: entry), y, a, large, zero, b, one, zero, one, yZero);
        Assert.Equal(3, y[0]);
        Assert.Equal(103, y[1]);
        Assert.Equal(127, y[2]);
        byte[] negative = [0xFF];
        Run(QuantizedKernels.CreateProduct(new GemmProblem(1, n, 1), types with { YSigned = true, ASigned = true }, entry: entry), y, negative, large, zero, b, one, zero, one, yZero);
        Assert.Equal(-97, (sbyte)y[1]);
        Assert.Equal(-128, (sbyte)y[2]);
    }

    [Theory]
    [MemberData(nameof(Entries))]
    public void SumsAHairFromATieAreRoundedAsRealNumbers(string name)
    {
        // In each row one sum times its factor is as close to a tie as a float32 factor can bring it: float32 arithmetic makes it one, or steps over it.
        const int m = 120, n = 250;
        byte[] a = [.. Enumerable.Repeat((byte)1, m)], b = [.. Enumerable.Range(0, n).Select(i => (byte)i)], zeros = new byte[m], y = new byte[m * n];
        float[] factors = [.. Enumerable.Range(0, m).Select(row => (float)((row + 0.5) / (n - 1 - row)))], one = [1f];
        var types = new QuantizedTypes(QuantizedInputs.QLinearMatMul) { AScalePerRow = true };
        Run(QuantizedKernels.CreateProduct(new GemmProblem(m, n, 1), types, entry: Entry(name)), y, a, factors, zeros, b, one, zeros, one, zeros);
        for (int i = 0; i < y.Length; i++) Assert.Equal(Math.Clamp(Math.Round(b[i % n] * (double)factors[i / n]), 0, 255), y[i]);
    }

    [Theory]
    [MemberData(nameof(Entries))]
    public void ConvolutionsAreExact(string name)
    {
        IntegerMicroKernel entry = Entry(name);
        int seed = 1;
        foreach (ConvProblem problem in (ConvProblem[])[
            ConvReference.Problem(2, 1, 3, 5, [9, 8], [3, 3], 1, 1, 1),
            ConvReference.Problem(1, 2, 4, 6, [9, 8], [3, 2], 2, 0, 2, 2),
            ConvReference.Problem(1, 4, 4, 4, [31], [5], 1, 2, 2),
            ConvReference.Problem(1, 1, 70, 3, [5, 6], [3, 3], 1, 1, 1),
            ConvReference.Problem(2, 1, 9, 21, [7, 11], [1, 1]),
            ConvReference.Problem(1, 1, 5, 9, [8, 9], [1, 1], 2),
            ConvReference.Problem(2, 6, 6, 6, [19, 45], [3, 3], 2, 1, 1),
            ConvReference.Problem(1, 3, 3, 6, [130, 90], [3, 3], 1, 1, 1),
            ConvReference.Problem(1, 2, 2, 2, [30, 37], [3, 3], 1, 2, 2, 2),
            ConvReference.Problem(1, 2, 2, 2, [23, 51], [5, 5], 2, 2, 2),
            ConvReference.Problem(2, 20, 20, 20, [37, 41], [3, 3], 1, 1, 1),
            ConvReference.Problem(1, 17, 17, 17, [3, 700], [3, 3], 2, 1, 1),
            ConvReference.Problem(1, 1, 1, 40, [3000], [9], 1, 1, 3),
            ConvReference.Problem(1, 3, 3, 3, [4, 0], [1, 1]),
            ConvReference.Problem(1, 2, 2, 2, [5, 6, 7], [3, 2, 3], 1, 1, 1),
            ConvReference.Problem(1, 1, 2, 3, [4, 6, 40], [2, 3, 3], 2, 1, 1)])
            foreach (bool signed in (bool[])[false, true])
                CheckConv(problem, signed, entry, seed++);
    }

    [Theory]
    [MemberData(nameof(Entries))]
    public void ConvolutionsWithChannelsLastAreExact(string name)
    {
        IntegerMicroKernel entry = IntegerCatalog.RowEntries.Single(entry => entry.Name == name);
        int seed = 1;
        foreach (ConvProblem problem in (ConvProblem[])[
            ConvReference.Problem(2, 1, 3, 5, [9, 8], [3, 3], 1, 1, 1),
            ConvReference.Problem(1, 1, 3, 32, [37, 41], [3, 3], 2, 1, 1),
            ConvReference.Problem(1, 1, 70, 3, [5, 6], [3, 3], 1, 1, 1),
            ConvReference.Problem(1, 1, 16, 40, [9, 7], [3, 3], 1, 2, 2, 2),
            ConvReference.Problem(2, 1, 9, 21, [7, 11], [1, 1]),
            ConvReference.Problem(2, 1, 12, 67, [30, 41], [1, 1]),
            ConvReference.Problem(1, 1, 500, 300, [6, 5], [1, 1]),
            ConvReference.Problem(1, 1, 8, 9, [8, 9], [1, 1], 2),
            ConvReference.Problem(1, 1, 4, 16, [0, 9], [1, 1]),
            ConvReference.Problem(2, 1, 6, 7, [31], [5], 1, 2, 2),
            ConvReference.Problem(1, 1, 2, 3, [4, 6, 40], [2, 3, 3], 2, 1, 1),
            ConvReference.Problem(2, 6, 6, 6, [19, 45], [3, 3], 2, 1, 1),
            ConvReference.Problem(1, 16, 16, 16, [130, 90], [3, 3], 1, 1, 1),
            ConvReference.Problem(2, 52, 52, 52, [23, 29], [5, 5], 2, 2, 2),
            ConvReference.Problem(1, 33, 33, 33, [3, 700], [3, 3], 1, 2, 2, 2),
            ConvReference.Problem(1, 18, 18, 18, [5, 6, 7], [3, 2, 3], 1, 1, 1)])
            foreach (bool dataAreSigned in (bool[])[false, true])
                foreach (bool weightsAreSigned in (bool[])[false, true])
                    CheckConvLast(problem, dataAreSigned, weightsAreSigned, entry, seed++);
        CheckConvLast(ConvReference.Problem(1, 16, 16, 16, [20, 18], [16, 16]), false, true, entry, seed);
        ConvProblem many = ConvReference.Problem(1, 16, 16, 16, [20, 18], [17, 17]);
        var types = new QuantizedTypes(QuantizedInputs.QLinearConv(false)) { ASigned = true };
        Assert.False(QuantizedKernels.SupportsLast(many, types));
        Assert.Throws<ArgumentException>(() => QuantizedKernels.CreateConvLast(many, types, default));
    }

    [Theory]
    [MemberData(nameof(Entries))]
    public void ScaledProductsAreThoseOfTheirSumsInFloats(string name)
    {
        IntegerMicroKernel entry = IntegerCatalog.RowEntries.Single(entry => entry.Name == name);
        int seed = 1;
        foreach ((int m, int n, int k) in ((int, int, int)[])[(0, 3, 2), (4, 0, 3), (3, 4, 0), (1, 1, 1), (1, 33, 8), (5, 3, 9), (4, 16, 8), (7, 37, 21), (66, 131, 40), (9, 40, 1030), (50, 700, 64)])
            foreach (bool aSigned in (bool[])[false, true])
                foreach (bool bSigned in (bool[])[false, true])
                    foreach (bool perColumn in (bool[])[false, true])
                        foreach (byte bZero in (byte[])[0, 128, 77])
                            Check(m, n, k, aSigned, bSigned, perColumn, bZero, hasBias: seed % 3 != 0);

        void Check(int m, int n, int k, bool aSigned, bool bSigned, bool perColumn, byte bZero, bool hasBias)
        {
            byte[] a = Bytes(m * k, seed++), b = Bytes(k * n, seed++), aZero = Bytes(1, seed++);
            float[] scale = [.. RandomData.Floats(perColumn ? n : 1, seed++).Select(v => 0.01f + 0.003f * v)], bias = hasBias ? RandomData.Floats(n, seed++) : [], y = new float[m * n];
            fixed (byte* right = b)
            {
                using PackedIntegers packed = PackedIntegers.Pack(entry, isLeft: false, bSigned, right, n, k, 1, n);
                Array[] inputs = [a, Array.Empty<byte>(), aZero, Array.Empty<byte>(), scale];
                Run(QuantizedKernels.CreateScaledProduct(m, n, k, aSigned, bSigned, bZero, perColumn, packed, entry), y, hasBias ? [.. inputs, bias] : inputs);
            }
            for (int i = 0; i < y.Length; i++)
            {
                int sum = 0;
                for (int j = 0; j < k; j++) sum += (Value(a[i / n * k + j], aSigned) - Value(aZero[0], aSigned)) * (Value(b[j * n + i % n], bSigned) - Value(bZero, bSigned));
                float real = sum * scale[perColumn ? i % n : 0];
                Assert.Equal(hasBias ? real + bias[i % n] : real, y[i]);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Entries))]
    public void ColumnsAHairFromATieAreRoundedAsRealNumbers(string name)
    {
        // As in rows: with channels last it is columns whose factors are brought close to a tie.
        const int places = 250, channels = 120;
        byte[] x = [.. Enumerable.Range(0, places).Select(i => (byte)i)], w = [.. Enumerable.Repeat((byte)1, channels)], zero = [0], y = new byte[places * channels];
        float[] factors = [.. Enumerable.Range(0, channels).Select(channel => (float)((channel + 0.5) / (places - 1 - channel)))], one = [1f];
        ConvProblem problem = ConvReference.Problem(1, 1, 1, channels, [places], [1]);
        var types = new QuantizedTypes(QuantizedInputs.QLinearConv(false)) { ASigned = true, AScalePerRow = true };
        RunLast(problem, types, IntegerCatalog.RowEntries.Single(entry => entry.Name == name), y, x, one, zero, w, factors, zero, one, zero);
        for (int i = 0; i < y.Length; i++) Assert.Equal(Math.Clamp(Math.Round(i / channels * (double)factors[i % channels]), 0, 255), y[i]);
    }

    [Theory]
    [MemberData(nameof(Entries))]
    public void BiasesAreAddedBeforeRoundingAndResultsLimited(string name)
    {
        IntegerMicroKernel entry = Entry(name);
        const int m = 5, n = 37, k = 3;
        byte[] a = Bytes(m * k, 1), b = Bytes(k * n, 2), zero = [9], yZero = [20];
        float[] aScale = [0.01f], bScale = [0.02f], yScale = [0.013f], columnScales = [.. Enumerable.Range(1, n).Select(i => 0.003f * i)];
        int[] bias = [.. Enumerable.Range(0, n).Select(i => 100 * i - 500)];
        float[] realBias = [.. Enumerable.Range(0, n).Select(i => 0.1f * i - 0.3f)], biasScale = [0.0007f], biasScales = [.. columnScales.Select(s => s / 7)];
        foreach (bool perColumn in (bool[])[false, true])
        {
            float[] scales = perColumn ? columnScales : bScale;
            var types = new QuantizedTypes(QuantizedInputs.BiasedMatMul(hasBiasScale: true)) { ASigned = true, BScalePerColumn = perColumn, Low = 3, High = 200 };
            Check(types, scales, column => bias[column] * (double)biasScale[0], bias, biasScale);
            Check(types with { BiasScalePerLane = true }, scales, column => bias[column] * (double)biasScales[column], bias, biasScales);
            Check(types with { Inputs = QuantizedInputs.BiasedMatMul(hasBiasScale: false), BiasIsFloat = true }, scales, column => realBias[column], realBias);
        }

        void Check(QuantizedTypes types, float[] scales, Func<int, double> addend, params Array[] biases)
        {
            byte[] y = new byte[m * n];
            Run(QuantizedKernels.CreateProduct(new GemmProblem(m, n, k), types, entry: entry), y, [a, aScale, zero, b, scales, zero, yScale, yZero, .. biases]);
            for (int i = 0; i < y.Length; i++)
            {
                int sum = 0, column = i % n;
                for (int j = 0; j < k; j++) sum += ((sbyte)a[i / n * k + j] - 9) * (b[j * n + column] - 9);
                double real = sum * ((double)aScale[0] * scales[scales.Length == 1 ? 0 : column]) + addend(column);
                Assert.Equal(Math.Clamp(Math.Round(real / yScale[0]) + 20, 3, 200), y[i]);
            }
        }
    }

    [Theory]
    [InlineData(false, false, false)]
    [InlineData(true, false, false)]
    [InlineData(false, true, false)]
    [InlineData(true, true, false)]
    [InlineData(false, true, true)]
    public void PairsOfQuantizedElementsAreComputedInRealNumbers(bool aSigned, bool bSigned, bool withTies)
    {
        float[] aScale = [withTies ? 0.25f : 0.03f], bScale = [withTies ? 0.5f : 0.05f], yScale = [withTies ? 1 : 0.07f];
        byte[] aZero = [100], bZero = [200], yZero = [30];
        int seed = 1;
        foreach ((long[] left, long[] right) in ((long[], long[])[])[([0], [0]), ([1], [1]), ([257], [257]), ([3, 700], [700]), ([3, 700], [3, 1]), ([1], [513]), ([2, 1, 5], [2, 9, 5])])
            foreach (BinaryFunction function in (BinaryFunction[])[BinaryFunction.Add, BinaryFunction.Sub, BinaryFunction.Mul])
            {
                long[] result = [.. Enumerable.Range(0, left.Length < right.Length ? right.Length : left.Length).Select(i => Math.Max(Dim(left, right.Length, i), Dim(right, left.Length, i)))];
                if (Shape.Count(left) == 0) result = [0];
                byte[] a = Bytes((int)Shape.Count(left), seed++), b = Bytes((int)Shape.Count(right), seed++), y = new byte[Shape.Count(result)];
                var loop = new Broadcast(result, left, right);
                Run(QuantizedElementKernels.Binary(function, loop, aSigned, bSigned, ySigned: false, low: 2, high: 250), y, a, aScale, aZero, b, bScale, bZero, yScale, yZero);
                for (int block = 0; block < loop.BlockCount; block++)
                    for (Broadcast.Runs run = loop.Block(block); run.Next();)
                        for (int i = 0; i < run.Count; i++)
                        {
                            double x = (Value(a[run.First + (loop.Advances(0) ? i : 0)], aSigned) - Value(aZero[0], aSigned)) * (double)aScale[0];
                            double z = (Value(b[run.Second + (loop.Advances(1) ? i : 0)], bSigned) - Value(bZero[0], bSigned)) * (double)bScale[0];
                            double real = function switch { BinaryFunction.Add => x + z, BinaryFunction.Sub => x - z, _ => x * z };
                            Assert.Equal(Math.Clamp(Math.Round(real / yScale[0]) + 30, 2, 250), y[run.Start + i]);
                        }
            }

        static long Dim(long[] dims, int otherRank, int axis) => axis - Math.Max(0, otherRank - dims.Length) is >= 0 and var own ? dims[own] : 1;
    }

    [Fact]
    public void MeansOfQuantizedElementsAreExact()
    {
        float[] scale = [0.03f], yScale = [0.011f];
        byte[] zero = [100], yZero = [30];
        foreach (bool signed in (bool[])[false, true])
            foreach ((int rows, int length) in ((int, int)[])[(0, 3), (1, 1), (7, 49), (3, 513), (700, 3)])
            {
                byte[] x = Bytes(rows * length, rows + length), y = new byte[rows];
                Run(QuantizedElementKernels.Mean(rows, length, signed, ySigned: true), y, x, scale, zero, yScale, yZero);
                for (int row = 0; row < rows; row++)
                {
                    int sum = 0;
                    for (int i = 0; i < length; i++) sum += Value(x[row * length + i], signed) - Value(zero[0], signed);
                    Assert.Equal(Math.Clamp(Math.Round(sum * (double)scale[0] / ((double)yScale[0] * length)) + 30, -128, 127), (sbyte)y[row]);
                }
            }
    }

    [Fact]
    public void TablesAreReadByTheByte()
    {
        byte[] table = [.. Enumerable.Range(0, 256).Select(i => (byte)(255 - i))], x = Bytes(70_001, 1), y = new byte[x.Length];
        Run(QuantizedElementKernels.Lookup(x.Length), y, x, table);
        Assert.Equal(x.Select(v => (byte)(255 - v)), y);
    }

    private static void CheckSums(GemmProblem problem, bool aSigned, bool bSigned, bool perLane, IntegerMicroKernel entry, int seed)
    {
        int Extent(long[]? batch, long elements) => (int)((batch is null ? 0 : batch.Max()) + elements);
        byte[] a = Bytes(Extent(problem.ABatch, (long)problem.M * problem.K), seed), b = Bytes(Extent(problem.BBatch, (long)problem.K * problem.N), seed + 1);
        byte[] aZero = Bytes(perLane ? Math.Max(1, problem.M) : 1, seed + 2), bZero = Bytes(perLane ? problem.N : 1, seed + 3);
        int[] y = new int[Extent(problem.CBatch, (long)problem.M * problem.N)];
        Array.Fill(y, int.MinValue);
        var types = new QuantizedTypes(QuantizedInputs.MatMulInteger(true, true))
        {
            ASigned = aSigned, BSigned = bSigned, AZeroPerRow = perLane, BZeroPerColumn = perLane,
        };
        Run(QuantizedKernels.CreateProduct(problem, types, entry: entry), y, a, b, aZero, bZero);
        CheckSums(y, problem, types, a, b, aZero, bZero);
        if (problem.ABatch is not null || problem.BBatch is not null) return;
        fixed (byte* right = b)
        {
            using PackedIntegers packed = PackedIntegers.Pack(entry, false, bSigned, right, problem.N, problem.K, problem.B.ColumnStride, problem.B.RowStride);
            Array.Fill(y, int.MinValue);
            Run(QuantizedKernels.CreateProduct(problem, types, packed, entry), y, a, Array.Empty<byte>(), aZero, bZero);
            CheckSums(y, problem, types, a, b, aZero, bZero);
            Assert.Throws<ArgumentException>(() => QuantizedKernels.CreateProduct(problem with { K = problem.K + 1 }, types, packed, entry));
        }
    }

    private static void CheckSums(int[] y, GemmProblem problem, QuantizedTypes types, byte[] a, byte[] b, byte[] aZero, byte[] bZero)
    {
        for (int i = 0; i < y.Length; i++)
        {
            int batch = i / (problem.M * problem.N), row = i / problem.N % problem.M, column = i % problem.N, sum = 0;
            for (int k = 0; k < problem.K; k++)
                sum += (Value(a[(problem.ABatch?[batch] ?? 0) + row * problem.A.RowStride + k * problem.A.ColumnStride], types.ASigned) - Value(aZero[types.AZeroPerRow ? row : 0], types.ASigned))
                    * (Value(b[(problem.BBatch?[batch] ?? 0) + k * problem.B.RowStride + column * problem.B.ColumnStride], types.BSigned) - Value(bZero[types.BZeroPerColumn ? column : 0], types.BSigned));
            Assert.Equal(sum, y[i]);
        }
    }

    private static void CheckConv(ConvProblem problem, bool signed, IntegerMicroKernel entry, int seed)
    {
        byte[] x = Bytes(problem.Batch * problem.InputChannels * problem.InputPlane, seed), w = Bytes(problem.OutputChannels * problem.GroupInputs * problem.Taps, seed + 1);
        byte[] xZero = Bytes(1, seed + 2), wZero = Bytes(problem.OutputChannels, seed + 3);
        // What the float reference sums is exact in double.
        var values = new ConvReference.Inputs(
            [.. x.Select(v => (float)(Value(v, signed) - Value(xZero[0], signed)))],
            [.. w.Select((v, i) => (float)(Value(v, true) - Value(wZero[i / (problem.GroupInputs * problem.Taps)], true)))], [], []);
        double[] expected = ConvReference.Compute(problem, values);
        int[] y = new int[expected.Length];
        var types = new QuantizedTypes(QuantizedInputs.ConvInteger(true, true)) { ASigned = true, BSigned = signed, AZeroPerRow = true };
        using PackedIntegers packed = Pack(problem, types, w, entry);
        foreach (PackedIntegers? weights in (PackedIntegers?[])[null, packed])
        {
            Array.Fill(y, int.MinValue);
            Run(QuantizedKernels.CreateConv(problem, types, weights, entry), y, x, weights is null ? w : [], xZero, wZero);
            for (int i = 0; i < y.Length; i++)
                Assert.Equal(expected[i], y[i]);
        }

        byte[] y8 = new byte[expected.Length], yZero = [100];
        float[] xScale = [0.02f], yScale = [3f], wScale = [.. Enumerable.Range(1, problem.OutputChannels).Select(i => 0.01f * i)];
        int[] bias = [.. Enumerable.Range(0, problem.OutputChannels).Select(i => 1000 * i - 2000)];
        types = types with { Inputs = QuantizedInputs.QLinearConv(true), AScalePerRow = true };
        foreach (PackedIntegers? weights in QuantizedKernels.UsesPackedWeights(problem, types) ? (PackedIntegers?[])[null, packed] : [null])
        {
            Array.Clear(y8);
            Run(QuantizedKernels.CreateConv(problem, types, weights, entry), y8, x, xScale, xZero, weights is null ? w : [], wScale, wZero, yScale, yZero, bias);
            for (int i = 0; i < y8.Length; i++)
            {
                int channel = i / problem.OutputPlane % problem.OutputChannels;
                double scale = (double)wScale[channel] * xScale[0];
                Assert.Equal(Math.Clamp(Math.Round((expected[i] + bias[channel]) * scale / yScale[0]) + 100, 0, 255), y8[i]);
            }
        }
    }

    private static void CheckConvLast(ConvProblem problem, bool dataAreSigned, bool weightsAreSigned, IntegerMicroKernel entry, int seed)
    {
        int inputs = problem.InputChannels, outputs = problem.OutputChannels, weightZero = weightsAreSigned ? 0 : 128;
        byte[] x = Bytes(problem.Batch * inputs * problem.InputPlane, seed), w = Bytes(outputs * problem.GroupInputs * problem.Taps, seed + 1), xZero = Bytes(1, seed + 2);
        var values = new ConvReference.Inputs(
            [.. x.Select(v => (float)(Value(v, dataAreSigned) - Value(xZero[0], dataAreSigned)))], [.. w.Select(v => (float)(Value(v, weightsAreSigned) - weightZero))], [], []);
        double[] expected = ConvReference.Compute(problem, values);
        float[] xScale = [0.02f], yScale = [3f], wScale = [.. Enumerable.Range(1, outputs).Select(i => 0.01f * i)];
        int[] bias = [.. Enumerable.Range(0, outputs).Select(i => 1000 * i - 2000)];
        byte[] y = new byte[expected.Length], yZero = [100], last = new byte[x.Length];
        for (int i = 0; i < x.Length; i++) last[Last(i, inputs, problem.InputPlane)] = x[i];
        var types = new QuantizedTypes(QuantizedInputs.QLinearConv(true)) { ASigned = weightsAreSigned, BSigned = dataAreSigned, AScalePerRow = true, Low = 3, High = 240 };
        Assert.True(QuantizedKernels.SupportsLast(problem, types));
        RunLast(problem, types, entry, y, last, xScale, xZero, w, wScale, new[] { (byte)weightZero }, yScale, yZero, bias);
        for (int i = 0; i < expected.Length; i++)
        {
            int channel = i / problem.OutputPlane % outputs;
            double scale = (double)wScale[channel] * xScale[0];
            Assert.Equal(Math.Clamp(Math.Round((expected[i] + bias[channel]) * scale / yScale[0]) + 100, 3, 240), y[Last(i, outputs, problem.OutputPlane)]);
        }

        static int Last(int index, int channels, int plane) => index / (channels * plane) * channels * plane + index % plane * channels + index / plane % channels;
    }

    /// <summary>Runs a convolution with channels last: the data are the only input of the run.</summary>
    private static void RunLast(ConvProblem problem, QuantizedTypes types, IntegerMicroKernel entry, byte[] y, byte[] data, params Array[] others)
    {
        Array[] copies = [.. others.Select(array => (Array)array.Clone())];
        GCHandle[] handles = [.. copies.Select(array => GCHandle.Alloc(array, GCHandleType.Pinned))];
        void** inputs = stackalloc void*[others.Length + 1];
        inputs[0] = null;
        for (int i = 0; i < others.Length; i++) inputs[i + 1] = (void*)handles[i].AddrOfPinnedObject();
        var constants = new KernelArgs(inputs, others.Length + 1, null, 0, null, null);
        using PackedIntegers? weights = QuantizedKernels.UsesPackedWeightsLast(problem) ? QuantizedKernels.PackWeightsLast(problem, types, constants.Input<byte>(types.Inputs.A), entry) : null;
        Kernel kernel = QuantizedKernels.CreateConvLast(problem, types, constants, weights, entry);
        foreach (GCHandle handle in handles) handle.Free();
        foreach (Array copy in copies) Array.Clear(copy);
        Run(kernel, y, data);
    }

    private static PackedIntegers Pack(ConvProblem problem, QuantizedTypes types, byte[] w, IntegerMicroKernel entry)
    {
        fixed (byte* weights = w) return QuantizedKernels.PackWeights(problem, types, weights, entry);
    }

    private static IntegerMicroKernel Entry(string name) => IntegerCatalog.Entries.Single(entry => entry.Name == name);

    /// <summary>Runs and disposes a kernel; every array lies right before an unreadable page.</summary>
    private static void Run(Kernel kernel, Array output, params Array[] inputs)
    {
        GuardedBuffer<byte>[] buffers = [.. inputs.Append(output).Select(array =>
        {
            var buffer = new GuardedBuffer<byte>(Buffer.ByteLength(array));
            byte[] bytes = new byte[buffer.Length];
            Buffer.BlockCopy(array, 0, bytes, 0, bytes.Length);
            bytes.CopyTo(buffer.Span);
            return buffer;
        })];
        KernelRunner.Run(kernel, [.. buffers[..^1].Select(buffer => (nint)buffer.Pointer)], [(nint)buffers[^1].Pointer]);
        Buffer.BlockCopy(buffers[^1].Span.ToArray(), 0, output, 0, buffers[^1].Length);
        foreach (GuardedBuffer<byte> buffer in buffers)
            buffer.Dispose();
        kernel.Dispose();
    }

    private static byte[] Bytes(int count, int seed)
    {
        byte[] values = new byte[count];
        new Random(seed).NextBytes(values);
        return values;
    }

    private static int Value(byte value, bool signed) => signed ? (sbyte)value : value;
}
