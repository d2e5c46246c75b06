using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>
/// RotaryEmbedding: rotates pairs of elements of each head by position. Inputs: data [batch, heads, rows, size] or
/// [batch, rows, heads * size], cosines and sines ([positions, half] with input 3, int64 positions [batch, rows]; else [batch, rows, half]).
/// </summary>
/// <param name="Interleaved">Whether pairs are neighbours; otherwise element i of the first half goes with element i of the second.</param>
/// <param name="RotatedSize">Leading elements of a head that are rotated; 0 for all.</param>
/// <param name="Heads">0 where the data have rank 4.</param>
public sealed record RotaryEmbedding(bool Interleaved = false, long RotatedSize = 0, long Heads = 0) : Op
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        if (context.Shape(0, 3, 4) is not { } shape) return ShapeRules.SameAs(context);
        (Dim batch, _, Dim rows, Dim size) = Attention.Heads(shape, Heads, "num_heads");
        Dim half = RotatedSize > 0 ? RotatedSize / 2 : Dim.FloorDiv(size, 2);
        bool chosen = context.Has(3);
        Dim? positions = chosen && context.Shape(1, 2, 2) is { } table ? table[0] : null;
        for (int i = 1; i < 3; i++)
            if (!chosen) context.Expect(i, [batch, rows, half]);
            else if (positions is { } count) context.Expect(i, [count, half]);
        context.Expect(3, [batch, rows]);
        return ShapeRules.SameAs(context);
    }
}

/// <summary>How <see cref="LinearAttention"/> keeps its state.</summary>
public enum LinearUpdate
{
    /// <summary>S += k vᵀ.</summary>
    Linear,

    /// <summary>S = exp(decay) S + k vᵀ.</summary>
    Gated,

    /// <summary>S += k (beta (v - Sᵀ k))ᵀ.</summary>
    Delta,

    /// <summary>Decay, then the delta rule.</summary>
    GatedDelta,
}

/// <summary>
/// LinearAttention: a recurrent state [key size, value size] per key head, written by every row and read by its queries. Inputs: Q, K, V
/// [batch, rows, heads * size], and by need past state [batch, key heads, key size, value size], decay [batch, rows, key heads or
/// key heads * key size], beta [batch, rows, key heads or 1]. Outputs: result [batch, rows, query heads * value size], present state.
/// </summary>
/// <param name="Scale">Factor of the result; 0 for 1 / sqrt(key size).</param>
public sealed record LinearAttention(LinearUpdate Update, long QueryHeads, long KeyHeads, float Scale = 0) : Op
{
    public bool Decays => Update is LinearUpdate.Gated or LinearUpdate.GatedDelta;

    public bool Corrects => Update is LinearUpdate.Delta or LinearUpdate.GatedDelta;

    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        if (QueryHeads < 1 || KeyHeads < 1 || QueryHeads % KeyHeads != 0)
            throw new InvalidModelException($"q_num_heads ({QueryHeads}) must be a positive multiple of kv_num_heads ({KeyHeads})");
        if (Decays != context.Has(4)) throw new InvalidModelException($"update rule {Update} {(Decays ? "needs" : "takes no")} decay");
        if (Corrects != context.Has(5)) throw new InvalidModelException($"update rule {Update} {(Corrects ? "needs" : "takes no")} beta");
        DType type = context.Tensor(0).Type, stateType = context.OptionalTensor(3)?.Type ?? type;
        if (context.Shape(0, 3, 3) is not { } q || context.Shape(2, 3, 3) is not { } v || context.Shape(1, 3, 3) is null)
            return [new TensorFact(type), new TensorFact(stateType)];
        Dim keySize = Attention.Heads(q, QueryHeads, "q_num_heads").Size, valueSize = Attention.Heads(v, KeyHeads, "kv_num_heads").Size;
        context.Expect(1, [q[0], q[1], keySize * KeyHeads]);
        context.Expect(2, [q[0], q[1], v[2]]);
        context.Expect(3, [q[0], KeyHeads, keySize, valueSize]);
        for (int i = 4; i < 6; i++)
            if (context.OptionalTensor(i)?.Shape is { Rank: 3 } gate) context.Expect(i, [q[0], q[1], gate[2]]);
        return [new TensorFact(type, [q[0], q[1], valueSize * QueryHeads]), new TensorFact(stateType, [q[0], KeyHeads, keySize, valueSize])];
    }

    public override Cost Cost(ReadOnlySpan<Fact?> inputs, ReadOnlySpan<Fact?> outputs)
    {
        Dim keySize = inputs[0] is TensorFact { Shape: { } q } ? Dim.FloorDiv(q[2], QueryHeads) : 1;
        return new Cost(CostOf.Elements(outputs[0]) * keySize * (Corrects ? 3 : 2), CostOf.Bytes(inputs) + CostOf.Bytes(outputs));
    }
}

/// <summary>
/// CausalConvWithState: a convolution of each channel with its own taps over the rows before it. Inputs: data [batch, channels, length],
/// taps [channels, 1, taps], and optionally bias [channels], past state [batch, channels, taps - 1]. Outputs: result, present state.
/// </summary>
/// <param name="Silu">Whether x * sigmoid(x) follows.</param>
public sealed record CausalConvWithState(bool Silu = false) : Op
{
    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        TensorFact data = context.Tensor(0);
        if (context.Shape(0, 3, 3) is not { } x || context.Shape(1, 3, 3) is not { } taps) return [data.WithoutContents(), new TensorFact(data.Type)];
        context.Expect(1, [x[1], 1, taps[2]]);
        context.Expect(2, [x[1]]);
        context.Expect(3, [x[0], x[1], taps[2] - 1]);
        return [data.WithoutContents(), new TensorFact(data.Type, [x[0], x[1], taps[2] - 1])];
    }

    public override Cost Cost(ReadOnlySpan<Fact?> inputs, ReadOnlySpan<Fact?> outputs) =>
        new(CostOf.Elements(outputs[0]) * (inputs[1] is TensorFact { Shape: { } taps } ? taps[2] : 1), CostOf.Bytes(inputs) + CostOf.Bytes(outputs));
}
