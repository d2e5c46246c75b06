using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Graphs.Passes;
using Xunit;

namespace Parallax.Tests.Graphs.Passes;

/// <summary>Attention of a few queries over rows that are projected for it alone: the queries and the result are projected instead, and the results stay what they were.</summary>
public sealed class ProjectionTests
{
    private const int Batch = 2, Heads = 3, Size = 4, ValueSize = 5, Rows = 40, KeyRowSize = 10, ValueRowSize = 14;

    private static readonly AttendBeforeProjecting Pass = new();

    /// <summary>What may differ from case to case.</summary>
    public sealed record Case
    {
        public int Queries { get; init; } = 1;
        public bool HeadsApart { get; init; }
        public bool MergesHeads { get; init; }
        public bool KeyBias { get; init; }
        public bool ValueBias { get; init; }
        public bool TransposedWeights { get; init; }
        public float? Scale { get; init; }
        public float SoftCap { get; init; }
        public bool Causal { get; init; }
        public float HiddenScore { get; init; } = float.NegativeInfinity;
        public DType MaskType { get; init; } = DType.Float32;
        public long[]? Mask { get; init; }

        /// <summary>Rows of all batch items are projected as one matrix.</summary>
        public bool Views { get; init; }
    }

    public static TheoryData<Case> Projected =>
    [
        new Case(),
        new Case { Queries = 3, Scale = 0.3f },
        new Case { Queries = 2, HeadsApart = true },
        new Case { Queries = 2, HeadsApart = true, MergesHeads = true, ValueBias = true },
        new Case { Queries = 2, HeadsApart = true, ValueBias = true },
        new Case { Queries = 2, KeyBias = true, ValueBias = true },
        new Case { Queries = 2, TransposedWeights = true, ValueBias = true },
        new Case { SoftCap = 2 },
        new Case { Queries = 2, Mask = [Batch, 1, 1, Rows], ValueBias = true },
        new Case { Mask = [Rows], MaskType = DType.Bool },
        new Case { Mask = [1, Rows], MaskType = DType.Bool, HiddenScore = -1e4f },
        new Case { Queries = 2, Views = true, KeyBias = true, ValueBias = true },
    ];

    [Theory]
    [MemberData(nameof(Projected))]
    public void Results_stay_what_they_were(Case of)
    {
        (Net net, Tensor[] inputs) = Build(of);
        RewriteResult result = net.Apply(Pass);
        Assert.Equal(1, result.Fired.GetValueOrDefault(Pass.Name));
        Assert.DoesNotContain(result.Graph.Nodes, n => n.Op is MatMul && result.Graph.TensorFact(n.Outputs[0])!.Shape!.Value is var shape && shape[^2] == Rows);
        Tensor expected = Interpreter.Run(net.Build(), inputs)[0], actual = Interpreter.Run(result.Graph, inputs)[0];
        Assert.Equal(expected.Dims.ToArray(), actual.Dims.ToArray());
        float[] a = expected.Span<float>().ToArray(), b = actual.Span<float>().ToArray();
        float largest = a.Max(MathF.Abs);
        Assert.All(a.Zip(b), pair => Assert.InRange(Math.Abs(pair.First - pair.Second), 0, 2e-6f * largest));
    }

    public static TheoryData<Case> Left =>
    [
        new Case { Queries = 20 },
        new Case { Causal = true },
        new Case { Queries = 2, Mask = [2, Rows] },
        new Case { Mask = [Heads, 1, Rows] },
        new Case { KeyBias = true, SoftCap = 2 },
        new Case { KeyBias = true, Mask = [Rows], MaskType = DType.Bool, HiddenScore = -1e4f },
    ];

    [Theory]
    [MemberData(nameof(Left))]
    public void Many_queries_and_scores_that_would_change_are_left(Case of) => Build(of).Net.Leaves(Pass);

    [Fact]
    public void Rows_that_others_read_are_left()
    {
        var net = new Net();
        ValueId q = net.In(1, 1, 12), x = net.In(1, Rows, 10), keys = Product(net, x, 10, 12, 0), values = Product(net, x, 10, 12, 1);
        net.Out(net.Add(new Attention(Heads, Heads), q, keys, values), keys).Leaves(Pass);
    }

