using Parallax.Graphs.Ops;

namespace Parallax.Runtime.Cpu.Hosts;

/// <summary>Greedy suppression by class: the best box is taken, boxes that overlap it by more than the threshold are dropped, and so on.</summary>
internal static class NonMaxSuppressionHost
{
    private readonly record struct Box(float Top, float Left, float Bottom, float Right)
    {
        internal float Area => (Bottom - Top) * (Right - Left);

        internal static Box Of(ReadOnlySpan<float> numbers, bool center) => center
            ? new(numbers[1] - numbers[3] / 2, numbers[0] - numbers[2] / 2, numbers[1] + numbers[3] / 2, numbers[0] + numbers[2] / 2)
            : new(Math.Min(numbers[0], numbers[2]), Math.Min(numbers[1], numbers[3]), Math.Max(numbers[0], numbers[2]), Math.Max(numbers[1], numbers[3]));

        /// <summary>Whether intersection over union is above the threshold; empty boxes overlap nothing.</summary>
        internal static bool Overlap(in Box a, in Box b, float threshold)
        {
            float height = Math.Min(a.Bottom, b.Bottom) - Math.Max(a.Top, b.Top), width = Math.Min(a.Right, b.Right) - Math.Max(a.Left, b.Left);
            if (!(height > 0) || !(width > 0) || !(a.Area > 0) || !(b.Area > 0)) return false;
            float intersection = height * width;
            return intersection / (a.Area + b.Area - intersection) > threshold;
        }
    }

    internal static Datum?[] Run(NonMaxSuppression op, HostContext context)
    {
        Tensor boxes = context.Tensor(0), scores = context.Tensor(1);
        long limit = Optional<long>(context, 2) ?? 0;
        float overlap = Optional<float>(context, 3) ?? 0;
        float? lowest = Optional<float>(context, 4);
        if (boxes.Rank != 3 || scores.Rank != 3 || boxes.Dims[2] != 4 || boxes.Dims[0] != scores.Dims[0] || boxes.Dims[1] != scores.Dims[2])
            throw new InvalidInputException($"boxes must be [batch, boxes, 4] and scores [batch, classes, boxes], got {boxes} and {scores}");
        int count = (int)boxes.Dims[1], classes = (int)scores.Dims[1];
        var selected = new List<long>();
        for (int batch = 0; batch < boxes.Dims[0]; batch++)
        {
            Box[] candidates = Boxes(boxes.Span<float>().Slice(batch * count * 4, count * 4), op.CenterBoxes);
            for (int type = 0; type < classes && limit > 0; type++)
            {
                context.Cancellation.ThrowIfCancellationRequested();
                foreach (int box in Select(candidates, scores.Span<float>().Slice((batch * classes + type) * count, count), limit, overlap, lowest))
                    selected.AddRange([batch, type, box]);
            }
        }
        return [Tensor.From([.. selected], [selected.Count / 3, 3])];
    }

    private static T? Optional<T>(HostContext context, int input) where T : unmanaged =>
        context.Input(input) is Tensor { ElementCount: > 0 } tensor ? tensor.Span<T>()[0] : null;

    private static Box[] Boxes(ReadOnlySpan<float> numbers, bool center)
    {
        var boxes = new Box[numbers.Length / 4];
        for (int i = 0; i < boxes.Length; i++) boxes[i] = Box.Of(numbers.Slice(4 * i, 4), center);
        return boxes;
    }

    private static List<int> Select(Box[] boxes, ReadOnlySpan<float> scores, long limit, float overlap, float? lowest)
    {
        var order = new List<(float Score, int Box)>();
        for (int i = 0; i < boxes.Length; i++)
            if (lowest is not { } threshold || scores[i] > threshold) order.Add((scores[i], i));
        order.Sort((a, b) => b.Score.CompareTo(a.Score) is var sign and not 0 ? sign : a.Box.CompareTo(b.Box));
        var taken = new List<int>();
        foreach ((_, int candidate) in order)
        {
            if (taken.Count >= limit) break;
            bool free = true;
            for (int i = 0; free && i < taken.Count; i++) free = !Box.Overlap(boxes[candidate], boxes[taken[i]], overlap);
            if (free) taken.Add(candidate);
        }
        return taken;
    }
}
