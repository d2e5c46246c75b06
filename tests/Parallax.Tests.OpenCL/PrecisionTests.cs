using System.Text.RegularExpressions;
using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.OpenCL;
using Parallax.OpenCL.Bindings;
using Parallax.OpenCL.Calls;
using Parallax.OpenCL.Native;
using Parallax.Planning;
using Parallax.Runtime;
using Parallax.Runtime.Cpu;
using Parallax.Suite;
using Xunit;
using static Parallax.Tests.OpenCL.ClHarness;

namespace Parallax.Tests.OpenCL;

/// <summary>Constant factors of products in 16 bits, and products in half precision.</summary>
public sealed class PrecisionTests
{
    /// <summary>Products and convolutions that are sums of products, input 1 a constant, and how far their parts go along an axis; none has anything after the sums.</summary>
    private static readonly Dictionary<string, (Op Op, long[] X, long[] W, OutputPart?[] Parts)> Problems = new()
    {
        ["one row"] = (new MatMul(), [1, 300], [300, 77], [null]),
        ["few rows"] = (new MatMul(), [3, 19], [19, 130], [null]),
        ["rows of matrices"] = (new MatMul(), [3, 6, 50], [50, 49], [null]),
        ["a batch"] = (new MatMul(), [3, 6, 33], [3, 33, 16], [null]),
        ["a transposed factor"] = (new Gemm(0.5f, TransposeB: true), [17, 65], [40, 65], [null]),
        ["depth"] = (new MatMul(), [5, 5000], [5000, 17], [null]),
        ["no depth"] = (new MatMul(), [4, 0], [0, 5], [null]),
        ["one column"] = (new MatMul(), [9, 40], [40, 1], [null]),
        ["parts of columns"] = (new MatMul(), [2, 11, 15], [15, 37], [new OutputPart(0, 5), new OutputPart(5, 32)]),
        ["parts of rows"] = (new MatMul(), [23, 48], [48, 50], [new OutputPart(0, 7, OutputAxis.Rows), new OutputPart(7, 16, OutputAxis.Rows)]),
        ["points"] = (new Conv(Window(2, 1, 0)), [2, 40, 8, 9], [24, 40, 1, 1], [null]),
        ["strides"] = (new Conv(Window(2, 2, 1)), [2, 5, 15, 13], [17, 5, 3, 3], [null]),
        ["dilated"] = (new Conv(Window(2, 1, 1, 2)), [1, 7, 12, 11], [9, 7, 3, 3], [null]),
        ["groups"] = (new Conv(Window(2, 1, 1), 2), [1, 12, 6, 30], [20, 6, 3, 3], [null]),
        ["a signal"] = (new Conv(Window(1, 1, 2)), [2, 5, 40], [7, 5, 5], [null]),
        ["parts of channels"] = (new Conv(Window(2, 2, 1)), [2, 6, 7, 9], [21, 6, 3, 3], [new OutputPart(0, 8), new OutputPart(8, 13)]),
        ["parts of rows of images"] = (new Conv(Window(2, 2, 1)), [2, 6, 17, 9], [21, 6, 3, 3], [new OutputPart(0, 4, OutputAxis.Rows), new OutputPart(4, 5, OutputAxis.Rows)]),
        ["transposed"] = (new ConvTranspose(Window(2, 2, 1), 2, [], []), [2, 6, 5, 8], [6, 3, 3, 4], [null]),
    };

    public static TheoryData<string> Names => [.. Problems.Keys];

    /// <summary>The device computes in float32 with factors that the test has rounded.</summary>
    [ClTheory]
    [MemberData(nameof(Names))]
    public void Compact_factors_are_rounded_to_11_bits(string name)
    {
        (Op op, Tensor x, Tensor w, OutputPart?[] parts) = Made(name);
        Tensor expected = OnCpu(op, [x, Map(w, Rounded)], 1);
        foreach ((Tensor actual, string what) in Results(AllContexts, op, [x, w], parts, Precision.Compact, 1)) AssertClose(expected, actual, 1e-5, what);
    }

    [ClTheory]
    [MemberData(nameof(Names))]
    public void Compact_factors_that_need_no_more_bits_change_nothing(string name)
    {
        (Op op, Tensor x, Tensor w, OutputPart?[] parts) = Made(name);
        w = Map(w, Rounded);
        IEnumerable<(Tensor, string)> usual = Results(AllContexts, op, [x, w], parts, Precision.Standard, 1), compact = Results(AllContexts, op, [x, w], parts, Precision.Compact, 1);
        foreach (((Tensor expected, string what), (Tensor actual, _)) in usual.Zip(compact)) Assert.True(expected.Bytes.SequenceEqual(actual.Bytes), what);
    }

