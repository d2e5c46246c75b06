using System.Collections;

namespace Parallax.Graphs;

/// <summary>
/// The nodes that read a value, once per use, in no particular order. A list that is read by many keeps an index, so that a scalar that
/// all nodes of a large graph share costs no more to detach than any other value.
/// </summary>
internal sealed class ReaderList : IReadOnlyList<NodeId>
{
    private const int IndexedFrom = 32;

    private readonly List<NodeId> uses;

    // Of each node one position and the number of its uses.
    private Dictionary<NodeId, (int Position, int Uses)>? index;

    internal ReaderList() => uses = [];

    internal ReaderList(ReaderList other)
    {
        uses = [.. other.uses];
        if (other.index is not null) index = new(other.index);
    }

    public int Count => uses.Count;

    public NodeId this[int index] => uses[index];

    internal bool Contains(NodeId node) => index?.ContainsKey(node) ?? uses.Contains(node);

    internal void Add(NodeId node)
    {
        uses.Add(node);
        if (index is not null) Index(uses.Count - 1);
        else if (uses.Count >= IndexedFrom) MakeIndex();
    }

    /// <summary>Removes one use; the last use of the list takes its place.</summary>
    internal void Remove(NodeId node)
    {
        int at = index is null ? uses.IndexOf(node) : index.TryGetValue(node, out (int Position, int Uses) entry) ? entry.Position : -1;
        if (at < 0) return;
        int last = uses.Count - 1;
        NodeId moved = uses[last];
        uses[at] = moved;
        uses.RemoveAt(last);
        if (index is null) return;
        int left = index[node].Uses - 1;
        if (left == 0) index.Remove(node);
        else index[node] = (uses.IndexOf(node), left); // few nodes read one value twice
        if (moved != node && index[moved] is var (position, count) && position == last) index[moved] = (at, count);
    }

    internal void Clear()
    {
        uses.Clear();
        index = null;
    }

    public IEnumerator<NodeId> GetEnumerator() => uses.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private void MakeIndex()
    {
        index = [];
        for (int i = 0; i < uses.Count; i++) Index(i);
    }

    private void Index(int position) => index![uses[position]] = (position, index.GetValueOrDefault(uses[position]).Uses + 1);
}
