using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>Elementwise functions of small integer tensors whose contents are dims. Null stands for a result that cannot be told.</summary>
internal static class ShapeArithmetic
{
    internal static ImmutableArray<Dim>? Map(ImmutableArray<Dim> values, Func<Dim, Dim?> function)
    {
        var results = ImmutableArray.CreateBuilder<Dim>(values.Length);
        foreach (Dim value in values)
        {
            if (Try(() => function(value)) is not { } result) return null;
            results.Add(result);
        }
        return results.MoveToImmutable();
    }

    /// <summary>Pairs of elements; a side of one element is repeated.</summary>
    internal static ImmutableArray<Dim>? Zip(ImmutableArray<Dim> a, ImmutableArray<Dim> b, Func<Dim, Dim, Dim?> function)
    {
        if (a.Length != b.Length && a.Length != 1 && b.Length != 1) return null;
        int length = a.Length == 0 || b.Length == 0 ? 0 : Math.Max(a.Length, b.Length);
        var results = ImmutableArray.CreateBuilder<Dim>(length);
        for (int i = 0; i < length; i++)
        {
            Dim left = a[a.Length == 1 ? 0 : i], right = b[b.Length == 1 ? 0 : i];
            if (Try(() => function(left, right)) is not { } result) return null;
            results.Add(result);
        }
        return results.MoveToImmutable();
    }

    internal static Dim? Apply(BinaryFunction function, Dim a, Dim b) => function switch
    {
        BinaryFunction.Add => a + b,
        BinaryFunction.Sub => a - b,
        BinaryFunction.Mul => a * b,
        BinaryFunction.Div => Divide(a, b),
        BinaryFunction.Mod => Numbers(a, b, (x, y) => y == 0 ? 0 : (x % y + y) % y) ?? Remainder(a, b),
        BinaryFunction.FMod => Numbers(a, b, (x, y) => y == 0 ? 0 : x % y) ?? Remainder(a, b),
        BinaryFunction.Min => Dim.Min(a, b),
        BinaryFunction.Max => Dim.Max(a, b),
        BinaryFunction.Equal => Equal(a, b),
        BinaryFunction.Less => Less(a, b),
        BinaryFunction.Greater => Less(b, a),
        BinaryFunction.GreaterOrEqual => Not(Less(a, b)),
        BinaryFunction.LessOrEqual => Not(Less(b, a)),
        _ => null,
    };

    /// <summary>The contents of a bool tensor of rank 0 or 1, as zeros and ones.</summary>
    internal static bool TryGetBools(TensorFact fact, out ImmutableArray<Dim> values)
    {
        values = fact.Known;
        if (!values.IsDefault) return values.All(v => v.IsKnown);
        if (fact.Constant is not { DType: DType.Bool, Rank: <= 1, ElementCount: <= TensorFact.MaxKnownElements } constant) return false;
        values = [.. constant.Span<byte>().ToArray().Select(v => (Dim)v)];
        return true;
    }

    /// <summary>Division rounds towards zero, symbols are not negative: both agree with rounding down unless a number is negative.</summary>
    private static Dim? Divide(Dim a, Dim b) => a.TryGetValue(out long x) && b.TryGetValue(out long y)
        ? y == 0 ? null : (Dim)(x / y)
        : (b.TryGetValue(out long divisor) && divisor <= 0) || (a.TryGetValue(out long dividend) && dividend < 0) ? null : Dim.FloorDiv(a, b);

    /// <summary>Tensors wrap where dims overflow: such a result is left to be computed.</summary>
    private static Dim? Try(Func<Dim?> function)
    {
        try
        {
            return function();
        }
        catch (OverflowException)
        {
            return null;
        }
    }

    private static Dim? Remainder(Dim a, Dim b) => Divide(a, b) is { } quotient ? a - quotient * b : null;

    private static Dim? Numbers(Dim a, Dim b, Func<long, long, long> function) =>
        a.TryGetValue(out long x) && b.TryGetValue(out long y) ? function(x, y) : null;

    private static Dim? Not(Dim? truth) => truth is { } value ? 1 - value : null;

    private static Dim? Equal(Dim a, Dim b)
    {
        if (a == b) return 1;
        if ((a - b).IsKnown || IsNegativeAgainstSize(a, b) || IsNegativeAgainstSize(b, a)) return 0;
        return null;
    }

    private static Dim? Less(Dim a, Dim b)
    {
        if ((a - b).TryGetValue(out long difference)) return difference < 0 ? 1 : 0;
        return IsNegativeAgainstSize(a, b) ? 1 : IsNegativeAgainstSize(b, a) ? 0 : null;
    }

    /// <summary>Whether <paramref name="a"/> is a negative number and <paramref name="b"/> one symbol, which is a size and thus not negative.</summary>
    private static bool IsNegativeAgainstSize(Dim a, Dim b) =>
        a.TryGetValue(out long value) && value < 0 && !b.IsKnown && !b.ToString().Contains('-');
}