    [HalfTheory]
    [MemberData(nameof(Names))]
    public void Errors_of_half_precision_are_bounded(string name)
    {
        (Op op, Tensor x, Tensor w, OutputPart?[] parts) = Made(name);
        foreach (Func<float, float> change in (Func<float, float>[])[v => v, v => MathF.ScaleB(v, -12), v => 100 * v]) AssertBounded(op, Map(x, change), w, parts);
        AssertBounded(op, x, Map(w, v => v * v * v * 1e-9f), parts);
        AssertBounded(op, Map(x, v => MathF.ScaleB(Math.Abs(v), -6)), Map(w, Math.Abs), parts); // sums grow with every step
    }

    /// <summary>Factors that are larger than half's largest, and sums that are.</summary>
    [HalfTheory]
    [MemberData(nameof(Names))]
    public void What_leaves_the_range_of_half_is_computed_in_float32(string name)
    {
        (Op op, Tensor x, Tensor w, OutputPart?[] parts) = Made(name);
        AssertBounded(op, Map(x, v => v * 1e9f), w, parts);
        AssertBounded(op, Map(x, _ => 3000), Map(w, v => Math.Abs(v) + 1), parts);
        float[] values = [.. x.Span<float>()];
        for (int i = 0; i < values.Length; i += 37) values[i] *= 1e30f;
        AssertBounded(op, Tensor.From(values, x.Dims), w, parts);
    }

    [HalfFact]
    public void What_is_not_finite_stays_what_it_is()
    {
        Tensor x = Floats(1, 1, 20, 50), w = Floats(2, 1, 50, 60);
        (x.Span<float>()[3], x.Span<float>()[160], x.Span<float>()[999]) = (float.NaN, float.PositiveInfinity, float.NegativeInfinity);
        Tensor expected = OnCpu(new MatMul(), [x, w], 1);
        foreach (Precision precision in (Precision[])[Precision.Compact, Precision.Half])
            foreach ((Tensor actual, string what) in Results(HalfContexts, new MatMul(), [x, w], [null], precision, 1))
                for (int i = 0; i < 20 * 60; i++)
                    if (i / 60 is 0 or 3 or 19) Assert.True(expected.Span<float>()[i].Equals(actual.Span<float>()[i]), $"{what}: element {i} is {actual.Span<float>()[i]}");
                    else Assert.True(Math.Abs(expected.Span<float>()[i] - actual.Span<float>()[i]) < 0.05, $"{what}: element {i} is {actual.Span<float>()[i]}");
    }

    /// <summary>What it rounds shows; a device without it computes as with <see cref="Precision.Compact"/>.</summary>
    [HalfFact]
    public void Half_precision_is_what_computes()
    {
        Tensor x = Floats(1, 1, 33, 64), w = Floats(2, 1, 64, 70);
        foreach ((float[] half, float[] single, string what) in Both(HalfContexts)) Assert.True(half.Zip(single, (h, s) => Math.Abs(h - s)).Max() > 1e-3, what);
        foreach ((float[] half, float[] single, string what) in Both(AllContexts.Where(c => !c.Device.HasHalf))) Assert.True(half.AsSpan().SequenceEqual(single), what);

        IEnumerable<(float[] Half, float[] Single, string What)> Both(IEnumerable<ClContext> contexts) => Results(contexts, new MatMul(), [x, w], [null], Precision.Half, 1)
            .Zip(Results(contexts, new MatMul(), [x, w], [null], Precision.Compact, 1), (h, c) => (h.Result.Span<float>().ToArray(), c.Result.Span<float>().ToArray(), h.What));
    }

    [ClFact]
    public void Activation_bias_and_residual_follow_as_ever()
    {
        Tensor x = Floats(1, 1, 2, 11, 18), w = Floats(2, 1, 18, 27), bias = Floats(3, 1, 27), residual = Floats(4, 1, 2, 11, 27);
        Tensor image = Floats(1, 1, 2, 6, 5, 9), filters = Floats(2, 1, 10, 3, 3, 3), channels = Floats(3, 1, 10), before = Floats(4, 1, 2, 10, 5, 9);
        foreach (ActivationKind kind in (ActivationKind[])[ActivationKind.None, ActivationKind.Relu, ActivationKind.Silu])
            foreach ((Op op, Tensor?[] inputs) in ((Op, Tensor?[])[])
            [
                (new MatMul { Activation = new Activation(kind, 0.2f, 0.5f) }, [x, w, bias, residual]),
                (new Conv(Window(2, 1, 1), 2) { Activation = new Activation(kind, 0.2f, 0.5f) }, [image, filters, channels, before]),
            ])
            {
                Tensor expected = OnCpu(op, [inputs[0], Map(inputs[1]!, Rounded), .. inputs[2..]], 1);
                foreach ((Tensor actual, string what) in Results(AllContexts, op, inputs, [null], Precision.Compact, 1)) AssertClose(expected, actual, 1e-5, what);
            }
    }

