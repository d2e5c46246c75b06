using Parallax.Graphs;
using Parallax.OpenCL.Calls;
using Parallax.Runtime;

namespace Parallax.OpenCL.Bindings;

/// <summary>How a device computes one operator.</summary>
internal sealed class ClBinding
{
    private readonly Func<Op, OperandFacts, string?> whyNot;
    private readonly Func<Op, ClPrepareContext, ClCall> prepare;

    private ClBinding(Type operatorType, Func<Op, OperandFacts, string?> whyNot, Func<Op, ClPrepareContext, ClCall> prepare) =>
        (OperatorType, this.whyNot, this.prepare) = (operatorType, whyNot, prepare);

    internal Type OperatorType { get; }

    /// <param name="whyNot">Null where the operands are supported, else the reason, which begins in lower case and has no full stop. The facts are static.</param>
    internal static ClBinding Of<TOp>(Func<TOp, OperandFacts, string?> whyNot, Func<TOp, ClPrepareContext, ClCall> prepare) where TOp : Op =>
        new(typeof(TOp), (op, facts) => whyNot((TOp)op, facts), (op, context) => prepare((TOp)op, context));

    /// <summary>Null where an operator with such operands is computed here, else the reason why not.</summary>
    internal string? WhyNot(Op op, OperandFacts facts) => OperandLimits.WhyNot(facts) ?? whyNot(op, facts);

    /// <summary>The launches for operands that <see cref="WhyNot"/> has nothing against.</summary>
    internal ClCall Prepare(Op op, ClPrepareContext context) => prepare(op, context);
}

/// <summary>What no kernel here takes.</summary>
internal static class OperandLimits
{
    internal static string? WhyNot(OperandFacts facts)
    {
        foreach (TensorFact? fact in facts.Inputs.Concat(facts.Outputs))
        {
            if (fact is null) continue;
            if (!fact.IsStatic) return $"{fact} depends on data";
            if (fact.Type == DType.String || fact.Type.BitWidth() < 8) return $"{fact.Type} is not supported";
            if (fact.Shape!.Value.Elements.Value > int.MaxValue) return $"{fact} has more than {int.MaxValue} elements";
        }
        return null;
    }

    /// <summary>A reason where an operand that is there has another type than float32.</summary>
    internal static string? UnlessFloat32(OperandFacts facts, params ReadOnlySpan<int> inputs)
    {
        foreach (int input in inputs)
            if (facts.Has(input) && facts.Type(input) != DType.Float32) return $"{facts.Type(input)} is not supported";
        return null;
    }
}
