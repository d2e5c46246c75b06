using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Kernels;

namespace Parallax.Runtime.Cpu;

/// <summary>
/// How the CPU computes one operator: a <see cref="Kernel"/> prepared for concrete shapes, or a host function over whole data, for
/// results whose shape depends on contents, and for strings, sequences, optionals and control flow.
/// </summary>
internal sealed class Binding
{
    private Binding(Type operatorType) => OperatorType = operatorType;

    internal Type OperatorType { get; }

    /// <summary>Prepares a kernel; null where a host function does the work.</summary>
    internal Func<Op, PrepareContext, Kernel>? Prepare { get; private init; }

    /// <summary>The host function. Where there is a kernel too, it is for the element types that a kernel cannot take (<c>UsesHost</c>).</summary>
    internal Func<Op, HostContext, Datum?[]>? Run { get; private init; }

    /// <summary>An operator whose outputs' shapes follow from the inputs' shapes and from contents known when it is prepared.</summary>
    internal static Binding Kernel<TOp>(Func<TOp, PrepareContext, Kernel> prepare) where TOp : Op =>
        new(typeof(TOp)) { Prepare = (op, context) => prepare((TOp)op, context) };

    /// <summary>
    /// An operator that moves elements of any type: by the kernel where an element has whole bytes, by the host function for strings, types packed
    /// below a byte, sequences and optionals.
    /// </summary>
    internal static Binding Moving<TOp>(Func<TOp, PrepareContext, Kernel> prepare, Func<TOp, HostContext, Datum?[]>? run = null) where TOp : Op =>
        new(typeof(TOp))
        {
            Prepare = (op, context) => prepare((TOp)op, context),
            Run = (op, context) => run is null ? ManagedMovement.Run(op, context, (o, c) => prepare((TOp)o, c)) : run((TOp)op, context),
        };

    /// <summary>Whether a node with the given facts runs as a host function rather than as a kernel.</summary>
    internal bool UsesHost(ReadOnlySpan<Fact?> inputs, ReadOnlySpan<Fact?> outputs)
    {
        if (Prepare is null || Run is null) return Prepare is null;
        foreach (Fact? fact in (ReadOnlySpan<Fact?>)[.. inputs, .. outputs])
            if (fact is not null && (fact is not TensorFact tensor || IsForHost(tensor.Type))) return true;
        return false;
    }

    /// <summary>The same for data that are there.</summary>
    internal bool UsesHost(ReadOnlySpan<Datum?> inputs)
    {
        if (Prepare is null || Run is null) return Prepare is null;
        foreach (Datum? datum in inputs)
            if (datum is not null && (datum is not Tensor tensor || IsForHost(tensor.DType))) return true;
        return false;
    }

    internal static bool IsForHost(DType type) => type.BitWidth() is > 0 and < 8 || type == DType.String;

    /// <summary>An operator computed on whole data; one result per output, null for outputs that are not wanted.</summary>
    internal static Binding Host<TOp>(Func<TOp, HostContext, Datum?[]> run) where TOp : Op =>
        new(typeof(TOp)) { Run = (op, context) => run((TOp)op, context) };
}

/// <summary>What a kernel is prepared from.</summary>
/// <param name="Weights">Shares what is derived from constants, such as packed weights, between the kernels of a model.</param>
internal sealed record PrepareContext(ImmutableArray<TensorFact?> Inputs, ImmutableArray<TensorFact?> Outputs, WeightCache Weights) : OperandFacts(Inputs, Outputs)
{
    /// <summary>What is computed of the result where that is not all of it; products and convolutions alone take one.</summary>
    internal OutputPart? Part { get; init; }

    /// <summary>Whether constants stay where they are as long as the kernel lives, and the caller settles it: see <see cref="Kernels.Kernel.Settle"/>.</summary>
    internal bool MayDefer { get; init; }

    /// <summary>Whether kernels that round differently from a plain sum of products, however little, are left alone.</summary>
    internal bool IsStrict => Weights.Precision == Precision.Strict;
}

