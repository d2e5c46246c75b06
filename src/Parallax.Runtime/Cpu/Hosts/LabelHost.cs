using System.Runtime.CompilerServices;
using Parallax.Graphs.Ops;
using Parallax.Kernels.MachineLearning;

namespace Parallax.Runtime.Cpu.Hosts;

/// <summary>Labels, categories and scores of classical machine learning.</summary>
internal static class LabelHost
{
    private static readonly ConditionalWeakTable<Tensor, object> Tables = [];

    internal static Datum?[] Encode(LabelEncoder op, HostContext context)
    {
        Tensor input = context.Tensor(0);
        if (input.DType != op.Keys.DType) throw new InvalidInputException($"the keys are {op.Keys.DType}, the input is {input}");
        int[] positions = Positions(op.Keys, input);
        if (op.Values.DType == DType.String)
        {
            string[] values = op.Values.Strings.ToArray();
            string fallback = op.Default.Strings[0];
            return [Tensor.FromStrings([.. positions.Select(p => p < 0 ? fallback : values[p])], input.Dims)];
        }
        Tensor result = context.Allocate(op.Values.DType, input.Dims);
        int size = op.Values.DType.ElementBytes();
        Span<byte> target = result.Bytes, table = op.Values.Bytes, missing = op.Default.Bytes[..size];
        for (int i = 0; i < positions.Length; i++)
            (positions[i] < 0 ? missing : table.Slice(positions[i] * size, size)).CopyTo(target[(i * size)..]);
        return [result];
    }

    internal static Datum?[] OneHot(OneHotEncoder op, HostContext context)
    {
        Tensor input = context.Tensor(0);
        int[] positions = Positions(op.Categories, op.Categories.DType == DType.Int64 ? Integers(input) : input);
        int count = (int)op.Categories.ElementCount;
        Tensor result = context.Allocate(DType.Float32, [.. input.Dims, count]);
        result.Bytes.Clear();
        Span<float> target = result.Span<float>();
        for (int i = 0; i < positions.Length; i++)
        {
            if (positions[i] >= 0) target[i * count + positions[i]] = 1;
            else if (!op.AllowsUnknown) throw new InvalidInputException($"element {i} is in none of the {count} categories");
        }
        return [result];
    }

    internal static Datum?[] Transform(TransformScores op, HostContext context)
    {
        Tensor scores = Copy(context.Tensor(0), context);
        int width = (int)scores.Dims[1];
        for (int at = 0; at < scores.ElementCount; at += width) Transform(op.Transform, scores.Span<float>().Slice(at, width));
        return [scores];
    }

    internal static Datum?[] Classify(Classify op, HostContext context)
    {
        Tensor raw = context.Tensor(0);
        int rows = (int)raw.Dims[0], width = (int)raw.Dims[1], classes = width == 1 ? 2 : width;
        Tensor scores = context.Allocate(DType.Float32, [rows, classes]);
        var winners = new int[rows];
        for (int row = 0; row < rows; row++)
        {
            Span<float> source = raw.Span<float>().Slice(row * width, width), target = scores.Span<float>().Slice(row * classes, classes);
            if (width == 1) winners[row] = Split(op, source[0], target);
            else
            {
                winners[row] = Highest(source);
                source.CopyTo(target);
                Transform(op.Transform, target);
            }
        }
        return [Labels(op.Labels, winners), scores];
    }

    /// <summary>The scores of two classes from one; returns the class.</summary>
    private static int Split(Classify op, float score, Span<float> target)
    {
        target[0] = op.IsProbability ? 1 - score : -score;
        target[1] = score;
        if (op.Transform == ScoreTransform.Probit) Scores.Probit(target);
        else if (!op.IsProbability) Transform(op.Transform, target);
        return score > (op.IsProbability ? 0.5f : 0f) ? 1 : 0;
    }

    internal static Tensor Labels(Tensor labels, int[] winners)
    {
        // One label names the positive class; the negative one has none.
        if (labels.DType == DType.String)
            return Tensor.FromStrings([.. winners.Select(w => labels.ElementCount == 1 ? (w == 1 ? labels.Strings[0] : "") : labels.Strings[w])], [winners.Length]);
        return Tensor.From(Array.ConvertAll(winners, w => labels.ElementCount == 1 ? (w == 1 ? labels.Span<long>()[0] : 0) : labels.Span<long>()[w]), [winners.Length]);
    }

    internal static void Transform(ScoreTransform transform, Span<float> row)
    {
        switch (transform)
        {
            case ScoreTransform.Softmax: Scores.Softmax(row); break;
            case ScoreTransform.SoftmaxZero: Scores.SoftmaxZero(row); break;
            case ScoreTransform.Logistic: Scores.Logistic(row); break;
            case ScoreTransform.Probit: Scores.Probit(row); break;
        }
    }

    private static int Highest(ReadOnlySpan<float> row)
    {
        int best = 0;
        for (int i = 1; i < row.Length; i++)
            if (row[i] > row[best]) best = i;
        return best;
    }

    private static Tensor Copy(Tensor source, HostContext context)
    {
        Tensor copy = context.Allocate(source.DType, source.Dims);
        source.Bytes.CopyTo(copy.Bytes);
        return copy;
    }

    /// <summary>For each element its position among the keys, the last where a key is repeated; -1 where it is none.</summary>
    private static int[] Positions(Tensor keys, Tensor input) => keys.DType switch
    {
        DType.String => Positions<string>(keys, input, t => t.Strings.ToArray()),
        DType.Float32 => Positions(keys, input, t => t.Span<float>().ToArray()),
        DType.Float64 => Positions(keys, input, t => t.Span<double>().ToArray()),
        _ => Positions(keys, input, t => Integers(t).Span<long>().ToArray()),
    };

    private static int[] Positions<T>(Tensor keys, Tensor input, Func<Tensor, T[]> read) where T : notnull
    {
        var table = (Dictionary<T, int>)Tables.GetValue(keys, k =>
        {
            var made = new Dictionary<T, int>();
            T[] values = read(k);
            for (int i = 0; i < values.Length; i++) made[values[i]] = i;
            return made;
        });
        return Array.ConvertAll(read(input), key => table.TryGetValue(key, out int position) ? position : -1);
    }

    private static Tensor Integers(Tensor tensor) => tensor.DType switch
    {
        DType.Int64 => tensor,
        DType.Int32 => Tensor.From(Array.ConvertAll(tensor.Span<int>().ToArray(), v => (long)v), tensor.Dims),
        DType.Int16 => Tensor.From(Array.ConvertAll(tensor.Span<short>().ToArray(), v => (long)v), tensor.Dims),
        DType.Float32 => Tensor.From(Array.ConvertAll(tensor.Span<float>().ToArray(), v => (long)v), tensor.Dims),
        DType.Float64 => Tensor.From(Array.ConvertAll(tensor.Span<double>().ToArray(), v => (long)v), tensor.Dims),
        _ => throw new UnsupportedModelException($"labels of {tensor.DType}", [$"labels of {tensor.DType}"]),
    };
}
