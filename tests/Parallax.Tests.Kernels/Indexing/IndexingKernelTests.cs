using Parallax.Kernels.Indexing;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Kernels.Indexing;

public sealed class IndexingKernelTests
{
    private const int Seed = 20263;

    [Theory]
    [InlineData(1, 7, 4, 5, true)]
    [InlineData(3, 50, 8, 1000, false)]
    [InlineData(2, 11, 300, 700, true)]
    [InlineData(2, 5, 12, 0, true)]
    public void GatherTakesSlices(int outer, int length, int sliceBytes, int count, bool narrow)
    {
        var random = new Random(Seed);
        var data = new byte[outer * length * sliceBytes];
        random.NextBytes(data);
        long[] indices = [.. Enumerable.Range(0, count).Select(_ => random.NextInt64(-length, length))];
        Tensor wanted = narrow ? Tensor.From(Array.ConvertAll(indices, i => (int)i), [count]) : Tensor.From(indices, [count]);
        byte[] result = KernelRun.Run(new GatherKernel(outer, length, sliceBytes, count, narrow), DType.UInt8, [outer, count, sliceBytes], Tensor.From(data, [data.Length]), wanted).Bytes.ToArray();
        for (int row = 0; row < outer; row++)
            for (int i = 0; i < count; i++)
                Assert.True(data.AsSpan((int)(row * length + (indices[i] + length) % length) * sliceBytes, sliceBytes).SequenceEqual(result.AsSpan((row * count + i) * sliceBytes, sliceBytes)), $"seed {Seed}, row {row}, index {i}");
    }

