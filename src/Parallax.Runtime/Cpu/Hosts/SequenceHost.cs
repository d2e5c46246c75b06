using Parallax.Graphs;
using Parallax.Graphs.Ops;

namespace Parallax.Runtime.Cpu.Hosts;

/// <summary>Sequences and optionals.</summary>
internal static class SequenceHost
{
    internal static Datum?[] Construct(HostContext context)
    {
        var items = new Datum[context.InputCount];
        for (int i = 0; i < items.Length; i++) items[i] = context.Keep(context.Input(i)!);
        return [new TensorSequence(ElementType(items, DType.Undefined), items)];
    }

    internal static Datum?[] Insert(HostContext context)
    {
        TensorSequence sequence = Sequence(context);
        Datum item = context.Input(1)!;
        if (item is Tensor tensor && sequence.ElementType != DType.Undefined && tensor.DType != sequence.ElementType)
            throw new InvalidInputException($"a {sequence} takes no {tensor}");
        int at = Position(context, 2, sequence.Items.Count, sequence.Items.Count, endInclusive: true);
        List<Datum> items = KeepItems(context, sequence);
        items.Insert(at, context.Keep(item));
        return [new TensorSequence(ElementType(items, sequence.ElementType), items)];
    }

    internal static Datum?[] Erase(HostContext context)
    {
        TensorSequence sequence = Sequence(context);
        List<Datum> items = KeepItems(context, sequence);
        items.RemoveAt(Position(context, 1, items.Count, items.Count - 1, endInclusive: false));
        return [new TensorSequence(sequence.ElementType, items)];
    }

    internal static Datum?[] At(HostContext context)
    {
        TensorSequence sequence = Sequence(context);
        return [context.Keep(sequence.Items[Position(context, 1, sequence.Items.Count, 0, endInclusive: false)])];
    }

    internal static Datum?[] Length(HostContext context) => [Tensor.Scalar((long)Sequence(context).Items.Count)];

    internal static Datum?[] Split(SplitToSequence op, HostContext context)
    {
        Tensor data = context.Tensor(0);
        int axis = ShapeRules.Axis(op.Axis, data.Rank);
        long length = data.Dims[axis];
        if (!context.HasInput(1) && !op.KeepDims)
        {
            var slices = new AxisSlices(data, axis);
            return [new TensorSequence(data.DType, [.. Enumerable.Range(0, (int)length).Select(i => slices.Read(i).Clone())])];
        }
        var parts = new List<Datum>();
        long start = 0;
        foreach (long count in PartLengths(context, length))
        {
            parts.Add(AxisParts.Copy(data, axis, start, count));
            start += count;
        }
        return [new TensorSequence(data.DType, parts)];
    }

    internal static Datum?[] Concat(ConcatFromSequence op, HostContext context)
    {
        TensorSequence sequence = Sequence(context);
        if (sequence.Items.Count == 0) throw new InvalidInputException("the sequence to concatenate has no items");
        Tensor[] items = [.. sequence.Items.Cast<Tensor>()];
        int axis = ShapeRules.Axis(op.Axis, op.NewAxis ? items[0].Rank + 1 : items[0].Rank);
        if (op.NewAxis) items = [.. items.Select(t => t.Reshape([.. t.Dims[..axis], 1, .. t.Dims[axis..]]))];
        return [AxisParts.Concat(context, items, axis)];
    }

    internal static Datum?[] MakeOptional(HostContext context) =>
        [context.HasInput(0) ? new OptionalDatum(context.Keep(context.Input(0)!)) : OptionalDatum.None];

    internal static Datum?[] HasElement(HostContext context) =>
        [Tensor.Scalar(context.HasInput(0) && context.Input(0) is not OptionalDatum { Value: null })];

    internal static Datum?[] GetElement(HostContext context) => context.Input(0) switch
    {
        OptionalDatum { Value: { } value } => [context.Keep(value)],
        OptionalDatum or null => throw new InvalidInputException("the optional has no element"),
        { } plain => [context.Keep(plain)],
    };

    private static TensorSequence Sequence(HostContext context) =>
        context.Input(0) as TensorSequence ?? throw new InvalidInputException($"input 0 must be a sequence, got {context.Input(0)?.ToString() ?? "nothing"}");

    private static bool HasInput(this HostContext context, int index) => index < context.InputCount && context.Input(index) is not null;

    private static List<Datum> KeepItems(HostContext context, TensorSequence sequence) => [.. sequence.Items.Select(context.Keep)];

    private static DType ElementType(IReadOnlyList<Datum> items, DType fallback) =>
        items.Count == 0 ? fallback : items[0] is Tensor tensor ? tensor.DType : items[0] is TensorSequence inner ? inner.ElementType : fallback;

    private static int Position(HostContext context, int input, int count, int fallback, bool endInclusive)
    {
        long at = context.HasInput(input) ? ControlFlowHost.ScalarInt(context.Tensor(input), "a sequence position") : fallback;
        long position = at < 0 ? at + count : at;
        return position >= 0 && position < (endInclusive ? count + 1 : count)
            ? (int)position
            : throw new InvalidInputException($"position {at} is out of range for a sequence of {count}");
    }

    private static long[] PartLengths(HostContext context, long length)
    {
        if (!context.HasInput(1)) return Chunks(1, length);
        Tensor split = context.Tensor(1);
        long[] counts = split.DType == DType.Int32 ? Array.ConvertAll(split.Span<int>().ToArray(), v => (long)v) : split.Span<long>().ToArray();
        if (split.Rank == 0) return counts[0] > 0 ? Chunks(counts[0], length) : throw new InvalidInputException($"split must be positive, got {counts[0]}");
        return counts.All(c => c >= 0) && counts.Sum() == length
            ? counts
            : throw new InvalidInputException($"split {Shape.ToString(counts)} does not add up to {length}");
    }

    private static long[] Chunks(long size, long length)
    {
        var chunks = new long[(length + size - 1) / size];
        for (int i = 0; i < chunks.Length; i++) chunks[i] = Math.Min(size, length - i * size);
        return chunks;
    }
}
