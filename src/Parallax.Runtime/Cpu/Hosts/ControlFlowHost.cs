using Parallax.Graphs.Ops;

namespace Parallax.Runtime.Cpu.Hosts;

/// <summary>Runs the bodies of If, Loop and SequenceMap.</summary>
internal static class ControlFlowHost
{
    internal static Datum?[] Run(If op, HostContext context)
    {
        int body = Condition(context.Tensor(0)) ? 0 : 1;
        return KeepWanted(context, context.RunBody(body, Inputs(context, 1)));
    }

    /// <summary>Carried values pass from one iteration to the next as they are; scan outputs grow as the loop goes on.</summary>
    internal static Datum?[] Run(Loop op, HostContext context)
    {
        long limit = context.Input(0) is Tensor count ? ScalarInt(count, "the loop's trip count") : long.MaxValue;
        bool condition = context.Input(1) is not Tensor first || Condition(first);
        long[] iterationDims = BodyFacts.ScalarDims(op.Body, 0), conditionDims = BodyFacts.ScalarDims(op.Body, 1);
        Datum?[] inputs = Inputs(context, 0);
        var scans = new TensorStack?[op.ScanCount];
        long iteration = 0;
        for (; iteration < limit && condition; iteration++)
        {
            context.Cancellation.ThrowIfCancellationRequested();
            inputs[0] = context.Scalar(iteration, iterationDims);
            inputs[1] = context.Scalar(condition, conditionDims);
            Datum[] results = context.RunBody(0, inputs);
            condition = Condition((Tensor)results[0]);
            for (int i = 0; i < scans.Length; i++)
            {
                if (!context.Wants(op.CarriedCount + i)) continue;
                scans[i] ??= new TensorStack(context, expectedCount: limit);
                scans[i]!.Add((Tensor)results[1 + op.CarriedCount + i]);
            }
            foreach (Datum? old in inputs.AsSpan(0, 2 + op.CarriedCount)) context.Release(old);
            Array.Copy(results, 1, inputs, 2, op.CarriedCount);
            context.Release(results[0]);
            foreach (Datum part in results.AsSpan(1 + op.CarriedCount)) context.Release(part);
        }
        var outputs = new Datum?[context.OutputCount];
        for (int i = 0; i < outputs.Length; i++)
        {
            if (!context.Wants(i)) continue;
            if (i < op.CarriedCount) outputs[i] = context.Keep(inputs[2 + i]!);
            else outputs[i] = scans[i - op.CarriedCount]?.ToTensor() ?? TensorStack.Empty(context, op.Body, 1 + i);
        }
        return outputs;
    }

    internal static Datum?[] Run(SequenceMap op, HostContext context)
    {
        int own = context.InputCount - op.CaptureCount;
        var sequence = (TensorSequence)context.Input(0)!;
        var results = new List<Datum>[context.OutputCount];
        for (int i = 0; i < results.Length; i++) results[i] = [];
        Datum?[] inputs = Inputs(context, 0);
        for (int item = 0; item < sequence.Items.Count; item++)
        {
            context.Cancellation.ThrowIfCancellationRequested();
            for (int i = 0; i < own; i++)
                if (context.Input(i) is TensorSequence walked) inputs[i] = ItemAt(walked, item, i);
            Datum[] outputs = context.RunBody(0, inputs);
            for (int i = 0; i < results.Length; i++)
                if (context.Wants(i)) results[i].Add(context.Keep(outputs[i]));
        }
        return [.. results.Select((items, i) => context.Wants(i) ? new TensorSequence(BodyOutputType(op, i, items), items) : null)];
    }

    /// <summary>The truth of a bool tensor of one element.</summary>
    internal static bool Condition(Tensor tensor) => tensor is { DType: DType.Bool, ElementCount: 1 }
        ? tensor.Span<byte>()[0] != 0
        : throw new InvalidInputException($"a condition must be one bool, got {tensor}");

    internal static long ScalarInt(Tensor tensor, string what) => tensor switch
    {
        { DType: DType.Int64, ElementCount: 1 } => tensor.Span<long>()[0],
        { DType: DType.Int32, ElementCount: 1 } => tensor.Span<int>()[0],
        _ => throw new InvalidInputException($"{what} must be one int64 or int32, got {tensor}"),
    };

    /// <summary>The node's inputs from a position on, in an array that the caller may change.</summary>
    internal static Datum?[] Inputs(HostContext context, int from)
    {
        var inputs = new Datum?[context.InputCount - from];
        for (int i = 0; i < inputs.Length; i++) inputs[i] = context.Input(from + i);
        return inputs;
    }

    private static Datum?[] KeepWanted(HostContext context, Datum[] results)
    {
        var outputs = new Datum?[context.OutputCount];
        for (int i = 0; i < outputs.Length; i++)
            if (context.Wants(i)) outputs[i] = context.Keep(results[i]);
        return outputs;
    }

    private static Datum ItemAt(TensorSequence sequence, int item, int input) => item < sequence.Items.Count
        ? sequence.Items[item]
        : throw new InvalidInputException($"input {input} must have as many items as input 0, got {sequence.Items.Count}");

    private static DType BodyOutputType(SequenceMap op, int output, List<Datum> items) => items.Count > 0 && items[0] is Tensor first
        ? first.DType
        : op.Body.TensorFact(op.Body.Outputs[output].Value)?.Type ?? DType.Undefined;
}
