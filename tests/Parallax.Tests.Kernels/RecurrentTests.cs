using Parallax.Kernels;
using Parallax.Kernels.Recurrent;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Kernels;

public sealed class RecurrentTests
{
    private static readonly CellActivation Sigmoid = new(CellFunction.Sigmoid), Tanh = new(CellFunction.Tanh);

    private static readonly RecurrentProblem[] Problems =
    [
        new(RecurrentCell.Rnn, 4, 1, 3, 5) { Reversed = [false], Functions = [Tanh] },
        new(RecurrentCell.Rnn, 5, 3, 4, 33) { Reversed = [false, true], Functions = [new(CellFunction.Affine, 0.5f, 0.1f), new(CellFunction.Softsign)], HasBias = true, HasLengths = true, HasInitialHidden = true },
        new(RecurrentCell.Lstm, 1, 1, 1, 1) { Reversed = [false], Functions = [Sigmoid, Tanh, Tanh], HasBias = true },
        new(RecurrentCell.Lstm, 6, 2, 7, 18) { Reversed = [true], Functions = [Sigmoid, Tanh, Tanh], HasBias = true, HasPeepholes = true, HasInitialHidden = true, HasInitialCell = true, BatchFirst = true },
        new(RecurrentCell.Lstm, 4, 20, 5, 35)
        {
            Reversed = [false, true], HasBias = true, HasLengths = true, HasPeepholes = true, HasInitialCell = true, Clip = 0.6f,
            Functions = [new(CellFunction.HardSigmoid, 0.3f, 0.4f), Tanh, new(CellFunction.ScaledTanh, 1.1f, 0.9f), Sigmoid, new(CellFunction.Elu, 0.7f), Tanh],
        },
        new(RecurrentCell.Lstm, 3, 2, 4, 6) { Reversed = [false], Functions = [Sigmoid, new(CellFunction.LeakyRelu, 0.1f), new(CellFunction.Relu)], InputForget = true },
        new(RecurrentCell.Gru, 5, 1, 4, 9) { Reversed = [false], Functions = [Sigmoid, Tanh], HasBias = true },
        new(RecurrentCell.Gru, 5, 17, 4, 33) { Reversed = [false, true], Functions = [Sigmoid, Tanh, Sigmoid, new(CellFunction.Softplus)], HasBias = true, HasLengths = true, HasInitialHidden = true },
        new(RecurrentCell.Gru, 4, 3, 6, 16) { Reversed = [true], Functions = [Sigmoid, new(CellFunction.ThresholdedRelu, 0.2f)], HasBias = true, LinearBeforeReset = true, BatchFirst = true, HasLengths = true },
    ];

    public static TheoryData<int> Cases() => [.. Enumerable.Range(0, Problems.Length)];

    [Theory]
    [MemberData(nameof(Cases))]
    public unsafe void FollowsTheDefinition(int index)
    {
        RecurrentProblem p = Problems[index] with { KeepsAll = true, KeepsHidden = true, KeepsCell = Problems[index].Cell == RecurrentCell.Lstm };
        var random = new Random(40 + index);
        int rows = p.Gates * p.HiddenSize;
        Tensor x = Values(random, p.Steps * p.Batch * p.InputSize), w = Values(random, p.Directions * rows * p.InputSize), r = Values(random, p.Directions * rows * p.HiddenSize);
        Tensor bias = Values(random, p.Directions * 2 * rows), h0 = Values(random, p.Directions * p.Batch * p.HiddenSize), c0 = Values(random, p.Directions * p.Batch * p.HiddenSize);
        Tensor peepholes = Values(random, p.Directions * 3 * p.HiddenSize), lengths = Tensor.From([.. Enumerable.Range(0, p.Batch).Select(b => b == 0 ? p.Steps : random.Next(p.Steps + 1))], [p.Batch]);
        Tensor[] inputs = [x, w, r, bias, lengths, h0, c0, peepholes];
        (double[] y, double[] h, double[] c) = Naive(p, inputs);
        foreach (GemmMicroKernel entry in GemmCatalog.Entries.Where(e => e.IsSupported))
            foreach (bool constant in (bool[])[true, false])
            {
                using PackedMatrix? packed = constant ? GemmKernels.PackB(p.InputProduct(), (float*)w.Address, entry) : null;
                using RecurrentWeights? weights = constant ? new RecurrentWeights((float*)r.Address, p.Directions, p.Gates, p.HiddenSize, entry) : null;
                using Kernel kernel = RecurrentKernels.Create(p, packed, weights, entry);
                Tensor[] outputs = [Values(random, y.Length), Values(random, h.Length), Values(random, c.Length)];
                KernelRun.Run(kernel, inputs, outputs);
                Close(y, outputs[0], $"{kernel.Name}, problem {index}: Y");
                Close(h, outputs[1], $"{kernel.Name}, problem {index}: last h");
                if (p.KeepsCell) Close(c, outputs[2], $"{kernel.Name}, problem {index}: last c");
            }
    }

