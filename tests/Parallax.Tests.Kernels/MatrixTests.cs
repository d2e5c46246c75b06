using Parallax.Kernels;
using Parallax.Kernels.Matrix;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Kernels;

/// <summary>Sums of products and determinants against their definitions.</summary>
public sealed class MatrixTests
{
    private const int Seed = 11;

    [Theory]
    [InlineData("ij,jk->ik", "3x4;4x5")]
    [InlineData("ij,jk->ki", "3x17;17x5")]
    [InlineData("bhid,bhjd->bhij", "2x3x4x5;2x3x6x5")]
    [InlineData("i,j->ij", "4;5")]
    [InlineData("i,i->", "300")]
    [InlineData("ii->i", "6x6")]
    [InlineData("ii->", "6x6")]
    [InlineData("ijk->j", "3x40x5")]
    [InlineData("ij,jk,kl->il", "3x4;4x5;5x2")]
    [InlineData("ab,ab->ab", "1x4;3x4")] // an axis of one repeats
    [InlineData("abc,c->ba", "200x7x30;30")]
    [InlineData("->", "")]
    [InlineData("a,b->", "3;0")]
    [InlineData("aab,bca->bc", "3x3x4;4x2x3")]
    public void EinsumFollowsTheDefinition(string equation, string shapes)
    {
        long[][] dims = [.. shapes.Split(';').Select(s => s.Length == 0 ? Array.Empty<long>() : [.. s.Split('x').Select(long.Parse)])];
        string[] terms = equation.Split("->")[0].Split(',');
        if (dims.Length < terms.Length) dims = [.. Enumerable.Repeat(dims[0], terms.Length)];
        var random = new Random(Seed);
        float[][] data = [.. dims.Select(d => Enumerable.Range(0, (int)Shape.Count(d)).Select(_ => (float)random.Next(-4, 5)).ToArray())];
        string output = equation.Split("->")[1];
        float[] expected = Naive(terms, output, dims, data, out long[] outDims);
        using Kernel kernel = EinsumKernels.Create(DType.Float32, dims, [.. terms.Select(t => t.Select(c => (int)c).ToArray())], [.. output.Select(c => (int)c)]);
        Tensor actual = KernelRun.Run(kernel, DType.Float32, outDims, [.. data.Zip(dims, (v, d) => Tensor.From(v, d))]);
        Assert.Equal(expected, actual.Span<float>().ToArray()); // small integers: exact in any order
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(5)]
    public void DeterminantsFollowTheExpansion(int size)
    {
        var random = new Random(Seed);
        const int count = 7;
        double[] data = [.. Enumerable.Range(0, count * size * size).Select(_ => (double)random.Next(-3, 4))];
        using Kernel kernel = DetKernels.Create(DType.Float64, [count, size, size]);
        Span<double> actual = KernelRun.Run(kernel, DType.Float64, [count], Tensor.From(data, [count, size, size])).Span<double>();
        for (int i = 0; i < count; i++)
            Assert.Equal(Expand(size, (r, c) => data[(i * size + r) * size + c], 0, []), actual[i], 1e-9);
    }

    [Fact]
    public void TheDeterminantOfASingularMatrixIsZero() =>
        Assert.Equal(0f, KernelRun.Run(DetKernels.Create(DType.Float32, [2, 2]), DType.Float32, [], Tensor.From([0f, 1f, 0f, 5f], [2, 2])).Span<float>()[0]);

    /// <summary>The sum over every value of every label.</summary>
    private static float[] Naive(string[] terms, string output, long[][] dims, float[][] data, out long[] outDims)
    {
        char[] labels = [.. terms.SelectMany(t => t).Distinct()];
        long[] extents = [.. labels.Select(l => terms.Zip(dims).SelectMany(o => o.First.Zip(o.Second)).Where(a => a.First == l).Aggregate(1L, (x, a) => x == 1 ? a.Second : x))];
        outDims = [.. output.Select(l => extents[Array.IndexOf(labels, l)])];
        var result = new float[Shape.Count(outDims)];
        for (long at = 0; at < Shape.Count(extents); at++)
        {
            var index = new Dictionary<char, long>();
            long rest = at;
            for (int l = 0; l < labels.Length; l++) (rest, index[labels[l]]) = Math.DivRem(rest, extents[l]);
            float product = 1;
            for (int o = 0; o < terms.Length; o++)
            {
                long[] strides = Shape.Strides(dims[o]);
                long offset = 0;
                for (int a = 0; a < strides.Length; a++) offset += dims[o][a] == 1 ? 0 : index[terms[o][a]] * strides[a];
                product *= data[o][offset];
            }
            long[] outStrides = Shape.Strides(outDims);
            result[output.Select((l, a) => index[l] * outStrides[a]).Sum()] += product;
        }
        return result;
    }

    /// <summary>Laplace's expansion along the rows.</summary>
    private static double Expand(int size, Func<int, int, double> element, int row, HashSet<int> used)
    {
        if (row == size) return 1;
        double sum = 0, sign = 1;
        for (int column = 0; column < size; column++)
        {
            if (!used.Add(column)) continue;
            sum += sign * element(row, column) * Expand(size, element, row + 1, used);
            used.Remove(column);
            sign = -sign;
        }
        return sum;
    }
}
