using System.Collections.Immutable;
using Parallax.Graphs;

namespace Parallax.Runtime;

/// <summary>What is known of a node's operands when it is prepared: concrete types and shapes, and the contents of constants.</summary>
/// <param name="Inputs">Static facts; null where an optional input is absent.</param>
/// <param name="Outputs">Static facts; null where an output is not wanted.</param>
internal record OperandFacts(ImmutableArray<TensorFact?> Inputs, ImmutableArray<TensorFact?> Outputs)
{
    internal bool Has(int input) => input < Inputs.Length && Inputs[input] is not null;

    internal bool Wants(int output) => output < Outputs.Length && Outputs[output] is not null;

    internal DType Type(int input) => Inputs[input]!.Type;

    internal DType OutputType(int output) => Outputs[output]!.Type;

    internal long[] Dims(int input) => Inputs[input]!.Shape!.Value.ToArray();

    internal long[] OutputDims(int output) => Outputs[output]!.Shape!.Value.ToArray();

    /// <summary>The contents of an input that is a constant of the model; null where it is computed. Do not write to it.</summary>
    internal Tensor? Constant(int input) => input < Inputs.Length ? Inputs[input]?.Constant : null;

    /// <summary>The contents of an integer input, known from a constant or by shape arithmetic.</summary>
    internal bool TryGetInts(int input, out long[] values)
    {
        values = [];
        return Has(input) && Inputs[input]!.TryGetInts(out values);
    }
}
