using Parallax.Onnx;

namespace Parallax.Zoo;

/// <summary>A built-in network.</summary>
/// <param name="Name">As users write it behind <c>zoo:</c>.</param>
/// <param name="Parameters">Elements of all weights.</param>
/// <param name="Build">Makes the model; the same options give the same bytes, on every machine.</param>
/// <param name="DefaultDims">Values for the symbolic dims of the inputs that make a typical run.</param>
/// <param name="IntegerLimits">For integer inputs, the number that contents must stay below: the vocabulary's size, or 2 for a mask.</param>
public sealed record ZooEntry(string Name, string Description, long Parameters, Func<ZooOptions, ModelProto> Build,
    IReadOnlyDictionary<string, long> DefaultDims, IReadOnlyDictionary<string, long> IntegerLimits);

/// <summary>The networks of the Parallax paper, at their published sizes, with seeded weights. The operators are those that PyTorch's exporter writes at opset 17.</summary>
public static class ZooCatalog
{
    public static IReadOnlyList<ZooEntry> Entries { get; } =
    [
        new("yolov8n", "YOLOv8n, object detection, 640 x 640", 3_151_904, Yolov8n.Build,
            Dims(("batch", 1), ("height", 640), ("width", 640)), Dims()),
        new("yolov8n-nms", "YOLOv8n and non-maximum suppression: boxes, scores and classes, as many as there are", 3_151_904, Yolov8n.BuildWithSuppression,
            Dims(("height", 640), ("width", 640)), Dims()),
        new("whisper-tiny", "Whisper-Tiny from log-mel to tokens: the encoder, and greedy decoding in a loop with a cache", 37_760_640, WhisperTiny.BuildGreedy, Dims(), Dims()),
        new("whisper-tiny-encoder", "Whisper-Tiny's encoder, 30 s of speech", 8_208_384, WhisperTiny.BuildEncoder, Dims(("batch", 1)), Dims()),
        new("whisper-tiny-decoder", "Whisper-Tiny's decoder over all tokens so far", 29_552_256, WhisperTiny.BuildDecoder,
            Dims(("batch", 1), ("tokens", 16)), Dims(("input_ids", 51865))),
        new("whisper-tiny-decoder-kv", "Whisper-Tiny's decoder, one step with a cache", 28_371_072, WhisperTiny.BuildCachedDecoder,
            Dims(("batch", 1), ("past", 16)), Dims(("input_ids", 51865))),
        new("swinv2-tiny", "SwinV2-Tiny, image classification, 256 x 256", 28_347_154, SwinV2Tiny.Build, Dims(("batch", 1)), Dims()),
        new("clip-text", "CLIP ViT-B/32's text encoder", 63_428_096, ClipText.Build, Dims(("batch", 1), ("sequence", 77)), Dims(("input_ids", 49408))),
        new("distilbert", "DistilBERT, sequence classification", 66_955_010, DistilBert.Build,
            Dims(("batch", 1), ("sequence", 128)), Dims(("input_ids", 30522), ("attention_mask", 2))),
    ];

    /// <summary>The network of that name.</summary>
    /// <exception cref="InvalidModelException">There is none.</exception>
    public static ZooEntry Find(string name) => Entries.FirstOrDefault(e => e.Name == name)
        ?? throw new InvalidModelException($"zoo:{name}: no such network; there are {string.Join(", ", Entries.Select(e => e.Name))}");

    private static Dictionary<string, long> Dims(params (string Name, long Value)[] dims) => dims.ToDictionary(d => d.Name, d => d.Value);
}
