using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Kernels;
using Parallax.OpenCL;
using Parallax.OpenCL.Bindings;
using Parallax.OpenCL.Calls;
using Parallax.Runtime;
using Parallax.Runtime.Cpu;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.OpenCL;

/// <summary>Runs one operator on an OpenCL device, under every way of sharing memory that it has and with vectors of several widths, and on the CPU, and compares.</summary>
internal static class ClHarness
{
    private static readonly Lazy<ImmutableArray<ClContext>> OfSharing = new(() => BySharing(ClDevice.All[0]));

    private static readonly Lazy<ImmutableArray<ClContext>> OfLanes = new(() => ByLanes(ClDevice.All[0]));

    private static readonly Lazy<ImmutableArray<ClContext>> OfHalf = new(() => [.. BySharing(HalfApi.FirstDevice), .. ByLanes(HalfApi.FirstDevice)]);

    /// <summary>One strict context per way of sharing memory, kept for the whole run of the tests: programs are built once.</summary>
    internal static ImmutableArray<ClContext> Contexts => OfSharing.Value;

    /// <summary>One more without vectors, where kernels work as on a GPU, and one with narrow ones.</summary>
    internal static IEnumerable<ClContext> AllContexts => OfSharing.Value.Concat(OfLanes.Value);

    /// <summary>The same of a device with half precision.</summary>
    internal static IEnumerable<ClContext> HalfContexts => OfHalf.Value;

    /// <summary>The results agree within <paramref name="tolerance"/>, relative to the larger of the expected magnitude and 1.</summary>
    /// <param name="inputs">Null where an optional input is absent.</param>
    /// <param name="constants">Positions of the inputs that are constants of the model.</param>
    internal static void Agrees(Op op, Tensor?[] inputs, double tolerance = 1e-5, int outputCount = 1, params int[] constants) =>
        AgreesInParts(op, inputs, [null], tolerance, outputCount, constants);

    /// <summary>The same where each part of the result is computed by a call of its own.</summary>
    internal static void AgreesInParts(Op op, Tensor?[] inputs, OutputPart?[] parts, double tolerance = 1e-5, int outputCount = 1, params int[] constants)
    {
        ClBinding binding = ClBindings.Find(op.GetType())!;
        Assert.Null(binding.WhyNot(op, FactsOf(op, inputs, outputCount, constants)));
        Compare(op, inputs, parts, Precision.Strict, x => binding.Prepare(op, x), (expected, actual, what) => AssertClose(expected, actual, tolerance, what), outputCount, constants);
    }

    /// <summary>Calls that may be less accurate than sums of products agree within <paramref name="tolerance"/> of the largest result.</summary>
    /// <param name="prepare">Makes the call of a part.</param>
    internal static void AgreesByMaximum(Op op, Tensor?[] inputs, OutputPart?[] parts, Func<ClPrepareContext, ClCall> prepare, double tolerance, params int[] constants) =>
        Compare(op, inputs, parts, Precision.Standard, prepare, (expected, actual, what) => AssertCloseByMaximum(expected, actual, tolerance, what), 1, constants);

    /// <summary>The first result, by each of the contexts, of parts that are computed by a call of their own.</summary>
    internal static IEnumerable<(Tensor Result, string What)> Results(IEnumerable<ClContext> contexts, Op op, Tensor?[] inputs, OutputPart?[] parts, Precision precision, params int[] constants) =>
        Results(contexts, op, inputs, parts, precision, x => ClBindings.Find(op.GetType())!.Prepare(op, x), FactsOf(op, inputs, 1, constants)).Select(r => (r.Outputs[0], r.What));

    /// <summary>The CPU's first result, in float32.</summary>
    internal static Tensor OnCpu(Op op, Tensor?[] inputs, params int[] constants) => OnCpu(op, inputs, FactsOf(op, inputs, 1, constants))[0];

