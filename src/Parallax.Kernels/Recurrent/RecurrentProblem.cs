namespace Parallax.Kernels.Recurrent;

/// <summary>Which cell; gates lie in ONNX's order: none (RNN), i o f c (LSTM), z r h (GRU).</summary>
public enum RecurrentCell
{
    Rnn,
    Lstm,
    Gru,
}

/// <summary>
/// A recurrent layer in float32. Inputs by position: X, W [directions, gates * hidden, input], R [directions, gates * hidden, hidden],
/// 3 biases, 4 lengths (int32), 5 initial h, 6 initial c, 7 peepholes; outputs Y, last h, last c, each where the flags say so.
/// </summary>
public sealed record RecurrentProblem(RecurrentCell Cell, int Steps, int Batch, int InputSize, int HiddenSize)
{
    /// <summary>For each direction whether it runs backwards.</summary>
    public required bool[] Reversed { get; init; }

    /// <summary>The functions of each direction, one after the other.</summary>
    public required CellActivation[] Functions { get; init; }

    /// <summary>0 for none.</summary>
    public float Clip { get; init; }

    public bool BatchFirst { get; init; }

    public bool LinearBeforeReset { get; init; }

    public bool InputForget { get; init; }

    public bool HasBias { get; init; }

    public bool HasLengths { get; init; }

    public bool HasInitialHidden { get; init; }

    public bool HasInitialCell { get; init; }

    public bool HasPeepholes { get; init; }

    public bool KeepsAll { get; init; }

    public bool KeepsHidden { get; init; }

    public bool KeepsCell { get; init; }

    public int Directions => Reversed.Length;

    public int Gates => Cell switch { RecurrentCell.Lstm => 4, RecurrentCell.Gru => 3, _ => 1 };

    public int FunctionsPerDirection => Functions.Length / Directions;

    /// <summary>Number of the state row of a direction and batch item, in initial and last states.</summary>
    public long StateRow(int direction, int item) => BatchFirst ? (long)item * Directions + direction : (long)direction * Batch + item;

    /// <summary>Number of the row of X for a step and batch item.</summary>
    public long InputRow(int step, int item) => BatchFirst ? (long)item * Steps + step : (long)step * Batch + item;

    /// <summary>Number of the row of Y.</summary>
    public long OutputRow(int step, int direction, int item) => BatchFirst
        ? ((long)item * Steps + step) * Directions + direction
        : ((long)step * Directions + direction) * Batch + item;

    /// <summary>The products of all steps' inputs with W: C [directions][rows of X, gates * hidden].</summary>
    public GemmProblem InputProduct()
    {
        int rows = Steps * Batch, columns = Gates * HiddenSize;
        return new GemmProblem(rows, columns, InputSize)
        {
            B = new MatrixLayout(1, InputSize),
            ABatch = new long[Directions],
            BBatch = [.. Enumerable.Range(0, Directions).Select(d => (long)d * columns * InputSize)],
            CBatch = [.. Enumerable.Range(0, Directions).Select(d => (long)d * rows * columns)],
        };
    }
}
