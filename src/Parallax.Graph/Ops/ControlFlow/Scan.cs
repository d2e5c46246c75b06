using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>
/// Runs a body once for each position along an axis of its scan inputs. Inputs: the sequence lengths (batched form only, may be absent),
/// the initial states, the scan inputs, then the captured values. The body takes the states, one slice of each scan input and the
/// captured values; it gives the next states and a slice of each scan output. Outputs: the last states, then the scan outputs.
/// </summary>
/// <param name="CaptureCount">Captured values: the last inputs of the node and of the body.</param>
/// <param name="InputAxes">Per scan input, the axis that is walked; may be negative.</param>
/// <param name="InputReverse">Per scan input, whether it is walked from its end.</param>
/// <param name="OutputAxes">Per scan output, the axis along which slices are stacked; may be negative.</param>
/// <param name="OutputReverse">Per scan output, whether slices are stacked from its end.</param>
/// <param name="Batched">The form of opset 8: every state and scan input has a leading batch axis, each item of which is a scan of its own.</param>
public sealed record Scan(Graph Body, int CaptureCount, ImmutableArray<long> InputAxes, ImmutableArray<bool> InputReverse,
    ImmutableArray<long> OutputAxes, ImmutableArray<bool> OutputReverse, bool Batched = false) : Op
{
    public int ScanInputCount => InputAxes.Length;

    public int StateCount => Body.Inputs.Count - CaptureCount - ScanInputCount;

    public int ScanOutputCount => Body.Outputs.Count - StateCount;

    /// <summary>Position of the first state among the node's inputs.</summary>
    public int FirstState => Batched ? 1 : 0;

    public override bool AcceptsNarrowFloats => true;

    public override ImmutableArray<Graph> Bodies => [Body];

    public override Op WithBodies(ImmutableArray<Graph> bodies) => this with { Body = bodies[0] };

    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        if (StateCount < 0 || ScanOutputCount != OutputAxes.Length || context.InputCount != FirstState + Body.Inputs.Count)
            throw new InvalidModelException($"the body has {Body.Inputs.Count} inputs and {Body.Outputs.Count} outputs, which do not fit the scan's {context.InputCount} inputs");
        var join = new FactJoin();
        Dim? batch = null, length = null;
        TensorFact[] state = [.. Enumerable.Range(FirstState, StateCount).Select(i => Unbatch(context.Tensor(i), ref batch))];
        var inputs = new List<Fact?>(state);
        for (int i = 0; i < ScanInputCount; i++)
            inputs.Add(Slice(Unbatch(context.Tensor(FirstState + StateCount + i), ref batch), InputAxes[i], ref length));
        inputs.AddRange(context.Inputs[(FirstState + StateCount + ScanInputCount)..]);
        ImmutableArray<Fact> results;
        bool changed;
        do
        {
            results = BodyFacts.Infer(Body, inputs);
            changed = false;
            for (int i = 0; i < state.Length; i++)
            {
                var next = (TensorFact)join.Widen(state[i], results[i]);
                changed |= next != state[i];
                inputs[i] = state[i] = next;
            }
        }
        while (changed);
        Dim steps = length ?? FreshDim.Of("steps"), items = batch ?? FreshDim.Of("batch");
        return
        [
            .. state.Select(s => Insert(join.Settle(s), 0, items, Batched)),
            .. results[StateCount..].Select((r, i) => Insert(Insert(join.Settle(r), OutputAxes[i], steps), 0, items, Batched)),
        ];
    }

    public override Cost Cost(ReadOnlySpan<Fact?> inputs, ReadOnlySpan<Fact?> outputs)
    {
        Cost body = BodyFacts.Cost(Body);
        Dim steps = 1;
        if (inputs[FirstState + StateCount] is TensorFact { Shape: { } shape })
        {
            int first = Batched ? 1 : 0;
            steps = shape[first + ShapeRules.Axis(InputAxes[0], shape.Rank - first)] * (Batched ? shape[0] : 1);
        }
        return new Cost(body.Macs * steps, body.Bytes * steps);
    }

    private TensorFact Unbatch(TensorFact fact, ref Dim? batch)
    {
        if (!Batched) return fact.WithoutContents();
        if (fact.Shape is not { } shape) return new TensorFact(fact.Type);
        if (shape.Rank == 0) throw new InvalidModelException($"a batched scan needs a leading batch axis, got {fact}");
        batch ??= shape[0];
        return new TensorFact(fact.Type, new Shape(shape.Dims.RemoveAt(0)));
    }

    private static TensorFact Slice(TensorFact fact, long axis, ref Dim? length)
    {
        if (fact.Shape is not { } shape) return new TensorFact(fact.Type);
        int at = ShapeRules.Axis(axis, shape.Rank);
        if (length is not { } known) length = shape[at];
        else if (known.IsKnown && shape[at].IsKnown && known != shape[at]) throw new InvalidModelException($"scan inputs have {known} and {shape[at]} steps");
        else if (shape[at].IsKnown) length = shape[at];
        return new TensorFact(fact.Type, new Shape(shape.Dims.RemoveAt(at)));
    }

    private static Fact Insert(Fact fact, long axis, Dim dim, bool really = true)
    {
        if (!really) return fact;
        if (fact is not TensorFact tensor) throw new InvalidModelException($"a state or scan output must be a tensor, got {fact}");
        if (tensor.Shape is not { } shape) return new TensorFact(tensor.Type);
        return new TensorFact(tensor.Type, new Shape(shape.Dims.Insert(ShapeRules.Axis(axis, shape.Rank + 1), dim)));
    }
}