    /// <summary>The names of the kernels that compute an operator, with the vectors that the device has.</summary>
    internal static string[] KernelsOf(Op op, Tensor?[] inputs, OutputPart? part, Precision precision, params int[] constants)
    {
        using var weights = new WeightCache(precision);
        OperandFacts facts = FactsOf(op, inputs, 1, constants);
        return [.. ClBindings.Find(op.GetType())!.Prepare(op, new ClPrepareContext(facts.Inputs, facts.Outputs, Contexts[0], weights) { Part = part }).Launches.Select(launch => launch.Kernel.Name).Distinct()];
    }

    /// <summary>The first result of a call, on each device.</summary>
    internal static IEnumerable<Tensor> OnDevice(Op op, Tensor?[] inputs, Func<ClPrepareContext, ClCall> prepare, params int[] constants)
    {
        OperandFacts facts = FactsOf(op, inputs, 1, constants);
        foreach (ClContext context in AllContexts)
        {
            using var weights = new WeightCache(Precision.Standard);
            yield return OnDevice(context, op, inputs, facts, [prepare(new ClPrepareContext(facts.Inputs, facts.Outputs, context, weights))])[0];
        }
    }

    private static void Compare(Op op, Tensor?[] inputs, OutputPart?[] parts, Precision precision, Func<ClPrepareContext, ClCall> prepare, Action<Tensor, Tensor, string> compare, int outputCount, int[] constants)
    {
        OperandFacts facts = FactsOf(op, inputs, outputCount, constants);
        Tensor[] expected = OnCpu(op, inputs, facts);
        foreach ((Tensor[] actual, string what) in Results(AllContexts, op, inputs, parts, precision, prepare, facts))
            for (int i = 0; i < expected.Length; i++) compare(expected[i], actual[i], $"{what}, output {i}");
    }

    private static IEnumerable<(Tensor[] Outputs, string What)> Results(
        IEnumerable<ClContext> contexts, Op op, Tensor?[] inputs, OutputPart?[] parts, Precision precision, Func<ClPrepareContext, ClCall> prepare, OperandFacts facts)
    {
        foreach (ClContext context in contexts)
        {
            using var weights = new WeightCache(precision);
            ClCall[] calls = [.. parts.Select(part => prepare(new ClPrepareContext(facts.Inputs, facts.Outputs, context, weights) { Part = part }))];
            yield return (OnDevice(context, op, inputs, facts, calls), $"{op.Name} of {string.Join(", ", inputs.Select(t => t?.ToString() ?? "-"))}, {context.Sharing}, {context.Lanes} lanes");
        }
    }

    private static ImmutableArray<ClContext> BySharing(ClDevice device) =>
        [.. Enum.GetValues<ClSharing>().Where(device.Supports).Select(sharing => new ClContext(device, sharing, strict: true))];

    private static ImmutableArray<ClContext> ByLanes(ClDevice device) =>
        [.. ((int[])[1, 4]).Where(lanes => lanes != device.Lanes).Select(lanes => new ClContext(device, ClSharing.Copied, strict: true, lanes: lanes))];

    /// <summary>What a binding has against an operator on such inputs.</summary>
    internal static string? WhyNot(Op op, Tensor?[] inputs, int outputCount = 1, params int[] constants) =>
        ClBindings.Find(op.GetType())!.WhyNot(op, FactsOf(op, inputs, outputCount, constants));

    /// <summary>Floats uniform in [-scale, scale).</summary>
    internal static Tensor Floats(int seed, float scale, params long[] dims) =>
        Tensor.From(RandomData.Floats((int)Shape.Count(dims), seed).Select(v => v * scale).ToArray(), dims);

    internal static OperandFacts FactsOf(Op op, Tensor?[] inputs, int outputCount, int[] constants)
    {
        ImmutableArray<TensorFact?> facts = [.. inputs.Select((t, i) => t is null ? null : constants.Contains(i) ? TensorFact.Of(t) : new TensorFact(t.DType, t.Shape))];
        return new OperandFacts(facts, [.. op.Infer(new InferContext([.. facts], outputCount)).Take(outputCount).Select(f => ((TensorFact)f).WithoutContents())]);
    }