/// <summary>What a host function gets.</summary>
internal abstract class HostContext
{
    internal abstract int InputCount { get; }

    internal abstract int OutputCount { get; }

    /// <summary>Null where an optional input is absent. Tensors are borrowed: they are valid during the call and must not be written to or kept
    /// (return <see cref="Keep"/> of one to make it an output).</summary>
    internal abstract Datum? Input(int index);

    internal abstract bool Wants(int output);

    internal abstract CancellationToken Cancellation { get; }

    /// <summary>A tensor for an output, undefined contents, from the run's own memory.</summary>
    internal abstract Tensor Allocate(DType type, ReadOnlySpan<long> dims);

    /// <summary>A datum that becomes an output, or a part of one: an input or a body's result.</summary>
    internal abstract Datum Keep(Datum datum);

    /// <summary>Runs a body of the operator, <see cref="Op.Bodies"/> by index, on its formal inputs followed by the captured values.
    /// The results may be inputs that were passed on.</summary>
    internal abstract Datum[] RunBody(int body, ReadOnlySpan<Datum?> inputs);

    /// <summary>Gives back a result of <see cref="RunBody"/> or of <see cref="Allocate"/> before the call ends. Other data are left alone.</summary>
    internal abstract void Release(Datum? datum);

    /// <summary>A tensor of one element from the run's own memory.</summary>
    internal Tensor Scalar<T>(T value, ReadOnlySpan<long> dims) where T : unmanaged
    {
        Tensor scalar = Allocate(DTypes.Of<T>(), dims);
        scalar.Span<T>()[0] = value;
        return scalar;
    }

    /// <summary>Runs a kernel on all workers.</summary>
    internal abstract void RunKernel(Kernel kernel, ReadOnlySpan<Tensor?> inputs, ReadOnlySpan<Tensor?> outputs);

    internal Tensor Tensor(int index) => Input(index) as Tensor ?? throw new InvalidInputException($"input {index} must be a tensor, got {Input(index)?.ToString() ?? "nothing"}");
}

/// <summary>Data derived from constants, made once per model and freed with it. Thread-safe.</summary>
/// <param name="precision">How accurate the derived forms, and what is computed with them, must be.</param>
internal class WeightCache(Precision precision = Precision.Strict) : IDisposable
{
    private readonly HashSet<Tensor> owned = [];
    private readonly Dictionary<(Tensor Source, string Form), Lazy<IDisposable>> entries = [];

    internal Precision Precision { get; } = precision;

    /// <summary>How factors of products are kept.</summary>
    internal WeightForm ProductForm => Precision is Precision.Compact or Precision.Half ? WeightForm.Short : WeightForm.ShortIfExact;

    /// <summary>Declares a constant of the model.</summary>
    internal void Own(Tensor constant)
    {
        lock (entries) owned.Add(constant);
    }

    internal bool Owns(Tensor constant)
    {
        lock (entries) return owned.Contains(constant);
    }

    /// <summary>The derived form of a constant, e.g. packed panels; <paramref name="make"/> runs once per constant and form.</summary>
    internal virtual T GetOrAdd<T>(Tensor source, string form, Func<T> make) where T : class, IDisposable
    {
        Lazy<IDisposable>? entry;
        lock (entries)
            if (!entries.TryGetValue((source, form), out entry))
                entries[(source, form)] = entry = new Lazy<IDisposable>(() =>
                {
                    T made = make();
                    Release(source);
                    return made;
                });
        return (T)entry.Value;
    }

    /// <summary>Says that a derived form of a constant stands in for it now.</summary>
    internal static void Release(Tensor source) => source.Storage?.Release(source.ByteOffset, source.ByteCount);

    /// <summary>The same of some float32 elements of a constant.</summary>
    internal static void Release(Tensor source, long first, long count) => source.Storage?.Release(source.ByteOffset + sizeof(float) * first, sizeof(float) * count);

    public void Dispose()
    {
        lock (entries)
        {
            foreach (Lazy<IDisposable> entry in entries.Values)
                if (entry.IsValueCreated) entry.Value.Dispose();
            entries.Clear();
        }
    }
}