    [Theory]
    [InlineData(5)]
    [InlineData(-6)]
    [InlineData(long.MinValue)]
    [InlineData(long.MaxValue)]
    public void AnIndexOutOfRangeIsNamed(long index)
    {
        var error = Assert.Throws<InvalidInputException>(() => KernelRun.Run(new GatherKernel(1, 5, 4, 1, false), DType.Float32, [1], Tensor.From(new float[5], [5]), Tensor.From([index], [1])));
        Assert.Contains($"{index}", error.Message);
        Assert.Throws<InvalidInputException>(() => KernelRun.Run(new ScatterElementsKernel<uint, ReplaceBy<uint>>([1], [5], 0, false), DType.Float32, [5],
            Tensor.From(new float[5], [5]), Tensor.From([index], [1]), Tensor.From([1f], [1])));
        Assert.Throws<InvalidInputException>(() => KernelRun.Run(new GatherNDKernel(new IndexTuples([5]), 1, 1, 4), DType.Float32, [1], Tensor.From(new float[5], [5]), Tensor.From([index], [1, 1])));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void ElementsGatherAndScatterAlongEveryAxis(int axis)
    {
        var random = new Random(Seed + axis);
        long[] dataDims = [9, 40, 33], indexDims = [7, 40, 20];
        indexDims[axis] = 60;
        int[] data = [.. Enumerable.Range(0, (int)Shape.Count(dataDims))], updates = [.. Enumerable.Range(0, (int)Shape.Count(indexDims)).Select(_ => random.Next(100))];
        long[] indices = [.. updates.Select(_ => random.NextInt64(-dataDims[axis], dataDims[axis]))];
        var gathered = new int[indices.Length];
        var added = (int[])data.Clone();
        var replaced = (int[])data.Clone();
        for (int i = 0; i < indices.Length; i++)
        {
            long[] at = [i / (indexDims[1] * indexDims[2]), i / indexDims[2] % indexDims[1], i % indexDims[2]];
            at[axis] = (indices[i] + dataDims[axis]) % dataDims[axis];
            long place = (at[0] * dataDims[1] + at[1]) * dataDims[2] + at[2];
            gathered[i] = data[place];
            added[place] += updates[i];
            replaced[place] = updates[i];
        }
        Tensor x = Tensor.From(data, dataDims), where = Tensor.From(indices, indexDims), u = Tensor.From(updates, indexDims);
        Assert.Equal(gathered, KernelRun.Run(new GatherElementsKernel<uint>(indexDims, dataDims, axis, false), DType.Int32, indexDims, x, where).Span<int>().ToArray());
        Assert.Equal(added, KernelRun.Run(new ScatterElementsKernel<int, AddUp<int>>(indexDims, dataDims, axis, false), DType.Int32, dataDims, x, where, u).Span<int>().ToArray());
        Assert.Equal(replaced, KernelRun.Run(new ScatterElementsKernel<uint, ReplaceBy<uint>>(indexDims, dataDims, axis, false), DType.Int32, dataDims, x, where, u).Span<int>().ToArray());
    }

    [Fact]
    public void SlicesScatterInOrderAndInPlace()
    {
        var random = new Random(Seed);
        const int rows = 6, columns = 5, slice = 3000, count = 40;
        float[] data = new float[rows * columns * slice], updates = [.. Enumerable.Range(0, count * slice).Select(_ => random.NextSingle())];
        long[] indices = [.. Enumerable.Range(0, count).SelectMany(_ => (long[])[random.NextInt64(-rows, rows), random.NextInt64(-columns, columns)])];
        float[] expected = (float[])data.Clone();
        for (int i = 0; i < count; i++)
        {
            long at = ((indices[2 * i] + rows) % rows * columns + (indices[2 * i + 1] + columns) % columns) * slice;
            for (int j = 0; j < slice; j++) expected[at + j] = updates[i * slice + j];
        }
        var kernel = new ScatterNDKernel<uint, ReplaceBy<uint>>(new IndexTuples([rows, columns]), count, slice);
        Tensor x = Tensor.From(data, [rows, columns, slice]), where = Tensor.From(indices, [count, 2]), u = Tensor.From(updates, [count, slice]);
        Assert.Equal(expected, KernelRun.Run(kernel, DType.Float32, [rows, columns, slice], x, where, u).Span<float>().ToArray());
        Assert.True(kernel.CanRunInPlace(0));
        KernelRun.Run(kernel, [x, where, u], [x]);
        Assert.Equal(expected, x.Span<float>().ToArray());
    }

    [Theory]
    [InlineData(1, 1, 1, 1, true)]
    [InlineData(3, 100, 1, 100, true)]
    [InlineData(20, 257, 3, 10, false)]
    [InlineData(2, 5000, 2, 300, true)]
    [InlineData(2, 7, 2, 0, true)]
    public void TopKOrdersValuesThenIndices(int outer, int length, int inner, int k, bool largest)
    {
        var random = new Random(Seed);
        float[] data = [.. Enumerable.Range(0, outer * length * inner).Select(_ => (float)random.Next(length / 3 + 1))];
        if (length > 50) data[7] = data[40] = float.NaN;
        float[] values = new float[outer * k * inner];
        long[] indices = new long[values.Length];
        Tensor top = Tensor.Allocate(DType.Float32, [outer, k, inner]), where = Tensor.Allocate(DType.Int64, [outer, k, inner]);
        KernelRun.Run(new TopKKernel<float>(outer, length, inner, k, largest), [Tensor.From(data, [outer, length, inner])], [top, where]);
        for (int row = 0; row < outer; row++)
            for (int column = 0; column < inner; column++)
            {
                float At(int i) => data[(row * length + i) * inner + column];
                // A NaN is above every number here; Array.Sort's order has it below.
                double Key(int i) => float.IsNaN(At(i)) ? double.PositiveInfinity : At(i);
                int[] order = [.. Enumerable.Range(0, length).OrderBy(i => largest ? -Key(i) : Key(i)).ThenBy(i => i)];
                for (int i = 0; i < k; i++)
                {
                    values[(row * k + i) * inner + column] = At(order[i]);
                    indices[(row * k + i) * inner + column] = order[i];
                }
            }
        Assert.Equal(indices, where.Span<long>().ToArray());
        Assert.Equal(values, top.Span<float>().ToArray());
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public void RunningSumsWithTheAxisKnownOrNot(bool exclusive, bool reverse)
    {
        var random = new Random(Seed);
        long[] dims = [40, 70, 30];
        int[] data = [.. Enumerable.Range(0, (int)Shape.Count(dims)).Select(_ => random.Next(-50, 50))];
        for (int axis = 0; axis < 3; axis++)
        {
            long length = dims[axis], inner = Shape.Count(dims.AsSpan(axis + 1));
            var expected = new int[data.Length];
            for (int i = 0; i < data.Length; i++)
            {
                long at = i / inner % length, start = i - at * inner;
                for (long j = 0; j < length; j++)
                    if (reverse ? j > at || !exclusive && j == at : j < at || !exclusive && j == at) expected[i] += data[start + j * inner];
            }
            Tensor x = Tensor.From(data, dims);
            Assert.Equal(expected, KernelRun.Run(new CumulativeKernel<int, AddUp<int>>(dims, axis, false, exclusive, reverse, 0), DType.Int32, dims, x, null).Span<int>().ToArray());
            Assert.Equal(expected, KernelRun.Run(new CumulativeKernel<int, AddUp<int>>(dims, null, false, exclusive, reverse, 0), DType.Int32, dims, x, Tensor.Scalar((long)axis - 3)).Span<int>().ToArray());
        }
    }
}
