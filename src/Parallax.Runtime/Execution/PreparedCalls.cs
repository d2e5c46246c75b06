using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Parallax.Graphs;
using Parallax.Kernels;
using Parallax.Runtime.Cpu;

namespace Parallax.Runtime.Execution;

/// <summary>What a node does for inputs of certain shapes: a kernel, or for a view the new dims.</summary>
/// <param name="Kernel">Null for a view.</param>
/// <param name="OutputDims">By output; empty where it is not wanted.</param>
internal sealed record PreparedCall(long[] Key, int Hash, Kernel? Kernel, DType[] OutputTypes, long[][] OutputDims, IDisposable? Weights)
{
    private int holders = 1;

    /// <summary>One more holder, unless the last one has let go.</summary>
    internal bool TryHold()
    {
        for (int now = Volatile.Read(ref holders); now > 0; now = Volatile.Read(ref holders))
            if (Interlocked.CompareExchange(ref holders, now + 1, now) == now) return true;
        return false;
    }

    internal void LetGo()
    {
        if (Interlocked.Decrement(ref holders) != 0) return;
        Kernel?.Dispose();
        Weights?.Dispose();
    }
}

/// <summary>
/// The calls that were prepared for one node, found again by the inputs' shapes, and by their contents where shapes do not suffice: a bounded number,
/// the oldest goes first. Thread-safe.
/// </summary>
internal sealed class PreparedCalls(Node node, Operand?[] inputs, Operand?[] outputs, Binding? binding, WeightCache model) : IDisposable
{
    private const int MaxCalls = 64;

    /// <summary>What of small inputs enters the key, inference and preparation: a shape, an axis, a count of repeats. Learned from what does not suffice.</summary>
    private enum Contents
    {
        None,
        Integers,
        All,
    }

    [ThreadStatic]
    private static List<long>? keyBuffer;

    private readonly Lock gate = new();
    private PreparedCall[] known = [];
    private int oldest;
    private Contents needed;

    /// <summary>The call for these inputs, held for the caller.</summary>
    internal PreparedCall For(ReadOnlySpan<Datum?> data)
    {
        List<long> key = keyBuffer ??= [];
        for (Contents contents = needed; ; contents++)
        {
            bool isKeyed = WriteKey(data, contents, key);
            Span<long> wanted = CollectionsMarshal.AsSpan(key);
            int hash = HashOf(wanted);
            if (isKeyed && Find(wanted, hash) is { } found) return found;
            if (TryPrepare(data, contents, wanted.ToArray(), hash) is not { } made) continue;
            needed = contents;
            if (isKeyed) Add(made);
            return made;
        }
    }

    public void Dispose()
    {
        lock (gate)
        {
            foreach (PreparedCall call in known) call.LetGo();
            known = [];
        }
    }

    private PreparedCall? Find(ReadOnlySpan<long> key, int hash)
    {
        foreach (PreparedCall call in Volatile.Read(ref known))
            if (call.Hash == hash && key.SequenceEqual(call.Key) && call.TryHold()) return call;
        return null;
    }

    private void Add(PreparedCall call)
    {
        call.TryHold();
        PreparedCall? dropped = null;
        lock (gate)
        {
            if (known.Length < MaxCalls)
            {
                Volatile.Write(ref known, [.. known, call]);
                return;
            }
            PreparedCall[] next = [.. known];
            dropped = next[oldest];
            next[oldest] = call;
            oldest = (oldest + 1) % MaxCalls;
            Volatile.Write(ref known, next);
        }
        dropped.LetGo();
    }

    /// <summary>Types, dims and, where wanted, contents. False where an input is no tensor: such calls are not kept.</summary>
    private bool WriteKey(ReadOnlySpan<Datum?> data, Contents contents, List<long> key)
    {
        key.Clear();
        key.Add((long)contents);
        bool areTensors = true;
        for (int i = 0; i < data.Length; i++)
        {
            if (data[i] is not Tensor tensor)
            {
                areTensors &= data[i] is null;
                key.Add(-1);
                continue;
            }
            key.Add(((long)tensor.DType << 8) | (long)tensor.Rank);
            foreach (long dim in tensor.Dims) key.Add(dim);
            if (!IsConstant(i) && Shows(tensor, contents)) AddBytes(key, tensor.Bytes);
        }
        return areTensors;
    }

