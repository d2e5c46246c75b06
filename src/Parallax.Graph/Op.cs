using System.Collections.Immutable;
using System.Text;

namespace Parallax.Graphs;

/// <summary>What a node costs, as far as shapes tell; symbolic where they are.</summary>
/// <param name="Macs">Multiply-accumulates; an elementwise operation counts one per result.</param>
/// <param name="Bytes">Bytes read and written.</param>
public readonly record struct Cost(Dim Macs, Dim Bytes)
{
    public static Cost operator +(Cost a, Cost b) => new(a.Macs + b.Macs, a.Bytes + b.Bytes);
}

/// <summary>
/// An operator: its attributes, how its outputs' types and shapes follow from its inputs, and what it costs. Immutable.
/// How it is computed is the business of a backend.
/// </summary>
public abstract record Op
{
    /// <summary>The name shown in dumps, profiles and errors.</summary>
    public virtual string Name => GetType().Name;

    /// <summary>
    /// One fact per output. Inputs may be symbolic or unknown; what cannot be told is left unknown, and what cannot be true
    /// throws <see cref="InvalidModelException"/> (the caller adds the node's name).
    /// </summary>
    public abstract ImmutableArray<Fact> Infer(InferContext context);

    /// <summary>By default one operation per element of the first output, and the bytes of all inputs and outputs.</summary>
    public virtual Cost Cost(ReadOnlySpan<Fact?> inputs, ReadOnlySpan<Fact?> outputs) =>
        new(outputs.Length > 0 ? CostOf.Elements(outputs[0]) : 0, CostOf.Bytes(inputs) + CostOf.Bytes(outputs));

    /// <summary>Whether output 0 is input 0's bytes under another shape: no work, no memory.</summary>
    public virtual bool IsView => false;

    /// <summary>Whether two runs on the same inputs give the same outputs. Random generators do not.</summary>
    public virtual bool IsDeterministic => true;

    /// <summary>Whether the operator only moves, compares or converts elements, so that it takes float16 and bfloat16 as they are.</summary>
    public virtual bool AcceptsNarrowFloats => false;

    /// <summary>Bodies of control flow. Their inputs are the operator's own, then the captured values, which are explicit inputs of the node.</summary>
    public virtual ImmutableArray<Graph> Bodies => [];

    /// <summary>The same operator with other bodies, in the order of <see cref="Bodies"/>.</summary>
    public virtual Op WithBodies(ImmutableArray<Graph> bodies) => this;

    public virtual bool IsControlFlow => !Bodies.IsEmpty;

    /// <summary>The record and its attributes, as dumps show them; what all operators have in common is left out.</summary>
    public sealed override string ToString()
    {
        var attributes = new StringBuilder();
        return PrintMembers(attributes) ? $"{GetType().Name} {{ {attributes} }}" : GetType().Name;
    }

    /// <summary>Appends the attributes; false where there is none. Every record adds its own.</summary>
    protected virtual bool PrintMembers(StringBuilder builder) => false;
}

/// <summary>Counting for <see cref="Op.Cost"/>.</summary>
public static class CostOf
{
    public static Dim Elements(Fact? fact) => fact is TensorFact { Shape: { } shape } ? shape.Elements : 0;

    public static Dim Bytes(Fact? fact) => fact is TensorFact { Shape: { } shape } tensor ? Dim.CeilDiv(shape.Elements * tensor.Type.BitWidth(), 8) : 0;

    public static Dim Bytes(ReadOnlySpan<Fact?> facts)
    {
        Dim sum = 0;
        foreach (Fact? fact in facts) sum += Bytes(fact);
        return sum;
    }
}

/// <summary>The inputs of one inference.</summary>
/// <param name="Inputs">A fact per input; null where an optional input is absent.</param>
/// <param name="OutputCount">Outputs that the node has; trailing ones that nobody wants are not counted.</param>
public readonly record struct InferContext(ImmutableArray<Fact?> Inputs, int OutputCount)
{
    public int InputCount => Inputs.Length;

    public bool Has(int index) => index < Inputs.Length && Inputs[index] is not null;

    public Fact Input(int index) => Has(index) ? Inputs[index]! : throw new InvalidModelException($"input {index} is missing");

    public TensorFact Tensor(int index) => Input(index) as TensorFact
        ?? throw new InvalidModelException($"input {index} must be a tensor, got {Inputs[index]}");

    public TensorFact? OptionalTensor(int index) => Has(index) ? Tensor(index) : null;

    public SequenceFact Sequence(int index) => Input(index) as SequenceFact
        ?? throw new InvalidModelException($"input {index} must be a sequence, got {Inputs[index]}");

    /// <summary>The shape of a tensor input; null where unknown. Throws where the rank is known and not among the allowed ones.</summary>
    public Shape? Shape(int index, int minRank = 0, int maxRank = int.MaxValue)
    {
        TensorFact fact = Tensor(index);
        if (fact.Shape is { } shape && (shape.Rank < minRank || shape.Rank > maxRank))
        {
            string ranks = minRank == maxRank ? $"{minRank}" : maxRank == int.MaxValue ? $"{minRank} or more" : $"{minRank} to {maxRank}";
            throw new InvalidModelException($"input {index} must have rank {ranks}, got {fact}");
        }
        return fact.Shape;
    }

    /// <summary>The integer contents of input <paramref name="index"/> where all are numbers.</summary>
    public bool TryGetInts(int index, out long[] values)
    {
        values = [];
        return Has(index) && Tensor(index).TryGetInts(out values);
    }
}