    [ClFact]
    public void Factors_without_a_16_bit_form_stay_in_float32()
    {
        Tensor x = Floats(1, 1, 5, 30), w = Floats(2, 1, 30, 20), tiny = Map(w, v => v * 1e-39f), huge = Map(w, v => v * 1e12f);
        w.Span<float>()[7] = float.PositiveInfinity;
        foreach (Tensor factor in (Tensor[])[w, tiny, huge])
        {
            Tensor expected = OnCpu(new MatMul(), [x, factor], 1);
            foreach ((Tensor actual, string what) in Results(AllContexts, new MatMul(), [x, factor], [null], Precision.Compact, 1)) AssertClose(expected, actual, 1e-5, what);
        }
    }

    /// <summary>By name of the kernels, and by bytes on the device.</summary>
    [HalfFact]
    public void Constant_factors_of_sums_of_products_take_half_the_bytes()
    {
        Tensor x = Floats(1, 1, 17, 64), w = Floats(2, 1, 64, 96), image = Floats(3, 1, 1, 32, 40, 40), filters = Floats(4, 1, 48, 32, 3, 3), points = Floats(5, 1, 48, 32, 1, 1);
        ClContext usual = Contexts[0], half = HalfContexts.First();
        Assert.Equal(("gemm", 4), Factor(usual, new MatMul(), Precision.Standard, x, w));
        Assert.Equal(("gemm", 4), Factor(usual, new MatMul(), Precision.Strict, x, w));
        Assert.Equal(("gemm_short", 2), Factor(usual, new MatMul(), Precision.Compact, x, w));
        Assert.Equal(("gemm_short", 2), Factor(half, new MatMul(), Precision.Compact, x, w));
        Assert.Equal(("gemm_half", 2), Factor(half, new MatMul(), Precision.Half, x, w));
        if (!usual.Device.HasHalf) Assert.Equal(("gemm_short", 2), Factor(usual, new MatMul(), Precision.Half, x, w));
        Assert.Equal(("gemm_half", 2), Factor(half, new Conv(Window(2, 1, 0)), Precision.Half, image, points));
        Assert.Equal(("pad_planes + gemm_half", 2), Factor(half, new Conv(Window(2, 2, 1)), Precision.Half, image, filters));
        Assert.Equal("winograd4_input + gemm + winograd4_output", Factor(half, new Conv(Window(2, 1, 1)), Precision.Half, image, filters).Kernels);

        static (string Kernels, long Bytes) Factor(ClContext context, Op op, Precision precision, Tensor x, Tensor w)
        {
            using var weights = new WeightCache(precision);
            OperandFacts facts = FactsOf(op, [x, w], 1, [1]);
            ClCall call = ClBindings.Find(op.GetType())!.Prepare(op, new ClPrepareContext(facts.Inputs, facts.Outputs, context, weights));
            long bytes = call.Launches[^1].Args.Concat(call.Launches[0].Args).Select(arg => arg.Buffer?.ByteCount ?? 0).Max();
            return (Regex.Replace(call.Implementation, @"_\d+x\d+", ""), bytes / w.ElementCount);
        }
    }

    [ClFact]
    public void Devices_say_why_they_have_no_half_precision()
    {
        if (HalfApi.WhySkip is not null) return;
        Assert.Null(new HalfApi().Device.WhyNotHalf);
        Assert.Equal("its half precision is not rounded to nearest or has no infinities", new HalfApi(ClConstants.FpInfNan).Device.WhyNotHalf);
        Assert.Equal("its half precision is not rounded to nearest or has no infinities", new HalfApi(ClConstants.FpRoundToNearest).Device.WhyNotHalf);
    }