    private static Tensor[] OnCpu(Op op, Tensor?[] inputs, OperandFacts facts)
    {
        using var weights = new WeightCache();
        using Kernel kernel = CpuBindings.Find(op.GetType())!.Prepare!(op, new PrepareContext(facts.Inputs, facts.Outputs, weights));
        Tensor[] outputs = NewOutputs(facts);
        KernelRun.Run(kernel, inputs, outputs);
        return outputs;
    }

    /// <summary>Inputs and outputs lie at odd places of one buffer each, as they do in an arena, between bytes that must not change.</summary>
    private static unsafe Tensor[] OnDevice(ClContext context, Op op, Tensor?[] inputs, OperandFacts facts, ClCall[] calls)
    {
        const long Gap = Storage.Alignment;
        Tensor[] outputs = NewOutputs(facts);
        Tensor?[] all = [.. inputs, .. outputs];
        var addresses = new ClAddress[all.Length];
        long end = Gap;
        var offsets = new long[all.Length];
        for (int i = 0; i < all.Length; i++)
        {
            offsets[i] = end;
            if (all[i] is { } tensor) end += (tensor.ByteCount + Gap - 1) / Gap * Gap + Gap;
        }
        using ClBuffer arena = context.Allocate(end), scratch = context.Allocate(calls.Max(call => call.ScratchBytes));
        var before = new byte[end];
        before.AsSpan().Fill(0xFF);
        for (int i = 0; i < all.Length; i++)
        {
            if (all[i] is not { } tensor) continue;
            addresses[i] = new ClAddress(arena, offsets[i]);
            if (i < inputs.Length) tensor.Bytes.CopyTo(before.AsSpan((int)offsets[i]));
        }
        fixed (byte* bytes = before) context.Write(arena, (nint)bytes, end);
        using var completion = new ClCompletion(context);
        foreach (ClCall call in calls) context.Enqueue(call, addresses.AsSpan(0, inputs.Length), addresses.AsSpan(inputs.Length), scratch);
        context.Signal(completion);
        completion.Wait();
        var after = new byte[end];
        fixed (byte* bytes = after) context.Read(arena, (nint)bytes, end);
        for (int i = 0; i < outputs.Length; i++)
        {
            int at = (int)offsets[inputs.Length + i], count = (int)outputs[i].ByteCount;
            after.AsSpan(at, count).CopyTo(outputs[i].Bytes);
            before.AsSpan(at, count).CopyTo(after.AsSpan(at));
        }
        Assert.True(before.AsSpan().SequenceEqual(after), $"{op.Name} under {context.Sharing} wrote outside of its outputs");
        GC.KeepAlive(inputs);
        return outputs;
    }

    private static Tensor[] NewOutputs(OperandFacts facts) =>
        [.. facts.Outputs.Select(f => Tensor.Allocate(f!.Type, f.Shape!.Value.ToArray()))];

    internal static void AssertCloseByMaximum(Tensor expected, Tensor actual, double tolerance, string what)
    {
        Span<float> e = expected.Span<float>(), a = actual.Span<float>();
        double most = e.ToArray().Select(Math.Abs).DefaultIfEmpty().Max();
        for (int i = 0; i < e.Length; i++)
            if (!(Math.Abs((double)e[i] - a[i]) <= tolerance * most)) Assert.Fail($"{what}: element {i} is {a[i]:R}, the CPU has {e[i]:R}, the largest is {most:R}");
    }

    internal static void AssertClose(Tensor expected, Tensor actual, double tolerance, string what)
    {
        if (expected.DType != DType.Float32)
        {
            Assert.True(expected.Bytes.SequenceEqual(actual.Bytes), what);
            return;
        }
        Span<float> e = expected.Span<float>(), a = actual.Span<float>();
        for (int i = 0; i < e.Length; i++)
            if (!(Math.Abs((double)e[i] - a[i]) <= tolerance * Math.Max(1, Math.Abs((double)e[i]))) && !e[i].Equals(a[i]))
                Assert.Fail($"{what}: element {i} is {a[i]:R}, the CPU has {e[i]:R}");
    }
}
