using System.Numerics;
using System.Numerics.Tensors;
using Parallax.Kernels.Reduce;

namespace Parallax.Kernels.Attention;

/// <summary>Attention one query at a time, with all its scores at hand: for float64, and where scores are an output.</summary>
internal sealed unsafe class RowAttentionKernel<T>(AttentionProblem problem) : AttentionKernel<T>(problem, 8) where T : unmanaged, IFloatingPointIeee754<T>
{
    public override string Name => $"attention_{typeof(T).Name.ToLowerInvariant()}_rows";

    public override long WorkerScratchBytes => ((long)Problem.Keys + Problem.ValueSize) * sizeof(T);

    protected override void Compute(in HeadBlock block, in KernelArgs args)
    {
        Span<T> scores = new(args.WorkerScratch, Problem.Keys);
        for (int i = 0; i < block.Count; i++)
        {
            int query = block.First + i;
            T* q = args.Input<T>(0) + Problem.Query.Offset(block.Batch, block.Head, query);
            for (int j = 0; j < scores.Length; j++)
                scores[j] = T.CreateChecked(Problem.Scale) * VectorFold.Dot(new ReadOnlySpan<T>(q, Problem.HeadSize), new ReadOnlySpan<T>(block.Keys + j * block.KeyStride, Problem.HeadSize));
            Show(ShownScores.Raw, scores, block, query, args);
            if (Problem.SoftCap > 0) Cap(scores, T.CreateChecked(Problem.SoftCap));
            Show(ShownScores.Capped, scores, block, query, args);
            Mask(scores, block, query, args);
            Show(ShownScores.Masked, scores, block, query, args);
            Softmax(scores);
            Show(ShownScores.Probabilities, scores, block, query, args);
            Weigh(scores, block, args.Output<T>(0) + Problem.Output.Offset(block.Batch, block.Head, query));
        }
    }

    private void Show(ShownScores stage, ReadOnlySpan<T> scores, in HeadBlock block, int query, in KernelArgs args)
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

    private void Mask(Span<T> scores, in HeadBlock block, int query, in KernelArgs args)
    {
        (int begin, int end) = VisibleKeys(block.Batch, query, args);
        scores[..begin].Fill(T.NegativeInfinity);
        scores[end..].Fill(T.NegativeInfinity);
        if (Problem.Mask is not { } mask) return;
        long row = block.Batch * mask.Batch + block.Head * mask.Head + query * mask.Query;
        for (int j = begin; j < end; j++)
        {
            T bias = !mask.IsBool ? args.Input<T>(3)[row + j] : args.Input<byte>(3)[row + j] != 0 ? T.Zero : T.NegativeInfinity;
            scores[j] = T.IsNegativeInfinity(bias) ? bias : scores[j] + bias;
        }
    }

    // A query that sees no key has no probabilities, instead of NaN.
    private static void Softmax(Span<T> scores)
    {
        T largest = scores.IsEmpty ? T.NegativeInfinity : TensorPrimitives.Max<T>(scores);
        if (T.IsNegativeInfinity(largest)) scores.Clear();
        else SoftmaxKernels.Run<T>(SoftmaxKind.Softmax, scores, scores);
    }

    private void Weigh(ReadOnlySpan<T> probabilities, in HeadBlock block, T* output)
    {
        Span<T> result = new(output, Problem.ValueSize);
        result.Clear();
        for (int j = 0; j < probabilities.Length; j++)
            TensorPrimitives.MultiplyAdd(new ReadOnlySpan<T>(block.Values + j * block.ValueStride, result.Length), probabilities[j], result, result);
    }
}