    [HalfTheory]
    [InlineData(Precision.Compact, 2e-3)]
    [InlineData(Precision.Half, 1e-2)]
    public void Sessions_agree_with_the_CPU_within_a_bound(Precision precision, double bound)
    {
        foreach ((byte[] model, Dictionary<string, Datum> inputs, OutputAxis axis) in ((byte[], Dictionary<string, Datum>, OutputAxis)[])
            [(SplitNetwork.Build(), new() { ["x"] = SplitNetwork.Image() }, OutputAxis.Channels), (SplitNetwork.BuildProducts(), new() { ["x"] = SplitNetwork.Left() }, OutputAxis.Rows)])
        {
            Tensor[] expected = ClSessions.OnCpu(model, inputs);
            foreach (ClSharing sharing in Enum.GetValues<ClSharing>().Where(HalfApi.FirstDevice.Supports))
            {
                using ClBackend backend = ClBackend.Open(HalfApi.FirstDevice, new ClBackendOptions { Sharing = sharing, Strict = true });
                SessionOptions whole = ClSessions.On(backend) with { Precision = precision }, split = whole with { OffloadAll = false, Splits = [new LayerSplit(LayerSplit.All, 0.4) { Axis = axis }] };
                foreach (SessionOptions options in (SessionOptions[])[whole, split])
                {
                    using var session = new InferenceSession(model, options);
                    Tensor[] actual = ClSessions.Run(session, inputs);
                    for (int i = 0; i < expected.Length; i++) AssertCloseByMaximum(expected[i], actual[i], bound, $"output {i} under {sharing}");
                    Assert.Empty(session.Warnings);
                    PlanReport plan = session.Explain(inputs);
                    Assert.Contains(plan.Branches, b => b.Device == (options == whole ? "opencl" : "cpu+opencl"));
                    Assert.Equal(precision == Precision.Half ? ["cpu in float32", "opencl in half"] : [], plan.Arithmetic.Select(a => $"{a.Device} in {a.Type}"));
                }
            }
        }
    }

    [ClFact]
    public void Plans_say_why_products_are_not_computed_in_half_precision()
    {
        byte[] model = SplitNetwork.BuildProducts();
        var inputs = new Dictionary<string, Datum> { ["x"] = SplitNetwork.Left() };
        using var compact = new InferenceSession(model, ClSessions.On(ClSessions.Backends[0]) with { Precision = Precision.Compact });
        using var half = new InferenceSession(model, ClSessions.On(ClSessions.Backends[0]) with { Precision = Precision.Half });
        if (ClDevice.All[0].HasHalf) return;
        Assert.Contains("products on opencl in float32: it has no cl_khr_fp16", half.Plan.Dump());
        Assert.DoesNotContain("products on", compact.Plan.Dump());
        foreach ((Tensor first, Tensor second) in ClSessions.Run(compact, inputs).Zip(ClSessions.Run(half, inputs))) Assert.True(first.Bytes.SequenceEqual(second.Bytes));
    }

    /// <summary>As <c>ClFactor.HalfSteps</c> has it: by the magnitudes of factors and products, which are sums of the same operator.</summary>
    private static void AssertBounded(Op op, Tensor x, Tensor w, OutputPart?[] parts)
    {
        Tensor magnitude = Map(x, Math.Abs), weight = Map(w, Math.Abs);
        double most = weight.Span<float>().ToArray().DefaultIfEmpty().Max();
        Tensor expected = OnCpu(op, [x, w], 1), products = OnCpu(op, [magnitude, weight], 1), weights = OnCpu(op, [Map(x, _ => 1), weight], 1), activations = OnCpu(op, [Map(magnitude, v => v + 1), Map(w, _ => 1)], 1);
        foreach ((Tensor actual, string what) in Results(HalfContexts, op, [x, w], parts, Precision.Half, 1))
            for (int i = 0; i < expected.ElementCount; i++)
            {
                double bound = (ClFactor.HalfSteps + 4) * Math.ScaleB(products.Span<float>()[i], -11) + Math.ScaleB(weights.Span<float>()[i], -14) + Math.ScaleB(most * activations.Span<float>()[i], -18);
                double error = Math.Abs((double)expected.Span<float>()[i] - actual.Span<float>()[i]);
                if (!(error <= bound)) Assert.Fail($"{what}: element {i} is {actual.Span<float>()[i]:R}, the CPU has {expected.Span<float>()[i]:R}, off by {error:R}, at most {bound:R} is expected");
            }
    }

    private static (Op Op, Tensor X, Tensor W, OutputPart?[] Parts) Made(string name)
    {
        (Op op, long[] x, long[] w, OutputPart?[] parts) = Problems[name];
        return (op, Floats(1, 1, x), Floats(2, 0.3f, w), parts);
    }

    private static Tensor Map(Tensor tensor, Func<float, float> function) => Tensor.From(tensor.Span<float>().ToArray().Select(function).ToArray(), tensor.Dims);

    /// <summary>To 11 significant bits, ties to even.</summary>
    private static float Rounded(float value)
    {
        int bits = BitConverter.SingleToInt32Bits(value);
        return BitConverter.Int32BitsToSingle((bits + 0xFFF + ((bits >> 13) & 1)) & ~0x1FFF);
    }

    private static SpatialWindow Window(int axes, long stride, long pad, long dilation = 1) => new(
        [], [.. Enumerable.Repeat(stride, axes)], [.. Enumerable.Repeat(dilation, axes)], [.. Enumerable.Repeat(pad, 2 * axes)]);
}
