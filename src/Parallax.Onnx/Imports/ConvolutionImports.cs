using Parallax.Graphs.Ops;

namespace Parallax.Onnx.Imports;

internal static class ConvolutionImports
{
    internal static readonly OpImport[] All =
    [
        new("Conv", 1.., n => new Conv(Window(n), n.Int("group", 1))),
        new("ConvTranspose", 1.., n => new ConvTranspose(Window(n), n.Int("group", 1), [.. n.Ints("output_padding") ?? []], [.. n.Ints("output_shape") ?? []])),
        new("DeformConv", 19.., n => new DeformConv(Window(n), n.Int("group", 1), n.Int("offset_group", 1))),
    ];

    internal static SpatialWindow Window(ImportNode n) => new(
        [.. n.Ints("kernel_shape") ?? []], [.. n.Ints("strides") ?? []], [.. n.Ints("dilations") ?? []], [.. n.Ints("pads") ?? []],
        n.String("auto_pad", "NOTSET") switch
        {
            "NOTSET" => AutoPad.NotSet,
            "VALID" => AutoPad.Valid,
            "SAME_UPPER" => AutoPad.SameUpper,
            "SAME_LOWER" => AutoPad.SameLower,
            var other => throw n.Invalid($"auto_pad must be NOTSET, VALID, SAME_UPPER or SAME_LOWER, got '{other}'"),
        },
        n.Bool("ceil_mode", false));
}
