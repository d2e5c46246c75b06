using Parallax.Graphs.Ops;

namespace Parallax.Graphs.Passes;

/// <summary><c>x * sigmoid(alpha * x) = Swish(alpha)(x)</c>: SiLU for alpha 1, QuickGELU for 1.702.</summary>
public sealed class RecognizeSwish : IPass
{
    public string Name => "recognize-swish";

    public Patch? TryRewrite(Graph graph, Node node)
    {
        if (!Match.IsBinary(node, BinaryFunction.Mul)) return null;
        if (!Match.TrySplit(node, id => Match.IsUnary(graph.Producer(id), UnaryFunction.Sigmoid) && graph.HasSingleUse(id), out ValueId gate, out ValueId x)) return null;
        ValueId argument = graph.Producer(gate)!.Inputs[0];
        if (argument == x) return Patch.ReplaceNode(graph, node, new Unary(UnaryFunction.Swish, 1f), x);
        if (graph.Producer(argument) is not { } scale || !Match.IsBinary(scale, BinaryFunction.Mul) || !graph.HasSingleUse(argument)) return null;
        if (!Match.TrySplit(scale, id => Match.TryScalar(graph, id, out _), out ValueId factor, out ValueId scaled) || scaled != x) return null;
        _ = Match.TryScalar(graph, factor, out double alpha);
        return Match.SameShape(graph, argument, x) ? Patch.ReplaceNode(graph, node, new Unary(UnaryFunction.Swish, (float)alpha), x) : null;
    }
}

/// <summary><c>x * HardSigmoid(1/6, 1/2)(x) = HardSwish(x)</c></summary>
public sealed class RecognizeHardSwish : IPass
{
    public string Name => "recognize-hardswish";

    public Patch? TryRewrite(Graph graph, Node node)
    {
        if (!Match.IsBinary(node, BinaryFunction.Mul)) return null;
        if (!Match.TrySplit(node, id => IsGate(graph.Producer(id)) && graph.HasSingleUse(id), out ValueId gate, out ValueId x)) return null;
        return graph.Producer(gate)!.Inputs[0] == x ? Patch.ReplaceNode(graph, node, new Unary(UnaryFunction.HardSwish), x) : null;
    }

    private static bool IsGate(Node? node) => node?.Op is Unary { Function: UnaryFunction.HardSigmoid } gate && Math.Abs(gate.Alpha - 1f / 6) < 1e-6f && gate.Beta == 0.5f;
}

/// <summary><c>x * (1 + erf(x / sqrt 2)) * 0.5 = Gelu(x)</c>, the factors in any order.</summary>
public sealed class RecognizeGelu : IPass
{
    public string Name => "recognize-gelu";

    public Patch? TryRewrite(Graph graph, Node node)
    {
        if (!Match.IsBinary(node, BinaryFunction.Mul) || !Match.IsFloat32(graph, node.Outputs[0])) return null;
        // Three factors: one half, x, and 1 + erf(...). The multiplications may be grouped in any way.
        List<ValueId> factors = [];
        CollectFactors(graph, node.Inputs[0], factors, depth: 1);
        CollectFactors(graph, node.Inputs[1], factors, depth: 1);
        if (factors.Count != 3) return null;
        int half = factors.FindIndex(f => Match.IsScalar(graph, f, 0.5)), gate = factors.FindIndex(f => TryErfArgument(graph, f, out _));
        if (half < 0 || gate < 0) return null;
        ValueId x = factors[3 - half - gate];
        _ = TryErfArgument(graph, factors[gate], out ValueId argument);
        return argument == x ? Patch.ReplaceNode(graph, node, new Unary(UnaryFunction.Gelu), x) : null;
    }

    /// <summary>What is multiplied, grouped in any way, down to <paramref name="depth"/> products below this one.</summary>
    internal static void CollectFactors(Graph graph, ValueId id, List<ValueId> factors, int depth)
    {
        if (depth > 0 && Match.Binary(graph, id, BinaryFunction.Mul) is { } product && !(Match.IsScalar(graph, product.Inputs[0], Math.Sqrt(0.5)) || Match.IsScalar(graph, product.Inputs[1], Math.Sqrt(0.5))))
        {
            CollectFactors(graph, product.Inputs[0], factors, depth - 1);
            CollectFactors(graph, product.Inputs[1], factors, depth - 1);
        }
        else factors.Add(id);
    }

