using System.Numerics.Tensors;

namespace Parallax.Kernels.Attention;

/// <summary>
/// Linear attention in float32. Inputs: Q, K, V [batch, rows, heads * size], 3 past state, 4 decay, 5 beta; outputs: result, 1 present state.
/// </summary>
/// <param name="DecaySize">Decays per key head and row: 0 for none, 1, or the key size.</param>
/// <param name="BetaHeads">Betas per row: 0 for none, 1, or the key heads.</param>
public sealed record LinearAttentionProblem(long Batch, int Rows, int QueryHeads, int KeyHeads, int KeySize, int ValueSize, int DecaySize, int BetaHeads)
{
    public required double Scale { get; init; }

    public bool HasPast { get; init; }

    public bool KeepsPresent { get; init; }

    public static Kernel Create(DType type, LinearAttentionProblem problem) => type == DType.Float32
        ? new LinearAttentionKernel(problem)
        : throw new UnsupportedModelException($"linear attention of {type}", [$"linear attention of {type}"]);
}

/// <summary>One block per state: rows follow one another.</summary>
internal sealed unsafe class LinearAttentionKernel(LinearAttentionProblem problem) : Kernel
{
    private readonly int keySize = problem.KeySize, valueSize = problem.ValueSize, group = problem.QueryHeads / problem.KeyHeads;

    public override string Name => "linear_attention_float";

    public override int BlockCount(int phase) => (int)(problem.Batch * problem.KeyHeads);

    public override long WorkerScratchBytes => sizeof(float) * ((long)keySize * valueSize + valueSize);

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        (long batch, long head) = Math.DivRem(block, problem.KeyHeads);
        float* memory = (float*)args.WorkerScratch;
        Span<float> state = new(memory, keySize * valueSize), value = new(memory + state.Length, valueSize);
        if (problem.HasPast) new ReadOnlySpan<float>(args.Input<float>(3) + (long)block * state.Length, state.Length).CopyTo(state);
        else state.Clear();
        for (int row = 0; row < problem.Rows; row++)
        {
            long at = batch * problem.Rows + row;
            float* key = args.Input<float>(1) + (at * problem.KeyHeads + head) * keySize;
            new ReadOnlySpan<float>(args.Input<float>(2) + (at * problem.KeyHeads + head) * valueSize, valueSize).CopyTo(value);
            if (problem.DecaySize > 0) Decay(state, args.Input<float>(4) + (at * problem.KeyHeads + head) * problem.DecaySize);
            if (problem.BetaHeads > 0) Correct(state, key, value, args.Input<float>(5)[at * problem.BetaHeads + (problem.BetaHeads == 1 ? 0 : head)]);
            for (int d = 0; d < keySize; d++) TensorPrimitives.MultiplyAdd(value, key[d], Line(state, d), Line(state, d));
            for (int g = 0; g < group; g++)
            {
                long queryHead = at * problem.QueryHeads + head * group + g;
                Read(state, args.Input<float>(0) + queryHead * keySize, new Span<float>(args.Output<float>(0) + queryHead * valueSize, valueSize));
            }
        }
        if (problem.KeepsPresent) state.CopyTo(new Span<float>(args.Output<float>(1) + (long)block * state.Length, state.Length));
    }

    private Span<float> Line(Span<float> state, int d) => state.Slice(d * valueSize, valueSize);

    private void Decay(Span<float> state, float* decay)
    {
        for (int d = 0; d < keySize; d++)
            TensorPrimitives.Multiply(Line(state, d), MathF.Exp(decay[problem.DecaySize == 1 ? 0 : d]), Line(state, d));
    }

    // v becomes beta * (v - what the state gives for the key).
    private void Correct(Span<float> state, float* key, Span<float> value, float beta)
    {
        for (int d = 0; d < keySize; d++) TensorPrimitives.MultiplyAdd(Line(state, d), -key[d], value, value);
        TensorPrimitives.Multiply(value, beta, value);
    }

    private void Read(Span<float> state, float* query, Span<float> result)
    {
        result.Clear();
        for (int d = 0; d < keySize; d++) TensorPrimitives.MultiplyAdd(Line(state, d), query[d], result, result);
        TensorPrimitives.Multiply(result, (float)problem.Scale, result);
    }
}
