using Parallax.Kernels;
using Parallax.Kernels.Attention;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Kernels;

public sealed class AttentionTests
{
    private enum MaskKind
    {
        None,
        Bool,
        Additive,
        BoolOfKeys,
    }

    private sealed record Problem(
        int Batch, int Heads, int KeyHeads, int Queries, int Past, int NewKeys, int Size, int ValueSize,
        bool Packed = false, bool Causal = false, MaskKind Mask = MaskKind.None, int MissingMaskKeys = 0, double SoftCap = 0, bool Lengths = false, int Left = -1, int Right = -1,
        double Hidden = double.NegativeInfinity, double? NormEpsilon = null, bool Factors = false, bool Banded = false)
    {
        internal int Keys => Past + NewKeys;
    }

    private static readonly Problem[] Problems =
    [
        new(1, 1, 1, 1, 0, 1, 1, 1),
        new(2, 3, 3, 5, 0, 7, 8, 9),
        new(1, 2, 2, 70, 0, 130, 33, 40),
        new(2, 4, 2, 67, 0, 300, 64, 64, Packed: true, Causal: true),
        new(1, 6, 2, 1, 257, 1, 64, 48, Causal: true),
        new(2, 2, 1, 3, 20, 5, 16, 17, Causal: true, Mask: MaskKind.Additive),
        new(1, 2, 2, 90, 0, 90, 20, 20, Mask: MaskKind.Bool, SoftCap: 1.5),
        new(2, 2, 2, 6, 0, 150, 12, 31, Mask: MaskKind.Additive, MissingMaskKeys: 4),
        new(2, 2, 2, 6, 0, 10, 12, 31, Causal: true, Lengths: true),
        new(1, 2, 2, 200, 0, 200, 24, 24, Causal: true, Left: 30),
        new(1, 1, 1, 40, 10, 40, 24, 24, Packed: true, Left: 5, Right: 3),
        new(2, 4, 2, 70, 0, 270, 33, 20, Mask: MaskKind.Additive, NormEpsilon: 1e-12, Factors: true),
        new(2, 2, 2, 2, 0, 140, 40, 72, Mask: MaskKind.Bool, Hidden: -3, NormEpsilon: 4),
        new(2, 2, 1, 16, 0, 64, 32, 32, Mask: MaskKind.BoolOfKeys, Hidden: -1e4, Factors: true),
        new(2, 2, 2, 60, 0, 190, 9, 7, Mask: MaskKind.BoolOfKeys, MissingMaskKeys: 3),
        new(1, 2, 2, 150, 0, 290, 16, 16, Mask: MaskKind.Additive, Banded: true),
        new(2, 1, 1, 2, 0, 290, 16, 16, Banded: true),
        new(1, 2, 1, 3, 1025, 3, 24, 20, Causal: true, Mask: MaskKind.BoolOfKeys),
        new(2, 3, 3, 1, 0, 1502, 17, 33, Packed: true, Lengths: true),
        new(1, 1, 1, 6, 0, 700, 40, 50),
        new(1, 1, 1, 90, 300, 420, 20, 24, Mask: MaskKind.Additive),
        new(1, 2, 1, 2, 0, 2500, 12, 12, Mask: MaskKind.BoolOfKeys, MissingMaskKeys: 1400),
        new(1, 1, 1, 200, 0, 640, 24, 40, Causal: true),
    ];

    public static TheoryData<int> Cases() => [.. Enumerable.Range(0, Problems.Length)];

