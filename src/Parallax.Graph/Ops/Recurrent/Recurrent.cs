using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

public enum RecurrentKind
{
    Rnn,
    Lstm,
    Gru,
}

public enum RecurrentDirection
{
    Forward,
    Reverse,
    Bidirectional,
}

/// <summary>
/// RNN, LSTM and GRU. Inputs: X [steps, batch, input], W [directions, gates * hidden, input], R [directions, gates * hidden, hidden], and
/// optionally B [directions, 2 * gates * hidden], lengths (int32 [batch]), initial h [directions, batch, hidden], and for LSTM initial c
/// and peepholes [directions, 3 * hidden]. Outputs on demand: Y [steps, directions, batch, hidden], last h and (LSTM) last c.
/// </summary>
/// <param name="Functions">1 (RNN), 2 (GRU) or 3 (LSTM) per direction.</param>
/// <param name="Clip">Bound of what goes into a function; 0 for none.</param>
/// <param name="BatchFirst">Whether X and Y are [batch, steps, ...] and states [batch, directions, hidden].</param>
/// <param name="LinearBeforeReset">GRU: whether the reset gate acts behind the recurrent product.</param>
/// <param name="InputForget">LSTM: whether the forget gate is 1 - the input gate.</param>
public sealed record Recurrent(
    RecurrentKind Kind,
    long HiddenSize,
    RecurrentDirection Direction,
    ImmutableArray<CellActivation> Functions,
    float Clip = 0,
    bool BatchFirst = false,
    bool LinearBeforeReset = false,
    bool InputForget = false) : Op
{
    public override string Name => Kind.ToString().ToUpperInvariant();

    public int Directions => Direction == RecurrentDirection.Bidirectional ? 2 : 1;

    public int Gates => Kind switch { RecurrentKind.Lstm => 4, RecurrentKind.Gru => 3, _ => 1 };

    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        DType type = context.Tensor(0).Type;
        if (context.Shape(0, 3, 3) is not { } x) return [new TensorFact(type), new TensorFact(type), new TensorFact(type)];
        (Dim steps, Dim batch) = BatchFirst ? (x[1], x[0]) : (x[0], x[1]);
        context.Expect(1, [Directions, Gates * HiddenSize, x[2]]);
        context.Expect(2, [Directions, Gates * HiddenSize, HiddenSize]);
        context.Expect(3, [Directions, 2 * Gates * HiddenSize]);
        context.Expect(4, [batch]);
        context.Expect(7, [Directions, 3 * HiddenSize]);
        Shape y = BatchFirst ? [batch, steps, Directions, HiddenSize] : [steps, Directions, batch, HiddenSize];
        Shape state = BatchFirst ? [batch, Directions, HiddenSize] : [Directions, batch, HiddenSize];
        context.Expect(5, state);
        context.Expect(6, state);
        return [new TensorFact(type, y), new TensorFact(type, state), new TensorFact(type, state)];
    }

    public override Cost Cost(ReadOnlySpan<Fact?> inputs, ReadOnlySpan<Fact?> outputs) => inputs[0] is TensorFact { Shape: { Rank: 3 } x }
        ? new Cost(x[0] * x[1] * (Directions * Gates * HiddenSize) * (x[2] + HiddenSize), CostOf.Bytes(inputs) + CostOf.Bytes(outputs))
        : base.Cost(inputs, outputs);
}
