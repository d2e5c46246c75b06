using Parallax.OpenCL.Calls;

namespace Parallax.OpenCL.Bindings;

/// <summary>The walk over strided rows, <c>ROW_ARGS</c> and <c>EACH_ROW</c> of common.cl. Dims and strides (in elements) are outermost first; the last ones are those of the rows.</summary>
internal static class RowWalk
{
    private const int OuterDims = 8;

    internal static string? WhyNot(int dims) =>
        dims > OuterDims + 1 ? $"the operands are walked over {dims} dims, at most {OuterDims + 1} are supported" : null;

    internal static ClGrid Grid(ClPrepareContext x, ReadOnlySpan<long> dims) => x.OverRuns(dims[^1], Shape.Count(dims[..^1]));

    /// <summary>The arguments for two operands.</summary>
    internal static ClArg[] Args(ReadOnlySpan<long> dims, ReadOnlySpan<long> first, ReadOnlySpan<long> second) =>
        [ClArg.Int(dims[^1]), .. OuterArgs(dims, first, second), ClArg.Ints(first[^1], second[^1])];

    /// <summary>Those of them that are about the dims outside of the rows.</summary>
    internal static ClArg[] OuterArgs(ReadOnlySpan<long> dims, ReadOnlySpan<long> first, ReadOnlySpan<long> second) =>
        [ClArg.Int(Shape.Count(dims[..^1])), Outer(dims, 1), Outer(first, 0), Outer(second, 0)];

    /// <summary>The arguments for three operands: <c>ROW_ARGS_OF_THREE</c>.</summary>
    internal static ClArg[] Args(ReadOnlySpan<long> dims, ReadOnlySpan<long> first, ReadOnlySpan<long> second, ReadOnlySpan<long> third) =>
        [.. Args(dims, first, second), Outer(third, 0), ClArg.Int(third[^1])];

    /// <summary>All but the last number, right-aligned.</summary>
    private static ClArg Outer(ReadOnlySpan<long> values, long filler)
    {
        Span<long> padded = stackalloc long[OuterDims];
        padded.Fill(filler);
        values[..^1].CopyTo(padded[(OuterDims - values.Length + 1)..]);
        return ClArg.Ints(padded);
    }
}
