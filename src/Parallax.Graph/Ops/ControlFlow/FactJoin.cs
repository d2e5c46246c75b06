using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>
/// Joins facts of values that take each other's place: results of two branches, a loop-carried value before and after an iteration,
/// items of a sequence. What the facts do not share becomes unknown; a dim that differs becomes a symbol of its own.
/// </summary>
internal sealed class FactJoin
{
    private readonly HashSet<Dim> widened = [];

    /// <summary>What holds for a value that is either of two.</summary>
    internal static Fact Join(Fact a, Fact b) => new FactJoin().Widen(a, b);

    /// <summary>
    /// As <see cref="Join"/>; but a dim of <paramref name="state"/> that an earlier call made stays as it is, so that repeated widening ends.
    /// </summary>
    internal Fact Widen(Fact state, Fact next) => (state, next) switch
    {
        (TensorFact a, TensorFact b) => Widen(a, b),
        (SequenceFact a, SequenceFact b) => new SequenceFact(Widen(a.Item, b.Item)),
        (OptionalFact a, OptionalFact b) => new OptionalFact(Widen(a.Item, b.Item)),
        (OptionalFact a, _) => new OptionalFact(Widen(a.Item, next)),
        (_, OptionalFact b) => new OptionalFact(Widen(state, b.Item)),
        (TensorFact { Type: DType.Undefined, Shape: null }, _) => next,
        (_, TensorFact { Type: DType.Undefined, Shape: null }) => state,
        _ => throw new InvalidModelException($"{state} and {next} cannot take each other's place"),
    };

    /// <summary>Whether a dim was made by widening, or computed from one that was: then it may change between iterations.</summary>
    internal bool Varies(Dim dim)
    {
        if (dim.IsKnown || widened.Count == 0) return false;
        string text = dim.ToString();
        return widened.Any(w => text.Contains(w.ToString(), StringComparison.Ordinal));
    }

    /// <summary>The fact outside the iterations: every dim that may change between them becomes a symbol of its own.</summary>
    internal Fact Settle(Fact fact) => Replace(fact, dim => Varies(dim) ? FreshDim.Of("loop") : dim);

    /// <summary>The same kind of value with every symbolic dim replaced by one of its own: a sequence's items share only what is a number.</summary>
    internal static Fact Forget(Fact fact) => Replace(fact, dim => dim.IsKnown ? dim : FreshDim.Of("item"));

    internal static Fact WithoutContents(Fact fact) => fact is TensorFact tensor ? tensor.WithoutContents() : fact;

    private static Fact Replace(Fact fact, Func<Dim, Dim> by) => fact switch
    {
        TensorFact { Shape: { } shape } tensor => new TensorFact(tensor.Type, new Shape([.. shape.Dims.Select(by)])),
        SequenceFact sequence => new SequenceFact(Replace(sequence.Item, by)),
        OptionalFact optional => new OptionalFact(Replace(optional.Item, by)),
        _ => fact,
    };

    private TensorFact Widen(TensorFact a, TensorFact b)
    {
        if (a.Type != b.Type && a.Type != DType.Undefined && b.Type != DType.Undefined)
            throw new InvalidModelException($"{a} and {b} cannot take each other's place: their element types differ");
        DType type = a.Type == DType.Undefined ? b.Type : a.Type;
        if (a.Type == DType.Undefined && a.Shape is null) return b.WithoutContents();
        if (b.Type == DType.Undefined && b.Shape is null) return a.WithoutContents();
        if (a.Shape is not { } left || b.Shape is not { } right || left.Rank != right.Rank) return new TensorFact(type);
        var dims = ImmutableArray.CreateBuilder<Dim>(left.Rank);
        for (int i = 0; i < left.Rank; i++) dims.Add(Widen(left[i], right[i]));
        return new TensorFact(type, new Shape(dims.MoveToImmutable()));
    }

    private Dim Widen(Dim state, Dim next)
    {
        if (state == next || widened.Contains(state)) return state;
        Dim fresh = FreshDim.Of("loop");
        widened.Add(fresh);
        return fresh;
    }
}
