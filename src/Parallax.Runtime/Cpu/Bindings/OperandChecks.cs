namespace Parallax.Runtime.Cpu.Bindings;

/// <summary>What kernels rely on when they read small operands: checked once, when they are prepared.</summary>
internal static class OperandChecks
{
    /// <summary>Requires an input of <paramref name="count"/> elements of a type.</summary>
    internal static void Require(this PrepareContext x, int input, DType type, long count)
    {
        if (x.Type(input) != type || Shape.Count(x.Dims(input)) != count)
            throw new InvalidModelException($"input {input} must hold {count} of {type}, got {x.Inputs[input]}");
    }

    /// <summary>Requires the element type of input 0.</summary>
    internal static void RequireSameType(this PrepareContext x, int input)
    {
        if (x.Type(input) != x.Type(0)) throw new InvalidModelException($"input {input} must be {x.Type(0)} as input 0, got {x.Type(input)}");
    }
}