    private static void AddBytes(List<long> key, ReadOnlySpan<byte> bytes)
    {
        int words = (bytes.Length + sizeof(long) - 1) / sizeof(long), at = key.Count;
        if (words == 0) return;
        CollectionsMarshal.SetCount(key, at + words);
        Span<long> target = CollectionsMarshal.AsSpan(key)[at..];
        target[^1] = 0;
        bytes.CopyTo(MemoryMarshal.AsBytes(target));
    }

    private static int HashOf(ReadOnlySpan<long> key)
    {
        var hash = new HashCode();
        hash.AddBytes(MemoryMarshal.AsBytes(key));
        return hash.ToHashCode();
    }

    private bool IsConstant(int input) => inputs[input]!.Value.Slot.Kind == SlotKind.Constant;

    private static bool Shows(Tensor tensor, Contents contents) => contents switch
    {
        Contents.None => false,
        _ when tensor.ElementCount > TensorFact.MaxKnownElements || tensor.DType == DType.String => false,
        Contents.Integers => tensor.DType is DType.Int64 or DType.Int32 or DType.Bool,
        _ => true,
    };

    /// <summary>Null where more of the contents is needed.</summary>
    private PreparedCall? TryPrepare(ReadOnlySpan<Datum?> data, Contents contents, long[] key, int hash)
    {
        var builder = ImmutableArray.CreateBuilder<Fact?>(data.Length);
        for (int i = 0; i < data.Length; i++) builder.Add(data[i] is { } datum ? FactOf(datum, i, contents) : null);
        try
        {
            return Prepare(builder.MoveToImmutable(), contents, key, hash);
        }
        catch (ParallaxException e) when (contents < Contents.All && e is InvalidModelException or UnsupportedModelException)
        {
            return null;
        }
    }

    private PreparedCall? Prepare(ImmutableArray<Fact?> facts, Contents contents, long[] key, int hash)
    {
        ImmutableArray<Fact> inferred = node.Op.Infer(new InferContext(facts, outputs.Length));
        var types = new DType[outputs.Length];
        var dims = new long[outputs.Length][];
        var outputFacts = new TensorFact?[outputs.Length];
        for (int i = 0; i < outputs.Length; i++)
        {
            dims[i] = [];
            if (outputs[i] is null) continue;
            if (inferred[i] is not TensorFact { IsStatic: true } fact)
                return contents < Contents.All ? null : throw new InvalidModelException($"the shape of output {i} does not follow from {string.Join(", ", facts.Select(f => f?.ToString() ?? "-"))}");
            outputFacts[i] = fact;
            types[i] = fact.Type;
            dims[i] = fact.Shape!.Value.ToArray();
        }
        if (node.Op.IsView) return new PreparedCall(key, hash, null, types, dims, null);
        var weights = new TransientWeights(model);
        try
        {
            Kernel kernel = binding!.Prepare!(node.Op, new PrepareContext([.. facts.Select(f => f as TensorFact)], [.. outputFacts], weights));
            return new PreparedCall(key, hash, kernel, types, dims, weights);
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    /// <summary>Contents are copied: what is prepared outlives the values of this run.</summary>
    private Fact FactOf(Datum datum, int input, Contents contents) => datum is not Tensor tensor
        ? Fact.Of(datum)
        : IsConstant(input) ? TensorFact.Of(tensor) : Shows(tensor, contents) ? TensorFact.Of(tensor.Clone()) : new TensorFact(tensor.DType, tensor.Shape);

    /// <summary>Derived forms of constants: those of the model's own constants are the model's, others are freed with the call.</summary>
    private sealed class TransientWeights(WeightCache shared) : WeightCache(shared.Precision)
    {
        internal override T GetOrAdd<T>(Tensor source, string form, Func<T> make) => shared.Owns(source) ? shared.GetOrAdd(source, form, make) : base.GetOrAdd(source, form, make);
    }
}