/// <summary>Shape rules that many operators share.</summary>
public static class ShapeRules
{
    /// <summary>A negative axis counts from the end. Throws where out of range.</summary>
    public static int Axis(long axis, int rank, bool endInclusive = false)
    {
        long limit = endInclusive ? rank + 1 : rank;
        if (axis < -limit || axis >= limit) throw new InvalidModelException($"axis {axis} is out of range for rank {rank}");
        return (int)(axis < 0 ? axis + limit : axis);
    }

    public static int[] Axes(ReadOnlySpan<long> axes, int rank)
    {
        var result = new int[axes.Length];
        for (int i = 0; i < axes.Length; i++)
        {
            result[i] = Axis(axes[i], rank);
            if (Array.IndexOf(result, result[i], 0, i) >= 0) throw new InvalidModelException($"axis {axes[i]} is named twice");
        }
        return result;
    }

    /// <summary>NumPy's broadcasting. Null where a rank is unknown. A symbolic dim against a number above 1 is taken to be that number.</summary>
    public static Shape? Broadcast(Shape? a, Shape? b)
    {
        if (a is not { } left || b is not { } right) return null;
        int rank = Math.Max(left.Rank, right.Rank);
        var dims = ImmutableArray.CreateBuilder<Dim>(rank);
        for (int i = 0; i < rank; i++)
        {
            Dim l = i < rank - left.Rank ? 1 : left[i - (rank - left.Rank)], r = i < rank - right.Rank ? 1 : right[i - (rank - right.Rank)];
            dims.Add(Broadcast(l, r) ?? throw new InvalidModelException($"shapes {left} and {right} do not broadcast"));
        }
        return new Shape(dims.MoveToImmutable());
    }

    private static Dim? Broadcast(Dim a, Dim b)
    {
        if (a == b || b == 1) return a;
        if (a == 1) return b;
        if (a.IsKnown && b.IsKnown) return null;
        return a.IsKnown ? a : b.IsKnown ? b : Dim.Symbol($"broadcast({a},{b})");
    }

    /// <summary>One output with the type and shape of input <paramref name="index"/>.</summary>
    public static ImmutableArray<Fact> SameAs(InferContext context, int index = 0) => [context.Tensor(index).WithoutContents()];

    /// <summary>Whether two facts can describe the same value.</summary>
    public static bool Compatible(Fact a, Fact b) => (a, b) switch
    {
        (TensorFact x, TensorFact y) => (x.Type == y.Type || x.Type == DType.Undefined || y.Type == DType.Undefined) && Compatible(x.Shape, y.Shape),
        (SequenceFact x, SequenceFact y) => Compatible(x.Item, y.Item),
        (OptionalFact x, OptionalFact y) => Compatible(x.Item, y.Item),
        _ => false,
    };

    private static bool Compatible(Shape? a, Shape? b)
    {
        if (a is not { } x || b is not { } y) return true;
        if (x.Rank != y.Rank) return false;
        for (int i = 0; i < x.Rank; i++)
            if (x[i].IsKnown && y[i].IsKnown && x[i] != y[i]) return false;
        return true;
    }

    /// <summary>What two facts of one value say together: the more precise of each part.</summary>
    public static Fact Merge(Fact inferred, Fact declared)
    {
        if (inferred is not TensorFact a || declared is not TensorFact b) return inferred;
        DType type = a.Type == DType.Undefined ? b.Type : a.Type;
        if (a.Shape is not { } shape) return a with { Type = type, Shape = b.Shape };
        if (b.Shape is not { } other || other.Rank != shape.Rank) return a with { Type = type };
        return a with { Type = type, Shape = new Shape(shape.Dims.Map((d, i) => !d.IsKnown && other[i].IsKnown ? other[i] : d)) };
    }
}
