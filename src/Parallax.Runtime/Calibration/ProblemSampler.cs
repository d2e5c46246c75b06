using Parallax.Graphs;
using Parallax.Graphs.Ops;

namespace Parallax.Runtime.Calibration;

/// <summary>
/// Draws operators of the sizes that networks have: each extent log-uniform over its range. The same seed gives the same sequence, of which a shorter sampling is
/// the beginning. Rounds of the sequence hold every kind, the kinds that take most of a network's time several times.
/// </summary>
internal static class ProblemSampler
{
    /// <summary>More work takes too long, here and in a network.</summary>
    private const long MaxMacs = 1L << 30;

    private const long MaxElements = 1L << 23;

    private static readonly Func<Draw, CalibrationProblem>[] Round =
    [
        Linear, OneTap, SeveralTaps, Depthwise, Batched, Elementwise, Linear, FewRows, SeveralTaps, AttentionHeads, Concatenation, Linear, Transcendental, SeveralTaps,
        OneTap, SoftmaxRows, Norm, FewRows, Depthwise, Transposed, Pooling, SeveralTaps, Reduction, Interpolation, Cut, Elementwise, Batched, Rows, Signal, OneTap, SeveralTaps, Linear,
    ];

    /// <summary>Problems of a round of the sequence.</summary>
    internal static int RoundLength => Round.Length;

    /// <summary>The first problems of the sequence of a seed.</summary>
    internal static IReadOnlyList<LatencyProblem> Take(int rounds, int seed)
    {
        var draw = new Draw(new Random(seed));
        var problems = new List<LatencyProblem>();
        for (int i = 0; i < rounds * Round.Length; i++)
        {
            CalibrationProblem problem = DrawFitting(Round[i % Round.Length], draw);
            problems.Add(new LatencyProblem($"{i}: {problem}", problem.Build));
        }
        return problems;
    }

    private static CalibrationProblem DrawFitting(Func<Draw, CalibrationProblem> kind, Draw draw)
    {
        while (true)
        {
            CalibrationProblem problem = kind(draw);
            if (problem.Inputs.All(dims => Shape.Count(dims) <= MaxElements) && Macs(problem) <= MaxMacs) return problem;
        }
    }

    /// <summary>Of products and convolutions, about; 0 for what is no heavier than its data.</summary>
    private static double Macs(CalibrationProblem problem)
    {
        long[] a = problem.Inputs[0];
        return problem.Op switch
        {
            MatMul or Gemm => (double)Shape.Count(a) * problem.Inputs[1][^1],
            Conv conv => a[2..].Select((extent, axis) => (double)extent / conv.Window.Stride(axis)).Aggregate((double)a[0] * Shape.Count(problem.Inputs[1]), (product, extent) => product * extent),
            Attention => 2.0 * Shape.Count(a) * problem.Inputs[1][^2],
            _ => 0,
        };
    }

    private static CalibrationProblem Linear(Draw draw)
    {
        long depth = draw.Extent(16, 4096);
        return new(new MatMul { Activation = draw.Activation() }, 1, [draw.Extent(9, 2048), depth], [depth, draw.Extent(16, 4096)]);
    }

    private static CalibrationProblem FewRows(Draw draw)
    {
        long depth = draw.Extent(32, 4096);
        return new(new Gemm { Activation = draw.Activation() }, 1, [draw.Extent(1, 8), depth], [depth, draw.Extent(32, 8192)]);
    }

    private static CalibrationProblem Batched(Draw draw)
    {
        long matrices = draw.Extent(1, 16), depth = draw.Extent(16, 512);
        return new(new MatMul(), 2, [matrices, draw.Extent(1, 1024), depth], [matrices, depth, draw.Extent(16, 1024)]);
    }

    private static CalibrationProblem OneTap(Draw draw) => Convolution(draw, 1);

    private static CalibrationProblem SeveralTaps(Draw draw) => Convolution(draw, draw.OneOf(3, 3, 3, 5, 7));

    /// <summary>Over a square image, or over some rows of one, as the part of a convolution is.</summary>
    private static CalibrationProblem Convolution(Draw draw, long kernel)
    {
        long inputs = draw.Extent(3, 768), extent = draw.Extent(4, 224), rows = draw.OneOf(extent, draw.Extent(Math.Max(2, extent / 8), extent));
        return new(new Conv(CalibrationProblem.Window(kernel, draw.OneOf(1, 1, 1, 2), kernel / 2)) { Activation = draw.Activation() }, 1,
            [1, inputs, rows, extent], [draw.Extent(8, 768), inputs, kernel, kernel]);
    }

    /// <summary>A convolution along one axis.</summary>
    private static CalibrationProblem Signal(Draw draw)
    {
        long inputs = draw.Extent(8, 768), kernel = draw.OneOf(3, 3, 5, 7);
        return new(new Conv(CalibrationProblem.Window(kernel, draw.OneOf(1, 1, 2), kernel / 2, axes: 1)) { Activation = draw.Activation() }, 1,
            [1, inputs, draw.Extent(64, 4096)], [draw.Extent(8, 768), inputs, kernel]);
    }

