using Parallax.Kernels.Copy;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Kernels.Copy;

public sealed class TableCopyTests
{
    private const int Seed = 20262;

    [Fact]
    public void RandomTablesEqualTheReference()
    {
        var random = new Random(Seed);
        for (int trial = 0; trial < 150; trial++)
        {
            int rank = random.Next(0, 5);
            long[] dims = [.. Enumerable.Range(0, rank).Select(_ => (long)random.Next(1, 12))], strides = Shape.Strides(dims);
            long[][] tables = [.. dims.Select((dim, axis) => RandomTable(random, dim, strides[axis]))];
            long[] target = [.. tables.Select(t => (long)t.Length)];
            int[] data = [.. Enumerable.Range(1, (int)Shape.Count(dims))];
            bool hasFill = random.Next(2) == 0;
            TableCopyKernel kernel = TableCopyKernel.Create("table", 4, tables, fillInput: hasFill ? 1 : -1);
            Tensor result = KernelRun.Run(kernel, DType.Int32, target, Tensor.From(data, dims), hasFill ? Tensor.Scalar(-7) : null);
            Assert.Equal(Expected(tables, data, hasFill ? -7 : 0), result.Span<int>().ToArray());
        }
    }

    private static long[] RandomTable(Random random, long dim, long stride) => random.Next(4) switch
    {
        0 => [.. Enumerable.Range(0, (int)dim).Select(i => i * stride)],
        1 => [.. Enumerable.Range(-2, (int)dim + 4).Select(i => i < 0 || i >= dim ? TableCopyKernel.Outside : i * stride)],
        2 => [.. Enumerable.Range(0, random.Next(0, 20)).Select(_ => random.NextInt64(-1, dim)).Select(i => i < 0 ? TableCopyKernel.Outside : i * stride)],
        _ => [.. Enumerable.Range(0, 2 * (int)dim).Select(i => i / 2 * stride)],
    };

    private static int[] Expected(long[][] tables, int[] data, int fill)
    {
        var result = new int[tables.Aggregate(1, (n, t) => n * t.Length)];
        for (int i = 0; i < result.Length; i++)
        {
            long rest = i, at = 0;
            bool outside = false;
            for (int axis = tables.Length - 1; axis >= 0; axis--)
            {
                (rest, long index) = Math.DivRem(rest, tables[axis].Length);
                outside |= tables[axis][index] == TableCopyKernel.Outside;
                at += tables[axis][index];
            }
            result[i] = outside ? fill : data[at];
        }
        return result;
    }
}
