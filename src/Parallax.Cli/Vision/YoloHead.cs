namespace Parallax.Cli.Vision;

/// <summary>One object found in a picture; the box is in pixels of the source picture.</summary>
public readonly record struct Detection(int ClassId, float Score, float Left, float Top, float Right, float Bottom);

/// <summary>
/// Decodes the output of a YOLOv8-style detector: [1, 4 + classes, candidates], where the first four rows are centre x, centre y, width
/// and height in pixels of the model's input and the others are scores of the classes.
/// </summary>
public static class YoloHead
{
    public const float DefaultConfidence = 0.25f, DefaultIou = 0.45f;

    // Suppression compares pairs; the best candidates are more than any picture needs.
    private const int MaxCandidates = 30_000;

    /// <summary>Whether an output has the type and shape of such a head with <paramref name="classes"/> classes.</summary>
    public static bool Fits(Tensor output, int classes) =>
        output.DType == DType.Float32 && output.Rank == 3 && output.Dims[0] == 1 && output.Dims[1] == 4 + classes;

    /// <summary>
    /// What is in the picture, best first: candidates whose best class scores above <paramref name="confidence"/>, less those that overlap a
    /// better one of the same class by more than <paramref name="iou"/>, mapped back to the picture that <paramref name="letterbox"/> was made of.
    /// </summary>
    /// <exception cref="InvalidInputException">The output does not have the shape of such a head.</exception>
    public static IReadOnlyList<Detection> Decode(Tensor output, Letterbox letterbox, int classes, float confidence = DefaultConfidence, float iou = DefaultIou)
    {
        if (!Fits(output, classes)) throw new InvalidInputException($"the output is {output}; a detector of {classes} classes gives Float32[1x{4 + classes}xN]");
        List<Detection> candidates = Candidates(output.Span<float>(), classes, (int)output.Dims[2], confidence);
        var kept = new List<Detection>();
        foreach (Detection candidate in candidates.OrderByDescending(c => c.Score).Take(MaxCandidates))
            if (kept.TrueForAll(better => better.ClassId != candidate.ClassId || Overlap(better, candidate) <= iou)) kept.Add(candidate);
        return kept.ConvertAll(box => ToSource(box, letterbox));
    }

    private static List<Detection> Candidates(ReadOnlySpan<float> values, int classes, int count, float confidence)
    {
        var found = new List<Detection>();
        for (int i = 0; i < count; i++)
        {
            int best = 0;
            for (int c = 1; c < classes; c++)
                if (values[(4 + c) * count + i] > values[(4 + best) * count + i]) best = c;
            float score = values[(4 + best) * count + i];
            if (!(score > confidence)) continue;
            float x = values[i], y = values[count + i], halfWidth = values[2 * count + i] / 2, halfHeight = values[3 * count + i] / 2;
            found.Add(new Detection(best, score, x - halfWidth, y - halfHeight, x + halfWidth, y + halfHeight));
        }
        return found;
    }

    /// <summary>Intersection over union.</summary>
    private static float Overlap(Detection a, Detection b)
    {
        float width = Math.Min(a.Right, b.Right) - Math.Max(a.Left, b.Left), height = Math.Min(a.Bottom, b.Bottom) - Math.Max(a.Top, b.Top);
        if (width <= 0 || height <= 0) return 0;
        return width * height / (Area(a) + Area(b) - width * height);
    }

    private static float Area(Detection box) => (box.Right - box.Left) * (box.Bottom - box.Top);

    private static Detection ToSource(Detection box, Letterbox letterbox)
    {
        (float left, float top) = letterbox.ToSource(box.Left, box.Top);
        (float right, float bottom) = letterbox.ToSource(box.Right, box.Bottom);
        return box with { Left = left, Top = top, Right = right, Bottom = bottom };
    }
}
