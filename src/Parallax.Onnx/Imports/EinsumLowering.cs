using System.Collections.Immutable;
using Parallax.Graphs;
using Parallax.Graphs.Ops;

namespace Parallax.Onnx.Imports;

/// <summary>
/// Einsum as transposes, reshapes and matrix products, operand after operand, where ranks are known and every step is a plain contraction:
/// no axis twice in an operand, none that is summed over in one operand alone, none that is repeated to meet a longer one.
/// </summary>
internal static class EinsumLowering
{
    /// <summary>A value and the label of each of its axes.</summary>
    private readonly record struct Labelled(ValueId Value, ImmutableArray<int> Labels);

    internal static ImmutableArray<ValueId> Expand(ImportNode n)
    {
        string equation = n.String("equation");
        var general = new Einsum(equation);
        if (TryParse(n, equation) is not { } parsed || TryDims(n, parsed) is not { } dims || Plan(parsed, dims) is not { } steps)
            return [n.Add("", general, [.. n.Inputs])];
        var current = new Labelled(n.Inputs[0], parsed.Operands[0]);
        for (int i = 0; i < steps.Count; i++) current = Multiply(n, current, new Labelled(n.Inputs[i + 1], parsed.Operands[i + 1]), steps[i], dims);
        return [Arrange(n, current, parsed.Output).Value];
    }

    private static EinsumEquation? TryParse(ImportNode n, string equation)
    {
        for (int i = 0; i < n.InputCount; i++)
            if (n.InputTensor(i).Shape is null) return null;
        return EinsumEquation.Parse(equation, [.. Enumerable.Range(0, n.InputCount).Select(i => n.InputTensor(i).Rank!.Value)]);
    }

    /// <summary>The dim of each label; null where an axis is named twice in an operand, is empty, or dims differ so that one would be repeated.</summary>
    private static Dictionary<int, Dim>? TryDims(ImportNode n, EinsumEquation equation)
    {
        var dims = new Dictionary<int, Dim>();
        for (int i = 0; i < equation.Operands.Length; i++)
        {
            Shape shape = n.InputTensor(i).Shape!.Value;
            if (equation.Operands[i].Distinct().Count() != shape.Rank) return null;
            for (int axis = 0; axis < shape.Rank; axis++)
            {
                int label = equation.Operands[i][axis];
                if (shape[axis] == 0) return null; // a 0 in a new shape would mean to copy a dim
                if (!dims.TryAdd(label, shape[axis]) && dims[label] != shape[axis]) return null;
            }
        }
        return dims;
    }

    /// <summary>The axes of one product: those of both operands that stay, of the left, of the right, and those that are summed over.</summary>
    private readonly record struct Step(ImmutableArray<int> Batch, ImmutableArray<int> Left, ImmutableArray<int> Right, ImmutableArray<int> Inner);

    /// <summary>The products from left to right; null where one is no contraction, or takes a reshape of several dims that are unknown.</summary>
    private static List<Step>? Plan(EinsumEquation equation, Dictionary<int, Dim> dims)
    {
        var steps = new List<Step>();
        ImmutableArray<int> left = equation.Operands[0];
        for (int i = 1; i < equation.Operands.Length; i++)
        {
            ImmutableArray<int> right = equation.Operands[i];
            var later = equation.Operands.Skip(i + 1).SelectMany(o => o).Concat(equation.Output).ToHashSet();
            var step = new Step([.. left.Where(l => right.Contains(l) && later.Contains(l))], [.. left.Except(right)], [.. right.Except(left)],
                [.. left.Where(l => right.Contains(l) && !later.Contains(l))]);
            if (!step.Left.Concat(step.Right).All(later.Contains) || !Fits(step, dims)) return null;
            steps.Add(step);
            left = [.. step.Batch, .. step.Left, .. step.Right];
        }
        return left.ToHashSet().SetEquals(equation.Output) ? steps : null;
    }

    private static bool Fits(Step step, Dictionary<int, Dim> dims)
    {
        int Unknown(ImmutableArray<int> labels) => labels.Count(l => !dims[l].IsKnown);
        bool Simple(ImmutableArray<int> labels) => labels.Length == 1;
        bool Folds(ImmutableArray<int> a, ImmutableArray<int> b) => (Simple(a) && Simple(b)) || Unknown(a) + Unknown(b) <= 1;
        return Folds(step.Left, step.Inner) && Folds(step.Right, step.Inner) && Folds(step.Left, step.Right);
    }

    private static Labelled Multiply(ImportNode n, Labelled a, Labelled b, Step step, Dictionary<int, Dim> dims)
    {
        ValueId left = Matrix(n, Arrange(n, a, [.. step.Batch, .. step.Left, .. step.Inner]), step.Batch.Length, step.Left, step.Inner, dims);
        ValueId right = Matrix(n, Arrange(n, b, [.. step.Batch, .. step.Inner, .. step.Right]), step.Batch.Length, step.Inner, step.Right, dims);
        ValueId product = n.Add("product", new MatMul(), left, right);
        if (step.Left.Length != 1 || step.Right.Length != 1)
            product = Reshape(n, product, [.. Enumerable.Repeat(0L, step.Batch.Length), .. step.Left.Concat(step.Right).Select(l => Size(dims[l]))]);
        return new Labelled(product, [.. step.Batch, .. step.Left, .. step.Right]);
    }

    /// <summary>The axes behind the batch folded into two.</summary>
    private static ValueId Matrix(ImportNode n, Labelled arranged, int batch, ImmutableArray<int> rows, ImmutableArray<int> columns, Dictionary<int, Dim> dims) =>
        rows.Length == 1 && columns.Length == 1
            ? arranged.Value
            : Reshape(n, arranged.Value, [.. Enumerable.Repeat(0L, batch), Size(Product(rows, dims)), Size(Product(columns, dims))]);

    private static Dim Product(ImmutableArray<int> labels, Dictionary<int, Dim> dims) => labels.Aggregate((Dim)1, (product, label) => product * dims[label]);

    private static long Size(Dim dim) => dim.TryGetValue(out long value) ? value : -1;

    private static ValueId Reshape(ImportNode n, ValueId value, long[] shape) =>
        n.Add("reshape", new Reshape(), value, n.Constant(Tensor.From(shape, [shape.Length])));

    private static Labelled Arrange(ImportNode n, Labelled value, ImmutableArray<int> labels)
    {
        if (value.Labels.SequenceEqual(labels)) return value;
        ImmutableArray<int> permutation = [.. labels.Select(label => value.Labels.IndexOf(label))];
        return new Labelled(n.Add("transpose", new Transpose(permutation), value.Value), labels);
    }
}
