namespace Parallax.Cli.Report;

/// <summary>Layers that stand for themselves and for what follows them in the same form.</summary>
/// <param name="First">The first layer.</param>
/// <param name="Length">Layers in one round.</param>
/// <param name="Times">Rounds.</param>
internal readonly record struct LayerRun(int First, int Length, int Times)
{
    internal int End => First + Length * Times;
}

/// <summary>Finds rounds of layers whose branches have the same operators, as the blocks of a transformer have, so that a deep graph can be drawn once per kind of block.</summary>
internal static class LayerFolding
{
    /// <summary>Fewer layers than this are drawn as they are.</summary>
    private const int DeepLayers = 60;

    /// <summary>A fold that hides fewer layers than this costs more to understand than it saves.</summary>
    private const int MinHidden = 3;

    private const int MaxLength = 48;

    /// <summary>The layers of a plan from first to last; at every place the longest repetition.</summary>
    internal static List<LayerRun> Of(PlanReport plan)
    {
        int[] form = Forms(plan);
        if (form.Length < DeepLayers) return [.. form.Select((_, layer) => new LayerRun(layer, 1, 1))];
        var runs = new List<LayerRun>();
        for (int at = 0; at < form.Length; at = runs[^1].End) runs.Add(Longest(form, at));
        return runs;
    }

    private static int[] Forms(PlanReport plan)
    {
        var known = new Dictionary<string, int>();
        return [.. plan.Layers.Select(layer =>
        {
            string text = string.Join('|', layer.Select(b => string.Join(',', plan.Branches[b].Operators.Select(o => o.Split(' ')[0]))));
            if (!known.TryGetValue(text, out int form)) known[text] = form = known.Count;
            return form;
        })];
    }

    private static LayerRun Longest(int[] form, int at)
    {
        var best = new LayerRun(at, 1, 1);
        for (int length = 1; length <= Math.Min(MaxLength, (form.Length - at) / 2); length++)
        {
            int end = at + length;
            while (end < form.Length && form[end] == form[end - length]) end++;
            int times = (end - at) / length;
            if (length * (times - 1) >= MinHidden && length * times > best.Length * best.Times) best = new LayerRun(at, length, times);
        }
        return best;
    }
}
