using Parallax.Graphs;
using Parallax.OpenCL.Calls;
using Parallax.Runtime;

namespace Parallax.OpenCL.Bindings;

/// <summary>How a device computes one operator.</summary>
internal sealed class ClBinding
{
    private readonly Func<Op, OperandFacts, string?> whyNot;
    private readonly Func<Op, ClPrepareContext, ClCall> prepare;
    private readonly Func<Op, OperandFacts, OutputAxis, long?> granule;

    private ClBinding(Type operatorType, Func<Op, OperandFacts, string?> whyNot, Func<Op, ClPrepareContext, ClCall> prepare, Func<Op, OperandFacts, OutputAxis, long?> granule) =>
        (OperatorType, this.whyNot, this.prepare, this.granule) = (operatorType, whyNot, prepare, granule);

    internal Type OperatorType { get; }

    /// <param name="whyNot">Null where the operands are supported, else the reason, which begins in lower case and has no full stop. The facts are static.</param>
    /// <param name="granule">A part of the result may begin and end at multiples of this along an axis; null, or null of an axis, where <see cref="ClPrepareContext.Part"/> is not heeded.</param>
    internal static ClBinding Of<TOp>(Func<TOp, OperandFacts, string?> whyNot, Func<TOp, ClPrepareContext, ClCall> prepare, Func<TOp, OperandFacts, OutputAxis, long?>? granule = null) where TOp : Op =>
        new(typeof(TOp), (op, facts) => whyNot((TOp)op, facts), (op, context) => prepare((TOp)op, context), (op, facts, axis) => granule?.Invoke((TOp)op, facts, axis));

    /// <summary>Null where an operator with such operands is computed here, else the reason why not.</summary>
    internal string? WhyNot(Op op, OperandFacts facts) => OperandLimits.WhyNot(facts) ?? whyNot(op, facts);

    /// <summary>Where the result of an operator that is computed here can be cut along an axis; null where it is computed whole only.</summary>
    internal long? SplitGranule(Op op, OperandFacts facts, OutputAxis axis) => granule(op, facts, axis);

    /// <summary>The launches for operands that <see cref="WhyNot"/> has nothing against.</summary>
    internal ClCall Prepare(Op op, ClPrepareContext context)
    {
        ClCall call = prepare(op, context);
        return context.WorkGroups?.Of(call) ?? call;
    }
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