    private static CalibrationProblem Depthwise(Draw draw)
    {
        long channels = draw.Extent(16, 1024), extent = draw.Extent(4, 160), kernel = draw.OneOf(3, 3, 5, 7);
        return new(new Conv(CalibrationProblem.Window(kernel, draw.OneOf(1, 1, 2), kernel / 2), Groups: channels) { Activation = draw.Activation() }, 1,
            [1, channels, extent, extent], [channels, 1, kernel, kernel]);
    }

    private static CalibrationProblem AttentionHeads(Draw draw)
    {
        long heads = draw.Extent(1, 16), width = draw.OneOf(32, 64, 128), keys = draw.Extent(16, 1536);
        long[] cache = [1, heads, keys, width];
        return new(new Attention(), 3, [1, heads, draw.OneOf(1, keys, keys), width], cache, cache);
    }

    private static CalibrationProblem Elementwise(Draw draw)
    {
        long[] dims = draw.Rows();
        return draw.OneOf(0, 1, 2) switch
        {
            0 => new(new Unary(UnaryFunction.Relu), 1, dims),
            1 => new(new Binary(BinaryFunction.Add), 2, dims, dims),
            _ => new(new Binary(BinaryFunction.Mul), 1, dims, [dims[^1]]),
        };
    }

    private static CalibrationProblem Transcendental(Draw draw) =>
        new(new Unary(draw.OneOf(0, 1, 2) switch { 0 => UnaryFunction.Sigmoid, 1 => UnaryFunction.Gelu, _ => UnaryFunction.Tanh }), 1, draw.Rows());

    private static CalibrationProblem SoftmaxRows(Draw draw) => new(new Softmax(SoftmaxKind.Softmax), 1, draw.Rows());

    private static CalibrationProblem Norm(Draw draw)
    {
        long[] dims = draw.Rows();
        return draw.OneOf(0, 0, 1) == 0
            ? new(new LayerNormalization(), 1, dims, [dims[^1]], [dims[^1]])
            : new(new RMSNormalization(), 1, dims, [dims[^1]]);
    }

    private static CalibrationProblem Reduction(Draw draw) =>
        new(new GlobalPool(PoolKind.Average), 1, [1, draw.Extent(16, 2048), draw.Extent(2, 64), draw.Extent(2, 64)]);

    private static CalibrationProblem Pooling(Draw draw)
    {
        long kernel = draw.OneOf(2, 3, 5), extent = draw.Extent(6, 160);
        return new(new Pool(draw.OneOf(0, 1) == 0 ? PoolKind.Max : PoolKind.Average, CalibrationProblem.Window(kernel, draw.OneOf(1, 2), kernel / 2)), 1,
            [1, draw.Extent(8, 512), extent, extent]);
    }

    private static CalibrationProblem Interpolation(Draw draw)
    {
        long extent = draw.Extent(4, 96);
        return new(new Resize(ResizeMode.Linear), 1, [1, draw.Extent(1, 256), extent, extent]);
    }

    private static CalibrationProblem Concatenation(Draw draw)
    {
        long extent = draw.Extent(4, 160);
        return new(new Concat(1), 2, [1, draw.Extent(8, 512), extent, extent], [1, draw.Extent(8, 512), extent, extent]);
    }

    private static CalibrationProblem Cut(Draw draw) => new(new Slice(), 1, [draw.Extent(1, 4096), draw.Extent(8, 2048)]);

    private static CalibrationProblem Rows(Draw draw) => new(new Transpose([0, 2, 1, 3]), 1, [1, draw.Extent(4, 1536), draw.Extent(1, 16), draw.OneOf(32, 64, 128)]);

    private static CalibrationProblem Transposed(Draw draw) => new(new Transpose([0, 2, 1]), 1, [1, draw.Extent(16, 1536), draw.Extent(16, 1536)]);

    /// <summary>Extents by chance.</summary>
    private sealed class Draw(Random random)
    {
        /// <summary>Log-uniform; of the larger ones, half are multiples of 8 and of 64, as most are in networks.</summary>
        internal long Extent(long low, long high)
        {
            long drawn = (long)Math.Round(low * Math.Pow((double)high / low, random.NextDouble()));
            long grain = random.Next(4) switch { 0 => 1, 1 or 2 => 8, _ => 64 };
            return drawn < 2 * grain ? drawn : Math.Clamp(drawn / grain * grain, low, high);
        }

        internal long OneOf(params ReadOnlySpan<long> choices) => choices[random.Next(choices.Length)];

        internal Activation Activation() => OneOf(0, 0, 1, 2) switch { 0 => Parallax.Activation.None, 1 => Parallax.Activation.Relu, _ => Parallax.Activation.Silu };

        /// <summary>Rows of results, from a few to a picture's.</summary>
        internal long[] Rows() => [Extent(1, 8192), Extent(16, 2048)];
    }
}
