using System.Collections.Immutable;

namespace Parallax.Graphs.Ops;

/// <summary>Data whose channels lie behind the spatial axes, [N, spatial..., C], beside ONNX's [N, C, spatial...].</summary>
public static class ChannelsLast
{
    /// <summary>The transpose that moves the channels from axis 1 behind the others.</summary>
    public static ImmutableArray<int> Order(int rank) => [0, .. Enumerable.Range(2, rank - 2), 1];

    /// <summary>The transpose that moves them back.</summary>
    public static ImmutableArray<int> InverseOrder(int rank) => [0, rank - 1, .. Enumerable.Range(1, rank - 2)];

    /// <summary>The dims with channels last as they are with channels first.</summary>
    public static T[] DimsFirst<T>(ReadOnlySpan<T> dims) => [dims[0], dims[^1], .. dims[1..^1]];

    /// <summary>The dims with channels first as they are with channels last.</summary>
    public static T[] DimsLast<T>(ReadOnlySpan<T> dims) => [dims[0], .. dims[2..], dims[1]];
}