    private static (double[] Y, double[] H, double[] C) Naive(RecurrentProblem p, Tensor[] inputs)
    {
        int n = p.HiddenSize;
        double[] y = new double[p.Steps * p.Directions * p.Batch * n], lastH = new double[p.Directions * p.Batch * n], lastC = new double[lastH.Length];
        for (int d = 0; d < p.Directions; d++)
            for (int b = 0; b < p.Batch; b++)
            {
                int state = (int)p.StateRow(d, b) * n, length = p.HasLengths ? inputs[4].Span<int>()[b] : p.Steps;
                double[] h = [.. Enumerable.Range(0, n).Select(i => p.HasInitialHidden ? inputs[5].Span<float>()[state + i] : 0.0)];
                double[] c = [.. Enumerable.Range(0, n).Select(i => p.HasInitialCell ? inputs[6].Span<float>()[state + i] : 0.0)];
                for (int s = 0; s < length; s++)
                {
                    int t = p.Reversed[d] ? length - 1 - s : s;
                    Step(p, inputs, d, inputs[0].Span<float>().Slice((int)p.InputRow(t, b) * p.InputSize, p.InputSize), ref h, ref c);
                    h.CopyTo(y, p.OutputRow(t, d, b) * n);
                }
                h.CopyTo(lastH, state);
                c.CopyTo(lastC, state);
            }
        return (y, lastH, lastC);
    }

    private static void Step(RecurrentProblem p, Tensor[] inputs, int d, ReadOnlySpan<float> x, ref double[] h, ref double[] c)
    {
        int n = p.HiddenSize;
        float[] input = x.ToArray();
        double[] old = h, oldC = c, next = new double[n], nextC = new double[n];
        CellActivation[] f = p.Functions[(d * p.FunctionsPerDirection)..((d + 1) * p.FunctionsPerDirection)];
        double[] reset = p.Cell == RecurrentCell.Gru ? [.. Enumerable.Range(0, n).Select(i => Apply(f[0], p.Clip, X(1, i) + R(1, i, old)) * old[i])] : [];
        for (int i = 0; i < n; i++)
            switch (p.Cell)
            {
                case RecurrentCell.Rnn:
                    next[i] = Apply(f[0], p.Clip, X(0, i) + R(0, i, old));
                    break;
                case RecurrentCell.Lstm:
                    double admit = Apply(f[0], p.Clip, X(0, i) + R(0, i, old) + P(0, i) * oldC[i]);
                    double forget = p.InputForget ? 1 - admit : Apply(f[0], p.Clip, X(2, i) + R(2, i, old) + P(2, i) * oldC[i]);
                    nextC[i] = forget * oldC[i] + admit * Apply(f[1], p.Clip, X(3, i) + R(3, i, old));
                    next[i] = Apply(f[0], p.Clip, X(1, i) + R(1, i, old) + P(1, i) * nextC[i]) * Apply(f[2], 0, nextC[i]);
                    break;
                default:
                    double z = Apply(f[0], p.Clip, X(0, i) + R(0, i, old)), gate = Apply(f[0], p.Clip, X(1, i) + R(1, i, old));
                    double candidate = Apply(f[1], p.Clip, p.LinearBeforeReset ? X(2, i) + gate * R(2, i, old) : X(2, i) + R(2, i, reset));
                    next[i] = (1 - z) * candidate + z * old[i];
                    break;
            }
        (h, c) = (next, p.Cell == RecurrentCell.Lstm ? nextC : oldC);

        double X(int g, int i) => Bias(g, i) + Enumerable.Range(0, p.InputSize).Sum(k => (double)input[k] * inputs[1].Span<float>()[((d * p.Gates + g) * n + i) * p.InputSize + k]);
        double R(int g, int i, double[] state) => Bias(p.Gates + g, i) + Enumerable.Range(0, n).Sum(k => state[k] * inputs[2].Span<float>()[((d * p.Gates + g) * n + i) * n + k]);
        double Bias(int g, int i) => p.HasBias ? inputs[3].Span<float>()[(d * 2 * p.Gates + g) * n + i] : 0;
        double P(int g, int i) => p.HasPeepholes ? inputs[7].Span<float>()[(d * 3 + g) * n + i] : 0;
    }

    private static double Apply(CellActivation function, double clip, double x)
    {
        if (clip > 0) x = Math.Clamp(x, -clip, clip);
        return function.Function switch
        {
            CellFunction.Relu => Math.Max(0, x),
            CellFunction.Tanh => Math.Tanh(x),
            CellFunction.Sigmoid => 1 / (1 + Math.Exp(-x)),
            CellFunction.Affine => function.Alpha * x + function.Beta,
            CellFunction.LeakyRelu => x < 0 ? function.Alpha * x : x,
            CellFunction.ThresholdedRelu => x >= function.Alpha ? x : 0,
            CellFunction.ScaledTanh => function.Alpha * Math.Tanh(function.Beta * x),
            CellFunction.HardSigmoid => Math.Clamp(function.Alpha * x + function.Beta, 0, 1),
            CellFunction.Elu => x < 0 ? function.Alpha * (Math.Exp(x) - 1) : x,
            CellFunction.Softsign => x / (1 + Math.Abs(x)),
            _ => Math.Log(1 + Math.Exp(x)),
        };
    }

    private static Tensor Values(Random random, int count) => Tensor.From([.. Enumerable.Range(0, count).Select(_ => random.NextSingle() - 0.5f)], [count]);

    private static void Close(double[] expected, Tensor actual, string what)
    {
        for (int i = 0; i < expected.Length; i++)
            Assert.True(Math.Abs(expected[i] - actual.Span<float>()[i]) <= 2e-5 * (1 + Math.Abs(expected[i])), $"{what}[{i}]: expected {expected[i]}, got {actual.Span<float>()[i]}");
    }
}
