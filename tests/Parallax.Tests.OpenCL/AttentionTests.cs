using Parallax.Graphs.Ops;
using Parallax.Kernels.Attention;
using Parallax.OpenCL.Bindings;
using Parallax.Suite;
using Xunit;
using static Parallax.Tests.OpenCL.ClHarness;

namespace Parallax.Tests.OpenCL;

public sealed class AttentionTests
{
    private const double Tolerance = 1e-4;

    [ClTheory]
    [InlineData(1, 1, 1, 1, 1, 4, 4)]
    [InlineData(2, 4, 4, 9, 13, 16, 24)]
    [InlineData(1, 6, 2, 20, 35, 11, 5)]
    [InlineData(1, 4, 1, 1, 150, 32, 32)]
    [InlineData(2, 2, 2, 5, 3, 8, 0)]
    public void Attention_over_separate_and_packed_heads(int batch, int heads, int keyHeads, int queries, int keys, int size, int valueSize)
    {
        Agrees(new Attention(), [Floats(1, 1, batch, heads, queries, size), Floats(2, 1, batch, keyHeads, keys, size), Floats(3, 1, batch, keyHeads, keys, valueSize)], Tolerance);
        Agrees(new Attention(heads, keyHeads, Scale: 0.3f, SoftCap: 2),
            [Floats(1, 2, batch, queries, heads * size), Floats(2, 2, batch, keys, keyHeads * size), Floats(3, 1, batch, keys, keyHeads * valueSize)], Tolerance);
    }

    [ClTheory]
    [InlineData(1, 2, 2, 700, 1100)]
    [InlineData(2, 6, 2, 300, 400)]
    [InlineData(3, 4, 4, 90, 500)]
    [InlineData(1, 5, 1, 2, 60000)]
    public void Attention_of_more_scores_than_lie_in_memory_at_a_time(int batch, int heads, int keyHeads, int queries, int keys)
    {
        Tensor q = Floats(1, 2, batch, heads, queries, 8), k = Floats(2, 2, batch, keyHeads, keys, 8), v = Floats(3, 1, batch, keyHeads, keys, 6);
        Agrees(new Attention(), [q, k, v], Tolerance);
        Agrees(new Attention(Causal: true), [q, k, v, Floats(6, 1, heads, queries, keys)], Tolerance);
    }

    [Fact]
    public void Parts_are_all_rows_of_scores_in_order()
    {
        foreach (int batch in (int[])[1, 3])
            foreach ((int heads, int keyHeads) in ((int, int)[])[(1, 1), (4, 4), (6, 2), (6, 1), (10, 2)])
                foreach (int queries in (int[])[0, 1, 7, 64])
                    foreach (long rows in (long[])[1, 5, 20, 65, 130, 200, 100_000])
                    {
                        AttentionProblem p = Problem(batch, heads, keyHeads, queries);
                        long next = 0, group = heads / keyHeads;
                        foreach (AttentionPart part in AttentionPart.Of(p, rows))
                        {
                            Assert.Equal(next, (part.Item * heads + part.Head) * queries + part.Query);
                            Assert.InRange(part.Rows, 1, rows);
                            Assert.True(part.Queries == queries || part is { Heads: 1, Items: 1 });
                            Assert.True(part.Heads == heads || part.Items == 1);
                            Assert.True((part.Heads % group == 0 && part.Head % group == 0) || part.Head / group == (part.Head + part.Heads - 1) / group);
                            next += part.Rows;
                        }
                        Assert.Equal((long)batch * heads * queries, next);
                    }
    }

    private static AttentionProblem Problem(int batch, int heads, int keyHeads, int queries) => new()
    {
        Batch = batch,
        QueryHeads = heads,
        KeyHeads = keyHeads,
        Queries = queries,
        NewKeys = 3,
        HeadSize = 4,
        ValueSize = 4,
        Query = default,
        Key = default,
        Value = default,
        Output = default,
        Scale = 1,
    };

    [ClFact]
    public void Keys_are_masked_by_position_length_and_mask()
    {
        Tensor q = Floats(1, 2, 2, 4, 7, 12), k = Floats(2, 2, 2, 2, 10, 12), v = Floats(3, 1, 2, 2, 10, 9);
        Tensor lengths = Tensor.From<long>([9L, 7L], [2]), added = Floats(4, 3, 2, 1, 7, 10), hidden = Truths(5, 7, 8), keysOnly = Floats(6, 1, 10);
        hidden.Bytes[..8].Clear(); // a query that sees nothing
        foreach (Attention op in (Attention[])[new(), new(Causal: true), new(LeftWindow: 2), new(LeftWindow: 1, RightWindow: 1), new(Causal: true, RightWindow: 3, SoftCap: 1.5f)])
            foreach (Tensor? mask in (Tensor?[])[null, added, hidden, keysOnly])
            {
                Agrees(op, [q, k, v, mask], Tolerance);
                Agrees(op, [q, k, v, mask, null, null, lengths], Tolerance);
            }
    }

    [ClFact]
    public void Heads_have_factors_and_hidden_keys_a_score()
    {
        Tensor q = Floats(1, 1, 4, 2, 7, 12), k = Floats(2, 1, 4, 2, 10, 12), v = Floats(3, 1, 4, 2, 10, 9), factors = Floats(4, 2, 2);
        Agrees(new Attention(HiddenScore: -2), [q, k, v, Truths(5, 2, 1, 7, 10)], Tolerance);
        Agrees(new Attention(SoftCap: 1.5f), [q, k, v, Floats(6, 1, 2, 1, 7, 10), null, null, null, factors], Tolerance);
        Agrees(new Attention(NormEpsilon: 1.5f), [Floats(8, 2, 4, 4, 7, 12), k, v, null, null, null, null, Floats(9, 1, 4)], Tolerance);
        Agrees(new Attention(2, 2, NormEpsilon: 1e-6f), [Floats(8, 1, 4, 7, 24), Floats(9, 1, 4, 10, 24), Floats(10, 1, 4, 10, 18)], Tolerance);
        Agrees(new Attention(KeyHeads: 2, MergesHeads: true), [q, k, Floats(7, 1, 4, 10, 18)], Tolerance);
    }

    [ClFact]
    public void Caches_and_scores_are_refused()
    {
        Tensor x = Floats(1, 1, 1, 2, 3, 4);
        Assert.Equal("past and present keys and values are not supported", WhyNot(new Attention(), [x, x, x, null, x, x]));
        Assert.Contains("are not supported", WhyNot(new Attention(), [x, x, x], outputCount: 4) ?? "");
        Tensor wide = Tensor.Zeros(DType.Float64, [1, 2, 3, 4]);
        Assert.Equal("Float64 is not supported", WhyNot(new Attention(), [wide, wide, wide]));
    }

    private static Tensor Truths(int seed, params long[] dims) =>
        Tensor.From(RandomData.Integers<byte>((int)Shape.Count(dims), seed, 0, 1).Select(v => v != 0).ToArray(), dims);
}
