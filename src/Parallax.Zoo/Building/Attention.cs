namespace Parallax.Zoo;

/// <summary>
/// Multi-head attention as Hugging Face's CLIP and Whisper export it: heads folded into the batch, batched MatMul, shapes computed at run time.
/// Module names are those of the checkpoints (<c>q_proj</c>, <c>k_proj</c>, <c>v_proj</c>, <c>out_proj</c>).
/// </summary>
/// <param name="Width">Size of a token: <paramref name="Heads"/> times the size of a head.</param>
/// <param name="KeyBias">Whether the projection of the keys has a bias; Whisper's has none.</param>
internal sealed record Attention(int Width, int Heads, bool KeyBias = true)
{
    private int HeadSize => Width / Heads;

    /// <summary>[batch, tokens, width] to the same; keys and values come from <paramref name="memory"/>, which for self-attention is <paramref name="x"/>.</summary>
    /// <param name="mask">Added to the scores, broadcast to [batch, heads, tokens, memory tokens]; null for none.</param>
    public NetValue Apply(string module, NetValue x, NetValue memory, NetValue? mask)
    {
        using IDisposable _ = x.Net.Module(module);
        NetValue batch = x.Size(0), tokens = x.Size(1);
        NetValue query = Query(x);
        NetValue key = SplitHeads(memory.Linear("k_proj", Width, Width, KeyBias), batch);
        NetValue value = SplitHeads(memory.Linear("v_proj", Width, Width), batch);
        return Mix(SplitHeads(query, batch), key, value, batch, tokens, mask);
    }

    /// <summary>Attention of one query token over keys and values [batch, heads, memory tokens, head size].</summary>
    public NetValue ApplyTo(string module, NetValue x, Func<(NetValue Key, NetValue Value)> memory)
    {
        using IDisposable _ = x.Net.Module(module);
        NetValue batch = x.Size(0), tokens = x.Size(1);
        NetValue query = SplitHeads(Query(x), batch);
        var (key, value) = memory();
        return Mix(query, key, value, batch, tokens, null);
    }

    /// <summary>Key and value of the tokens of <paramref name="x"/>: [batch, heads, tokens, head size].</summary>
    public (NetValue Key, NetValue Value) Project(NetValue x)
    {
        NetValue batch = x.Size(0);
        return (SplitHeads(x.Linear("k_proj", Width, Width, KeyBias), batch), SplitHeads(x.Linear("v_proj", Width, Width), batch));
    }

    private NetValue Query(NetValue x) => x.Linear("q_proj", Width, Width) * (1 / MathF.Sqrt(HeadSize));

    private NetValue SplitHeads(NetValue x, NetValue batch) => x.Reshape(batch, -1L, (long)Heads, (long)HeadSize).Transpose(0, 2, 1, 3);

    private NetValue Mix(NetValue query, NetValue key, NetValue value, NetValue batch, NetValue tokens, NetValue? mask)
    {
        NetValue folded = batch * batch.Net.Scalar((long)Heads);
        NetValue q = query.Reshape(folded, -1L, (long)HeadSize), k = key.Reshape(folded, -1L, (long)HeadSize), v = value.Reshape(folded, -1L, (long)HeadSize);
        NetValue scores = q.MatMul(k.Transpose(0, 2, 1));
        if (mask is not null)
        {
            NetValue memoryTokens = k.Size(1);
            scores = (scores.Reshape(batch, (long)Heads, tokens, memoryTokens) + mask).Reshape(folded, tokens, memoryTokens);
        }
        NetValue mixed = scores.Softmax(-1).MatMul(v);
        return mixed.Reshape(batch, (long)Heads, tokens, (long)HeadSize).Transpose(0, 2, 1, 3).Reshape(batch, tokens, (long)Width)
            .Linear("out_proj", Width, Width);
    }
}