    /// <summary><c>1 + erf(x / sqrt 2)</c>: the x.</summary>
    private static bool TryErfArgument(Graph graph, ValueId id, out ValueId x)
    {
        x = ValueId.None;
        if (Match.Binary(graph, id, BinaryFunction.Add) is not { } sum || !Match.TrySplit(sum, i => Match.IsScalar(graph, i, 1), out _, out ValueId erf)) return false;
        if (graph.Producer(erf) is not { } erfNode || !Match.IsUnary(erfNode, UnaryFunction.Erf) || !graph.HasSingleUse(erf)) return false;
        if (graph.Producer(erfNode.Inputs[0]) is not { } scale || !graph.HasSingleUse(erfNode.Inputs[0])) return false;
        if (Match.IsBinary(scale, BinaryFunction.Div) && Match.IsScalar(graph, scale.Inputs[1], Math.Sqrt(2)))
        {
            x = scale.Inputs[0];
            return true;
        }
        return Match.IsBinary(scale, BinaryFunction.Mul) && Match.TrySplit(scale, i => Match.IsScalar(graph, i, Math.Sqrt(0.5)), out _, out x);
    }
}

/// <summary><c>x * (1 + tanh(sqrt(2 / pi) (x + 0.044715 x³))) * 0.5 = GeluTanh(x)</c>, the factors in any order and the polynomial factored in any way.</summary>
public sealed class RecognizeGeluTanh : IPass
{
    private const double Linear = 0.7978845608, Cubic = Linear * 0.044715;

    public string Name => "recognize-gelu-tanh";

    public Patch? TryRewrite(Graph graph, Node node)
    {
        if (!Match.IsBinary(node, BinaryFunction.Mul) || !Match.IsFloat32(graph, node.Outputs[0])) return null;
        List<ValueId> factors = [];
        RecognizeGelu.CollectFactors(graph, node.Inputs[0], factors, depth: 1);
        RecognizeGelu.CollectFactors(graph, node.Inputs[1], factors, depth: 1);
        if (factors.Count != 3) return null;
        int half = factors.FindIndex(f => Match.IsScalar(graph, f, 0.5)), gate = factors.FindIndex(f => TanhArgument(graph, f) is not null);
        if (half < 0 || gate < 0) return null;
        ValueId x = factors[3 - half - gate];
        return IsPolynomial(graph, TanhArgument(graph, factors[gate])!.Value, x) ? Patch.ReplaceNode(graph, node, new Unary(UnaryFunction.GeluTanh), x) : null;
    }

    /// <summary><c>1 + tanh(a)</c>: the a.</summary>
    private static ValueId? TanhArgument(Graph graph, ValueId id) =>
        Match.Binary(graph, id, BinaryFunction.Add) is { } sum && Match.TrySplit(sum, i => Match.IsScalar(graph, i, 1), out _, out ValueId tanh)
        && graph.Producer(tanh) is { } node && Match.IsUnary(node, UnaryFunction.Tanh) && graph.HasSingleUse(tanh)
            ? node.Inputs[0]
            : null;

    /// <summary>Whether a product of one sum with powers of x and numbers is the polynomial.</summary>
    private static bool IsPolynomial(Graph graph, ValueId id, ValueId x)
    {
        var outer = new Monomial(1, 0);
        ValueId sum = ValueId.None;
        if (!Multiply(graph, id, x, ref outer, ref sum) || Match.Binary(graph, sum, BinaryFunction.Add) is not { } add) return false;
        Monomial a = outer, b = outer;
        ValueId none = ValueId.None;
        if (!Multiply(graph, add.Inputs[0], x, ref a, ref none) || !Multiply(graph, add.Inputs[1], x, ref b, ref none) || !none.IsNone) return false;
        return (a.Is(Linear, 1) && b.Is(Cubic, 3)) || (b.Is(Linear, 1) && a.Is(Cubic, 3));
    }

    /// <summary>Multiplies by a value made of numbers, powers of x, and at most one sum.</summary>
    private static bool Multiply(Graph graph, ValueId id, ValueId x, ref Monomial product, ref ValueId sum)
    {
        if (id == x) product = product with { Power = product.Power + 1 };
        else if (Match.TryScalar(graph, id, out double number)) product = product with { Coefficient = product.Coefficient * number };
        else if (graph.Producer(id) is { Op: Binary { Function: BinaryFunction.Mul } } node && graph.Consumers(id).Count <= 2)
            return Multiply(graph, node.Inputs[0], x, ref product, ref sum) && Multiply(graph, node.Inputs[1], x, ref product, ref sum);
        else if (Match.Binary(graph, id, BinaryFunction.Pow) is { } power && power.Inputs[0] == x && Match.TryScalar(graph, power.Inputs[1], out double exponent) && exponent is 2 or 3)
            product = product with { Power = product.Power + (int)exponent };
        else if (sum.IsNone) sum = id;
        else return false;
        return product.Power <= 3; // which also bounds how many products are looked into
    }

    private readonly record struct Monomial(double Coefficient, int Power)
    {
        internal bool Is(double coefficient, int power) => Power == power && Math.Abs(Coefficient - coefficient) <= 1e-5 * coefficient;
    }
}
