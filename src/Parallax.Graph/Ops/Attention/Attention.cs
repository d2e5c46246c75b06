using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>What output 3 of <see cref="Attention"/> shows.</summary>
public enum AttentionScores
{
    /// <summary>scale * Q Kᵀ.</summary>
    Raw,

    /// <summary>After the soft cap.</summary>
    Capped,

    /// <summary>After the mask.</summary>
    Masked,

    /// <summary>After the softmax.</summary>
    Probabilities,
}

/// <summary>
/// Scaled dot-product attention, multi-head and grouped. Inputs: Q, K, V, and optionally mask (bool or additive, broadcast to
/// [batch, query heads, queries, keys]; missing keys at its end are masked, and a mask of fewer batch items, which divide the batch, begins anew
/// behind them), past key, past value, valid keys per batch item (int64), and a factor of the scores for each query head.
/// Q, K and V are, each by itself, [batch, heads, rows, size], or [batch, rows, heads * size] with the head count given.
/// Outputs: result, laid out as Q, and on demand present key and value (past and new, [batch, heads, rows, size]) and the scores.
/// </summary>
/// <param name="QueryHeads">0 where Q has rank 4.</param>
/// <param name="KeyHeads">0 where K and V have rank 4.</param>
/// <param name="Scale">Null for 1 / sqrt(head size).</param>
/// <param name="SoftCap">Scores become <c>cap * tanh(score / cap)</c>; 0 for none.</param>
/// <param name="LeftWindow">Keys that a query sees to the left of its position; negative for all.</param>
/// <param name="MergesHeads">Whether the result is [batch, queries, heads * size] also where Q has rank 4.</param>
/// <param name="HiddenScore">The score of a key that a bool mask hides.</param>
/// <param name="NormEpsilon">Rows of Q and K are divided by the larger of their length and this number before (cosine attention); null where they are not.</param>
public sealed record Attention(
    long QueryHeads = 0,
    long KeyHeads = 0,
    float? Scale = null,
    bool Causal = false,
    float SoftCap = 0,
    AttentionScores Scores = AttentionScores.Raw,
    long LeftWindow = -1,
    long RightWindow = -1,
    bool MergesHeads = false,
    float HiddenScore = float.NegativeInfinity,
    float? NormEpsilon = null) : Op
{
    /// <summary>The input of the heads' factors.</summary>
    public const int FactorInput = 7;

    public override ImmutableArray<Fact> Infer(InferContext context)
    {
        DType type = context.Tensor(0).Type, keyType = context.Tensor(1).Type, valueType = context.Tensor(2).Type;
        if (context.Shape(0, 3, 4) is not { } q || context.Shape(1, 3, 4) is not { } k || context.Shape(2, 3, 4) is not { } v)
            return [new TensorFact(type), new TensorFact(keyType), new TensorFact(valueType), new TensorFact(type)];
        (Dim batch, Dim heads, Dim queries, Dim size) = Heads(q, QueryHeads, "q_num_heads");
        (_, Dim keyHeads, Dim keys, Dim keySize) = Heads(k, KeyHeads, "kv_num_heads");
        (_, _, _, Dim valueSize) = Heads(v, KeyHeads, "kv_num_heads");
        context.Expect(1, k.Rank == 4 ? [batch, keyHeads, keys, size] : [batch, keys, k[2]]);
        context.Expect(2, v.Rank == 4 ? [batch, keyHeads, keys, valueSize] : [batch, keys, v[2]]);
        context.Expect(6, [batch]);
        context.Expect(FactorInput, [heads]);
        if (context.Has(4) != context.Has(5)) throw new InvalidModelException("past key and past value must be given together");
        if (size.IsKnown && keySize.IsKnown && size != keySize) throw new InvalidModelException($"Q {q} and K {k} must agree in the head size, got {size} and {keySize}");
        if (heads.IsKnown && keyHeads.IsKnown && heads.Value % Math.Max(1, keyHeads.Value) != 0)
            throw new InvalidModelException($"{heads} query heads must be a multiple of {keyHeads} key heads");
        if (context.Has(4))
        {
            if (context.Shape(4, 4, 4) is not { } past) return [Result(), new TensorFact(keyType), new TensorFact(valueType), new TensorFact(type)];
            context.Expect(4, [batch, keyHeads, past[2], keySize]);
            context.Expect(5, [batch, keyHeads, past[2], valueSize]);
            keys += past[2];
        }
        CheckMask(context, [batch, heads, queries, keys]);
        return [Result(), new TensorFact(keyType, [batch, keyHeads, keys, keySize]), new TensorFact(valueType, [batch, keyHeads, keys, valueSize]),
            new TensorFact(type, [batch, heads, queries, keys])];

        TensorFact Result() => new(type, q.Rank == 4 && !MergesHeads ? [batch, heads, queries, valueSize] : [batch, queries, heads * valueSize]);
    }

    public override Cost Cost(ReadOnlySpan<Fact?> inputs, ReadOnlySpan<Fact?> outputs)
    {
        Dim bytes = CostOf.Bytes(inputs) + CostOf.Bytes(outputs);
        if (inputs[0] is not TensorFact { Shape: { } q } || inputs[1] is not TensorFact { Shape: { } k } || inputs[2] is not TensorFact { Shape: { } v }) return new Cost(0, bytes);
        (Dim batch, Dim heads, Dim queries, Dim size) = Heads(q, QueryHeads, "q_num_heads");
        (_, _, Dim keys, _) = Heads(k, KeyHeads, "kv_num_heads");
        if (inputs.Length > 4 && inputs[4] is TensorFact { Shape: { Rank: 4 } past }) keys += past[2];
        return new Cost(batch * heads * queries * keys * (size + Heads(v, KeyHeads, "kv_num_heads").Size), bytes);
    }

    // Unlike the other dims of a mask, keys do not broadcast: missing ones are masked.
    private static void CheckMask(InferContext context, Shape scores)
    {
        if (context.OptionalTensor(3)?.Shape is not { } mask) return;
        Dim keys = mask.Rank > 0 ? mask[^1] : 0;
        if (mask.Rank == 4 && mask[0].TryGetValue(out long items) && items > 1 && (!scores[0].TryGetValue(out long batch) || batch % items == 0)) scores = scores.With(0, items);
        context.ExpectBroadcast(3, mask.Rank > 0 ? scores.With(3, keys) : Shape.Scalar);
        if (mask.Rank == 0 || keys.IsKnown && scores[3].IsKnown && keys.Value > scores[3].Value)
            throw new InvalidModelException($"the mask must have {scores[3]} keys or fewer, got {mask}");
    }

    /// <summary>Batch, heads, rows and head size of Q, K or V.</summary>
    public static (Dim Batch, Dim Heads, Dim Rows, Dim Size) Heads(Shape shape, long heads, string attribute)
    {
        if (shape.Rank == 4) return (shape[0], shape[1], shape[2], shape[3]);
        if (heads < 1) throw new InvalidModelException($"{attribute} must be given for inputs of rank 3");
        if (shape[2].TryGetValue(out long hidden) && hidden % heads != 0) throw new InvalidModelException($"the last dim of {shape} must be a multiple of {attribute} = {heads}");
        return (shape[0], heads, shape[1], Dim.FloorDiv(shape[2], heads));
    }
}
