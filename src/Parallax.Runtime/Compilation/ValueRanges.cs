using Parallax.Graphs;

namespace Parallax.Runtime.Compilation;

/// <summary>Where the bytes of each value lie: they are its own, or a range of those of another value, its root.</summary>
/// <param name="valueIdBound"><see cref="Graph.ValueIdBound"/>.</param>
internal sealed class ValueRanges(int valueIdBound)
{
    private readonly int[] parents = Mapping.Positions(valueIdBound);
    private readonly long[] offsets = new long[valueIdBound]; // in the parent, in bytes

    /// <summary>The root of a value, and where in it the value begins, in bytes.</summary>
    internal (ValueId Root, long Offset) this[ValueId id]
    {
        get
        {
            int at = id.Index;
            long offset = 0;
            while (parents[at] is var parent && parent != at)
            {
                offsets[at] += offsets[parent]; // a root's own offset is 0
                parents[at] = parents[parent];
                offset += offsets[at];
                at = parents[at];
            }
            return (new ValueId(at), offset);
        }
    }

    /// <summary>The value whose bytes a value shows.</summary>
    internal ValueId Root(ValueId id) => this[id].Root;

    /// <summary>Makes a value that has been a root a range of another one.</summary>
    /// <param name="offset">In <paramref name="within"/>, in bytes.</param>
    internal void Place(ValueId root, ValueId within, long offset)
    {
        (ValueId outer, long start) = this[within];
        parents[root.Index] = outer.Index;
        offsets[root.Index] = start + offset;
    }
}
