using Parallax.Kernels.Copy;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Kernels.Copy;

public sealed unsafe class StridedCopyTests
{
    private const int Seed = 20261;

    public static TheoryData<int> ElementSizes => [1, 2, 3, 4, 8, 12, 16];

    [Theory]
    [MemberData(nameof(ElementSizes))]
    public void RandomTransposesEqualTheReference(int elementBytes)
    {
        var random = new Random(Seed + elementBytes);
        for (int trial = 0; trial < 60; trial++)
        {
            int rank = random.Next(0, 6);
            long[] dims = RandomDims(random, rank, rank <= 3 && trial % 3 == 0 ? 40 : 6);
            int[] permutation = [.. Enumerable.Range(0, rank)];
            random.Shuffle(permutation);
            long[] strides = Shape.Strides(dims), target = [.. permutation.Select(a => dims[a])], source = [.. permutation.Select(a => strides[a])];
            Check(elementBytes, target, source, Shape.Strides(target), 0, 0, Shape.Count(dims), Shape.Count(dims), random, StridedCopy.Transpose(elementBytes, dims, permutation));
        }
    }

    [Theory]
    [MemberData(nameof(ElementSizes))]
    public void RandomSlicesStepsAndBroadcastsEqualTheReference(int elementBytes)
    {
        var random = new Random(Seed + elementBytes);
        for (int trial = 0; trial < 60; trial++)
        {
            int rank = random.Next(1, 5);
            long[] whole = [.. RandomDims(random, rank, 12).Select(d => Math.Max(d, 1))], strides = Shape.Strides(whole);
            long[] dims = new long[rank], source = new long[rank];
            long start = 0;
            for (int i = 0; i < rank; i++)
            {
                if (random.Next(4) == 0)
                {
                    dims[i] = random.Next(0, 9); // broadcast
                    continue;
                }
                dims[i] = random.NextInt64(1, whole[i] + 1);
                long step = random.Next(1, (int)((whole[i] - 1) / Math.Max(1, dims[i] - 1)) + 1), room = whole[i] - (dims[i] - 1) * step, at = random.NextInt64(room);
                bool back = random.Next(3) == 0;
                start += (back ? at + (dims[i] - 1) * step : at) * strides[i];
                source[i] = (back ? -step : step) * strides[i];
            }
            long gap = random.Next(0, 5);
            long[] target = Shape.Strides(dims);
            Check(elementBytes, dims, source, target, start, gap, Shape.Count(whole), Shape.Count(dims) + gap, random, new StridedCopy(elementBytes, dims, source, target, start, gap));
        }
    }

    [Theory]
    [InlineData(4, new long[] { 1, 197, 12, 64 }, new[] { 0, 2, 1, 3 }, "rows")]
    [InlineData(4, new long[] { 3, 130, 70 }, new[] { 0, 2, 1 }, "tiles")]
    [InlineData(8, new long[] { 611, 517 }, new[] { 1, 0 }, "tiles")]
    [InlineData(1, new long[] { 2, 3, 200, 301 }, new[] { 0, 2, 3, 1 }, "tiles")]
    [InlineData(4, new long[] { 50, 60, 2 }, new[] { 1, 0, 2 }, "tiles")]
    [InlineData(4, new long[] { 2, 3, 300, 200 }, new[] { 0, 1, 2, 3 }, "rows")]
    public void LargeTransposesTakeTheExpectedPathAndManyBlocks(int elementBytes, long[] dims, int[] permutation, string variant)
    {
        StridedCopy copy = StridedCopy.Transpose(elementBytes, dims, permutation);
        Assert.Equal(variant, copy.Variant);
        if (copy.TotalBytes > 4 * StridedCopy.BlockBytes) Assert.InRange(copy.BlockCount, 3, 10 * copy.TotalBytes / StridedCopy.BlockBytes);
        long[] strides = Shape.Strides(dims), target = [.. permutation.Select(a => dims[a])];
        Check(elementBytes, target, [.. permutation.Select(a => strides[a])], Shape.Strides(target), 0, 0, Shape.Count(dims), Shape.Count(dims), new Random(Seed), copy);
    }

    [Fact]
    public void RunsOfBytesAreRecognized()
    {
        Assert.True(StridedCopy.Bytes(100).IsRun);
        Assert.True(new StridedCopy(4, [1, 3, 5], [0, 5, 1], [15, 5, 1], sourceStart: 20).IsRun);
        Assert.True(new StridedCopy(4, [1, 1], [7, 9], [1, 1]).IsRun);
        Assert.True(StridedCopy.Transpose(4, [1, 6, 1, 5], [1, 2, 3, 0]).IsRun);
        Assert.False(StridedCopy.Transpose(4, [6, 5], [1, 0]).IsRun);
        Assert.False(new StridedCopy(4, [2, 3], [5, 1], [3, 1]).IsRun);
        Assert.False(new StridedCopy(4, [4], [0], [1]).IsRun);
        Assert.False(new StridedCopy(4, [4], [-1], [1], sourceStart: 3).IsRun);
        Assert.False(new StridedCopy(4, [4], [2], [2]).IsRun);
    }

    [Fact]
    public void SmallOperandsOfAConcatShareABlock()
    {
        var parts = new CopyPart[10];
        for (int i = 0; i < parts.Length; i++) parts[i] = new CopyPart(i, 0, new StridedCopy(4, [3, 5], [5, 1], [50, 1], targetStart: 5 * i));
        var kernel = new CopyKernel("concat", parts);
        Assert.Equal(1, kernel.BlockCount(0));
        Tensor[] inputs = [.. Enumerable.Range(0, 10).Select(i => Tensor.From([.. Enumerable.Range(0, 15).Select(j => 100 * i + j)], [3L, 5]))];
        int[] result = KernelRun.Run(kernel, DType.Int32, [3, 50], inputs).Span<int>().ToArray();
        for (int row = 0; row < 3; row++)
            for (int column = 0; column < 50; column++)
                Assert.Equal(100 * (column / 5) + row * 5 + column % 5, result[row * 50 + column]);
    }

    private static long[] RandomDims(Random random, int rank, int limit) => [.. Enumerable.Range(0, rank).Select(_ => random.Next(12) == 0 ? 0L : random.Next(1, limit))];

    private static void Check(int elementBytes, long[] dims, long[] sourceStrides, long[] targetStrides, long sourceStart, long targetStart,
        long sourceElements, long targetElements, Random random, StridedCopy copy)
    {
        var bytes = new byte[sourceElements * elementBytes];
        random.NextBytes(bytes);
        using var source = new GuardedBuffer<byte>(bytes);
        using var target = new GuardedBuffer<byte>((int)targetElements * elementBytes);
        var expected = new byte[target.Length];
        long count = Shape.Count(dims);
        for (long i = 0; i < count; i++)
        {
            long rest = i, from = sourceStart, to = targetStart;
            for (int axis = dims.Length - 1; axis >= 0; axis--)
            {
                (rest, long at) = Math.DivRem(rest, dims[axis]);
                from += at * sourceStrides[axis];
                to += at * targetStrides[axis];
            }
            bytes.AsSpan((int)from * elementBytes, elementBytes).CopyTo(expected.AsSpan((int)to * elementBytes));
        }
        int[] order = [.. Enumerable.Range(0, copy.BlockCount)];
        random.Shuffle(order);
        foreach (int block in order) copy.RunBlock(block, source.Pointer, target.Pointer);
        Assert.True(expected.AsSpan().SequenceEqual(target.Span), $"seed {Seed}: dims {Shape.ToString(dims)}, source strides {Shape.ToString(sourceStrides)}, {elementBytes} bytes");
    }
}
