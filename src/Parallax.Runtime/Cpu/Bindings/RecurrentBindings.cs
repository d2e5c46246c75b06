using Parallax.Graphs.Ops;
using Parallax.Kernels;
using Parallax.Kernels.Recurrent;

namespace Parallax.Runtime.Cpu.Bindings;

internal static class RecurrentBindings
{
    internal static readonly Binding[] All =
    [
        Binding.Kernel<Recurrent>(Prepare),
    ];

    private static unsafe Kernel Prepare(Recurrent op, PrepareContext x)
    {
        if (x.Type(0) != DType.Float32) throw new UnsupportedModelException($"{op.Name} of {x.Type(0)}", [$"{op.Name} of {x.Type(0)}"]);
        long[] dims = x.Dims(0);
        (long steps, long batch) = op.BatchFirst ? (dims[1], dims[0]) : (dims[0], dims[1]);
        var problem = new RecurrentProblem(Cell(op.Kind), checked((int)steps), checked((int)batch), checked((int)dims[2]), checked((int)op.HiddenSize))
        {
            Reversed = op.Direction switch
            {
                RecurrentDirection.Forward => [false],
                RecurrentDirection.Reverse => [true],
                _ => [false, true],
            },
            Functions = [.. op.Functions],
            Clip = op.Clip,
            BatchFirst = op.BatchFirst,
            LinearBeforeReset = op.LinearBeforeReset,
            InputForget = op.InputForget,
            HasBias = x.Has(3),
            HasLengths = x.Has(4),
            HasInitialHidden = x.Has(5),
            HasInitialCell = x.Has(6),
            HasPeepholes = x.Has(7),
            KeepsAll = x.Wants(0),
            KeepsHidden = x.Wants(1),
            KeepsCell = x.Wants(2),
        };
        PackedMatrix? inputWeights = x.Constant(1) is { } w
            ? x.Weights.GetOrAdd(w, $"recurrent W {problem.Directions}x{problem.Gates * problem.HiddenSize}", () => GemmKernels.PackB(problem.InputProduct(), (float*)w.Address))
            : null;
        RecurrentWeights? recurrentWeights = x.Constant(2) is { } r
            ? x.Weights.GetOrAdd(r, $"recurrent R {problem.Gates}", () => new RecurrentWeights((float*)r.Address, problem.Directions, problem.Gates, problem.HiddenSize))
            : null;
        return RecurrentKernels.Create(problem, inputWeights, recurrentWeights);
    }

    private static RecurrentCell Cell(RecurrentKind kind) => kind switch
    {
        RecurrentKind.Lstm => RecurrentCell.Lstm,
        RecurrentKind.Gru => RecurrentCell.Gru,
        _ => RecurrentCell.Rnn,
    };
}
