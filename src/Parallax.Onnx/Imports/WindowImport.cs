using System.Collections.Immutable;
using Parallax.Graphs.Ops;

namespace Parallax.Onnx.Imports;

/// <summary>The attributes that pooling and convolution have in common.</summary>
internal static class WindowImport
{
    /// <summary>Reads kernel_shape, strides, dilations, pads, auto_pad and ceil_mode; an absent list stays empty.</summary>
    internal static SpatialWindow Window(this ImportNode n) => new(
        List(n, "kernel_shape"), List(n, "strides"), List(n, "dilations"), List(n, "pads"), Pad(n), n.Bool("ceil_mode", false));

    private static ImmutableArray<long> List(ImportNode n, string attribute) => n.Ints(attribute) is { } values ? [.. values] : [];

    private static AutoPad Pad(ImportNode n) => n.String("auto_pad", "NOTSET") switch
    {
        "NOTSET" or "" => AutoPad.NotSet,
        "VALID" => AutoPad.Valid,
        "SAME_UPPER" => AutoPad.SameUpper,
        "SAME_LOWER" => AutoPad.SameLower,
        var other => throw n.Invalid($"auto_pad must be NOTSET, VALID, SAME_UPPER or SAME_LOWER, got '{other}'"),
    };
}
