using System.Numerics;
using System.Numerics.Tensors;
using Parallax.Kernels.Reduce;

namespace Parallax.Kernels.Attention;

/// <summary>Attention one query at a time, with all its scores at hand: for float64, and where scores are an output.</summary>
internal sealed unsafe class RowAttentionKernel<T>(AttentionProblem problem) : AttentionKernel<T>(problem, 8) where T : unmanaged, IFloatingPointIeee754<T>
{
    public override string Name => $"attention_{typeof(T).Name.ToLowerInvariant()}_rows";

    public override long WorkerScratchBytes => ((long)Problem.Keys + Problem.ValueSize) * sizeof(T);

    protected override void Attend(in QueryBlock block, int part, byte* partial, in KeyRows rows, in KernelArgs args)
    {
        Span<T> scores = new(args.WorkerScratch, Problem.Keys);
        for (int i = 0; i < block.Count; i++)
        {
            int query = block.First + i;
            T* q = args.Input<T>(0) + Problem.Query.Offset(block.Batch, block.Head, query);
            ReadOnlySpan<T> asked = new(q, Problem.HeadSize);
            T factor = T.CreateChecked(Factor(block.Head, args)) / Length(asked);
            for (int j = 0; j < scores.Length; j++)
            {
                ReadOnlySpan<T> key = new(rows.Keys + j * rows.KeyStride, Problem.HeadSize);
                scores[j] = factor * VectorFold.Dot(asked, key) / Length(key);
            }
            Show(ShownScores.Raw, scores, block, query, args);
            if (Problem.SoftCap > 0) Cap(scores, T.CreateChecked(Problem.SoftCap));
            Show(ShownScores.Capped, scores, block, query, args);
            Mask(scores, block, query, args);
            Show(ShownScores.Masked, scores, block, query, args);
            Softmax(scores);
            Show(ShownScores.Probabilities, scores, block, query, args);
            Weigh(scores, rows, args.Output<T>(0) + Problem.Output.Offset(block.Batch, block.Head, query));
        }
    }

    // What a row of Q or K is divided by.
    private T Length(ReadOnlySpan<T> row) => Problem.NormEpsilon is { } least ? T.Max(T.Sqrt(VectorFold.Dot(row, row)), T.CreateChecked(least)) : T.One;

    private void Show(ShownScores stage, ReadOnlySpan<T> scores, in QueryBlock block, int query, in KernelArgs args)
    {
        if (Problem.Shown != stage) return;
        long row = (block.Batch * Problem.QueryHeads + block.Head) * Problem.Queries + query;
        scores.CopyTo(new Span<T>(args.Output<T>(3) + row * Problem.Keys, Problem.Keys));
    }

    private static void Cap(Span<T> scores, T cap)
    {
        TensorPrimitives.Divide(scores, cap, scores);
        TensorPrimitives.Tanh<T>(scores, scores);
        TensorPrimitives.Multiply(scores, cap, scores);
    }

    private void Mask(Span<T> scores, in QueryBlock block, int query, in KernelArgs args)
    {
        (int begin, int end) = VisibleKeys(block.Batch, query, args);
        scores[..begin].Fill(T.NegativeInfinity);
        scores[end..].Fill(T.NegativeInfinity);
        if (Problem.Mask is not { } mask) return;
        long row = mask.Offset(block.Batch, block.Head, query);
        T hidden = T.CreateChecked(Problem.HiddenScore);
        for (int j = begin; j < end; j++)
        {
            if (!mask.IsBool) scores[j] = args.Input<T>(3)[row + j] is var bias && T.IsNegativeInfinity(bias) ? bias : scores[j] + bias;
            else if (args.Input<byte>(3)[row + j] == 0) scores[j] = hidden;
        }
    }

    // A query that sees no key has no probabilities, instead of NaN.
    private static void Softmax(Span<T> scores)
    {
        T largest = scores.IsEmpty ? T.NegativeInfinity : TensorPrimitives.Max<T>(scores);
        if (T.IsNegativeInfinity(largest)) scores.Clear();
        else SoftmaxKernels.Run<T>(SoftmaxKind.Softmax, scores, scores);
    }

    private void Weigh(ReadOnlySpan<T> probabilities, in KeyRows rows, T* output)
    {
        Span<T> result = new(output, Problem.ValueSize);
        result.Clear();
        for (int j = 0; j < probabilities.Length; j++)
            TensorPrimitives.MultiplyAdd(new ReadOnlySpan<T>(rows.Values + j * rows.ValueStride, result.Length), probabilities[j], result, result);
    }
}
