namespace Parallax.Graphs.Ops;

/// <summary>Checks that an input has the shape that the others ask for, as far as dims are known. Kernels rely on them.</summary>
internal static class InputShapes
{
    /// <summary>Throws unless input <paramref name="index"/> is absent, of unknown shape, or can be <paramref name="expected"/>.</summary>
    internal static void Expect(this InferContext context, int index, Shape expected)
    {
        if (context.OptionalTensor(index)?.Shape is not { } shape) return;
        bool fits = shape.Rank == expected.Rank;
        for (int i = 0; fits && i < shape.Rank; i++) fits = CanBe(shape[i], expected[i]);
        if (!fits) throw new InvalidModelException($"input {index} must be {expected}, got {shape}");
    }

    /// <summary>Throws unless input <paramref name="index"/> is absent, of unknown shape, or broadcasts to <paramref name="wide"/>.</summary>
    internal static void ExpectBroadcast(this InferContext context, int index, Shape wide)
    {
        if (context.OptionalTensor(index)?.Shape is not { } shape) return;
        bool fits = shape.Rank <= wide.Rank;
        for (int i = 1; fits && i <= shape.Rank; i++) fits = shape[^i] == 1 || CanBe(shape[^i], wide[^i]);
        if (!fits) throw new InvalidModelException($"input {index} must broadcast to {wide}, got {shape}");
    }

    private static bool CanBe(Dim dim, Dim expected) => !dim.IsKnown || !expected.IsKnown || dim == expected;
}