    [Theory]
    [MemberData(nameof(Cases))]
    public void FlashFollowsTheDefinition(int index)
    {
        foreach (GemmMicroKernel entry in GemmCatalog.Entries.Where(e => e.IsSupported))
            Check(Problems[index], index, DType.Float32, shown: null, entry);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void RowsFollowTheDefinition(int index)
    {
        foreach (ShownScores shown in Enum.GetValues<ShownScores>()) Check(Problems[index], index, DType.Float32, shown, null);
        Check(Problems[index], index, DType.Float64, shown: null, null);
    }

    private static void Check(Problem p, int index, DType type, ShownScores? shown, GemmMicroKernel? entry)
    {
        var random = new Random(100 + index);
        double[] q = Values(random, p.Batch * p.Heads * p.Queries * p.Size), k = Values(random, p.Batch * p.KeyHeads * p.NewKeys * p.Size);
        double[] v = Values(random, p.Batch * p.KeyHeads * p.NewKeys * p.ValueSize);
        double[] pastK = Values(random, p.Batch * p.KeyHeads * p.Past * p.Size), pastV = Values(random, p.Batch * p.KeyHeads * p.Past * p.ValueSize);
        int maskKeys = p.Keys - p.MissingMaskKeys;
        bool isBool = p.Mask is MaskKind.Bool or MaskKind.BoolOfKeys;
        int maskRows = p.Mask switch { MaskKind.None => 0, MaskKind.BoolOfKeys => p.Batch, _ => p.Heads * p.Queries };
        double[] mask = [.. Enumerable.Range(0, maskRows * maskKeys)
            .Select(i => i / maskKeys % 5 == 1 || random.Next(3) == 0 ? double.NegativeInfinity : isBool ? 0 : (double)(float)random.NextDouble())];
        double[] factors = p.Factors ? Values(random, p.Heads) : [];
        (int Begin, int End)[]? seen = p.Banded ? [.. Enumerable.Range(0, p.Queries).Select(i => (Math.Min(i, p.Keys), Math.Min(2 * i, p.Keys)))] : null;
        long[] lengths = [.. Enumerable.Range(0, p.Batch).Select(b => (long)Math.Max(1, p.Keys - 2 * b - 1))];
        var problem = new AttentionProblem
        {
            Batch = p.Batch, QueryHeads = p.Heads, KeyHeads = p.KeyHeads, Queries = p.Queries, NewKeys = p.NewKeys, HeadSize = p.Size, ValueSize = p.ValueSize,
            Query = Layout(p.Packed, p.Heads, p.Queries, p.Size), Key = Layout(p.Packed, p.KeyHeads, p.NewKeys, p.Size),
            Value = Layout(p.Packed, p.KeyHeads, p.NewKeys, p.ValueSize), Output = Layout(p.Packed, p.Heads, p.Queries, p.ValueSize),
            Scale = 0.4, SoftCap = p.SoftCap, Causal = p.Causal, LeftWindow = p.Left, RightWindow = p.Right,
            Mask = p.Mask switch
            {
                MaskKind.None => null,
                MaskKind.BoolOfKeys => new MaskLayout(true, maskKeys, 0, 0, maskKeys),
                _ => new MaskLayout(isBool, p.Heads * p.Queries * maskKeys, (long)p.Queries * maskKeys, maskKeys, maskKeys, Items: 1),
            },
            HiddenScore = p.Hidden, NormEpsilon = p.NormEpsilon, HasFactors = p.Factors, SeenKeys = seen,
            HasPast = p.Past > 0, PastKeys = p.Past, HasLengths = p.Lengths, KeepsPresentKey = index % 2 == 0, KeepsPresentValue = index % 3 == 0, Shown = shown,
        };
        Tensor maskTensor = isBool ? Tensor.From(Array.ConvertAll(mask, m => m == 0), [mask.Length]) : Make(type, mask);
        Tensor output = Empty(type, p.Batch * p.Heads * p.Queries * p.ValueSize), presentK = Empty(type, p.Batch * p.KeyHeads * p.Keys * p.Size);
        Tensor presentV = Empty(type, p.Batch * p.KeyHeads * p.Keys * p.ValueSize), scores = Empty(type, p.Batch * p.Heads * p.Queries * p.Keys);
        using Kernel kernel = AttentionKernels.Create(type, problem, entry);
        KernelRun.Run(kernel, [Make(type, q), Make(type, k), Make(type, v), maskTensor, Make(type, pastK), Make(type, pastV), Tensor.From(lengths, [p.Batch]), Make(type, factors)], [output, presentK, presentV, scores]);

        double[] allK = Join(p, pastK, k, problem.Key, p.Size), allV = Join(p, pastV, v, problem.Value, p.ValueSize);
        if (problem.KeepsPresentKey) Assert.Equal(allK, Read(presentK));
        if (problem.KeepsPresentValue) Assert.Equal(allV, Read(presentV));
        double[] actual = Read(output), actualScores = Read(scores);
        for (int row = 0; row < p.Batch * p.Heads * p.Queries; row++)
        {
            int b = row / (p.Heads * p.Queries), h = row / p.Queries % p.Heads, i = row % p.Queries, kv = b * p.KeyHeads + h / (p.Heads / p.KeyHeads);
            ReadOnlySpan<double> maskRow = mask.Length == 0 ? [] : mask.AsSpan((p.Mask == MaskKind.BoolOfKeys ? b : h * p.Queries + i) * maskKeys, maskKeys);
            (double[] expected, double[] shownScores) = Naive(p, q.AsSpan((int)problem.Query.Offset(b, h, i), p.Size), allK.AsSpan(kv * p.Keys * p.Size), allV.AsSpan(kv * p.Keys * p.ValueSize),
                maskRow, isBool, p.Factors ? factors[h] : 1, seen?[i] ?? (0, p.Keys), p.Lengths ? lengths[b] : null, i, shown);
            for (int c = 0; c < p.ValueSize; c++) Close(expected[c], actual[problem.Output.Offset(b, h, i) + c], $"{kernel.Name}, problem {index}: [{b}, {h}, {i}, {c}]");
            for (int j = 0; j < p.Keys && shown is not null; j++) Close(shownScores[j], actualScores[row * p.Keys + j], $"{shown} of problem {index}: [{b}, {h}, {i}, {j}]");
        }
    }

    private static (double[] Result, double[] Shown) Naive(Problem p, ReadOnlySpan<double> q, ReadOnlySpan<double> k, ReadOnlySpan<double> v, ReadOnlySpan<double> mask, bool isBool,
        double factor, (int Begin, int End) seen, long? length, int i, ShownScores? shown)
    {
        double[] raw = new double[p.Keys], capped = new double[p.Keys], masked = new double[p.Keys];
        for (int j = 0; j < p.Keys; j++)
        {
            ReadOnlySpan<double> key = k.Slice(j * p.Size, p.Size);
            for (int e = 0; e < p.Size; e++) raw[j] += 0.4 * factor * q[e] * key[e];
            if (p.NormEpsilon is { } least) raw[j] /= Math.Max(Length(q), least) * Math.Max(Length(key), least);
            capped[j] = p.SoftCap > 0 ? p.SoftCap * Math.Tanh(raw[j] / p.SoftCap) : raw[j];
            long position = i + (length is { } l ? l - p.Queries : p.Past);
            bool hidden = p.Causal && j > position || length <= j || p.Left >= 0 && j < position - p.Left || p.Right >= 0 && j > position + p.Right || j < seen.Begin || j >= seen.End;
            masked[j] = hidden || (!mask.IsEmpty && j >= mask.Length) ? double.NegativeInfinity
                : mask.IsEmpty ? capped[j] : isBool && mask[j] != 0 ? p.Hidden : capped[j] + mask[j];
        }
        double largest = masked.Max(), sum = double.IsInfinity(largest) ? 1 : masked.Sum(s => Math.Exp(s - largest));
        double[] probabilities = Array.ConvertAll(masked, s => double.IsInfinity(largest) ? 0 : Math.Exp(s - largest) / sum);
        double[] result = new double[p.ValueSize];
        for (int j = 0; j < p.Keys; j++)
            for (int c = 0; c < p.ValueSize; c++) result[c] += probabilities[j] * v[j * p.ValueSize + c];
        return (result, shown switch { ShownScores.Raw => raw, ShownScores.Capped => capped, ShownScores.Masked => masked, _ => probabilities });
    }

    private static double Length(ReadOnlySpan<double> row)
    {
        double sum = 0;
        foreach (double x in row) sum += x * x;
        return Math.Sqrt(sum);
    }

    private static double[] Join(Problem p, double[] past, double[] fresh, HeadLayout layout, int size)
    {
        var joined = new List<double>();
        for (int u = 0; u < p.Batch * p.KeyHeads; u++)
        {
            joined.AddRange(past.AsSpan(u * p.Past * size, p.Past * size));
            for (int row = 0; row < p.NewKeys; row++) joined.AddRange(fresh.AsSpan((int)layout.Offset(u / p.KeyHeads, u % p.KeyHeads, row), size));
        }
        return [.. joined];
    }

    private static HeadLayout Layout(bool packed, int heads, int rows, int size) => packed ? HeadLayout.Packed(heads, rows, size) : HeadLayout.Separate(heads, rows, size);

    private static double[] Values(Random random, int count) => [.. Enumerable.Range(0, count).Select(_ => (double)(float)(4 * random.NextDouble() - 2))];

    private static Tensor Make(DType type, double[] values) => type == DType.Float64 ? Tensor.From(values, [values.Length]) : Tensor.From(Array.ConvertAll(values, v => (float)v), [values.Length]);

    private static Tensor Empty(DType type, long count)
    {
        Tensor tensor = Tensor.Allocate(type, [count]);
        tensor.Bytes.Fill(0xFF);
        return tensor;
    }

    private static double[] Read(Tensor tensor) => tensor.DType == DType.Float64 ? tensor.Span<double>().ToArray() : Array.ConvertAll(tensor.Span<float>().ToArray(), v => (double)v);

    private static void Close(double expected, double actual, string what) =>
        Assert.True(expected == actual || Math.Abs(expected - actual) <= 2e-5 * (1 + Math.Abs(expected)), $"{what}: expected {expected}, got {actual}");
}