    [Fact]
    public void Unknown_numbers_of_queries_are_left()
    {
        var net = new Net();
        ValueId q = net.In(1, Dim.Symbol("tokens"), 12), x = net.In(1, Rows, 10);
        net.Out(net.Add(new Attention(Heads, Heads), q, Product(net, x, 10, 12, 0), Product(net, x, 10, 12, 1))).Leaves(Pass);
    }

    [Fact]
    public void Fewer_heads_of_keys_than_of_queries_are_left()
    {
        var net = new Net();
        ValueId q = net.In(1, 1, 24), x = net.In(1, Rows, 10);
        net.Out(net.Add(new Attention(2 * Heads, Heads), q, Product(net, x, 10, 12, 0), Product(net, x, 10, 12, 1))).Leaves(Pass);
    }

    [Fact]
    public void Plans_share_the_weights_of_heads()
    {
        var pass = new AttendBeforeProjecting();
        Tensor keyWeights = Net.Floats(0, 10, 12), valueWeights = Net.Floats(1, 10, 12);
        Tensor[] Constants(int queries)
        {
            var net = new Net();
            ValueId q = net.In(1, queries, 12), x = net.In(1, Rows, 10);
            ValueId keys = net.Add(new MatMul(), x, net.Const(keyWeights)), values = net.Add(new MatMul(), x, net.Const(valueWeights));
            Graph graph = net.Out(net.Add(new Attention(Heads, Heads), q, keys, values)).Apply(pass).Graph;
            return [.. graph.Nodes.Where(n => n.Op is MatMul).Select(n => graph.Constant(n.Inputs[1])!)];
        }
        Tensor[] first = Constants(1), second = Constants(2);
        Assert.Equal(2, first.Length);
        for (int i = 0; i < 2; i++) Assert.Same(first[i], second[i]);
    }

    private static (Net Net, Tensor[] Inputs) Build(Case of)
    {
        var net = new Net();
        List<Tensor> inputs = [];
        ValueId q = In(of.HeadsApart ? [Batch, Heads, of.Queries, Size] : [Batch, of.Queries, Heads * Size]);
        ValueId keys = Projected(In(Batch, Rows, KeyRowSize), KeyRowSize, Size, of.KeyBias), values = Projected(In(Batch, Rows, ValueRowSize), ValueRowSize, ValueSize, of.ValueBias);
        var attention = new Attention(of.HeadsApart ? 0 : Heads, Heads, of.Scale, of.Causal, of.SoftCap, MergesHeads: of.MergesHeads, HiddenScore: of.HiddenScore);
        ValueId[] operands = of.Mask is { } mask ? [q, keys, values, MaskOf(mask)] : [q, keys, values];
        return (net.Out(net.Add(attention, operands)), [.. inputs]);

        ValueId In(params long[] dims)
        {
            inputs.Add(Net.Floats(inputs.Count, dims));
            return net.In([.. dims.Select(d => (Dim)d)]);
        }

        ValueId Projected(ValueId x, int rowSize, int size, bool biased)
        {
            if (of.Views) x = net.Reshape(x, Batch * Rows, rowSize);
            Tensor weights = of.TransposedWeights ? Net.Floats(size, Heads * size, rowSize) : Net.Floats(size, rowSize, Heads * size);
            var op = new MatMul(TransposeB: of.TransposedWeights);
            ValueId made = biased ? net.Add(op, x, net.Const(weights), net.Const(Net.Floats(size + 1, Heads * size))) : net.Add(op, x, net.Const(weights));
            return of.Views ? net.Reshape(made, Batch, Rows, Heads * size) : made;
        }

        ValueId MaskOf(long[] dims)
        {
            Tensor mask = Net.Floats(inputs.Count, dims);
            if (of.MaskType == DType.Bool) mask = Tensor.From(Array.ConvertAll(mask.Span<float>().ToArray(), x => x > 0), dims);
            inputs.Add(mask);
            return net.In(of.MaskType, [.. dims.Select(d => (Dim)d)]);
        }
    }

    private static ValueId Product(Net net, ValueId x, int rowSize, int width, int seed) => net.Add(new MatMul(), x, net.Const(Net.Floats(seed, rowSize, width)));
}
