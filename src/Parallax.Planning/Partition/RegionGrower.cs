namespace Parallax.Planning;

/// <summary>
/// Grows connected sets of items of one colour that stay convex: a path that leaves a set never comes back, so each set can run as one item.
/// Items are numbered in topological order; a negative colour is that of items which belong to no set.
/// </summary>
internal static class RegionGrower
{
    /// <summary>Edges that may be looked at while sets are merged; what is left unmerged then is still convex, only smaller than it might be.</summary>
    private const long MergeBudget = 20_000_000;

    /// <returns>The set of each item, or -1; sets are numbered from 0.</returns>
    internal static int[] Grow(Dag dag, int[] colour)
    {
        var sets = new Sets(dag.Count);
        int[] epoch = Epochs(dag, colour);
        foreach ((int from, int to) in dag.Edges())
            if (colour[from] >= 0 && colour[from] == colour[to] && epoch[from] == epoch[to]) sets.Union(from, to);
        Merge(dag, colour, sets);
        return Number(colour, sets);
    }

    /// <summary>
    /// Runs of items of one colour follow each other along every path, and each run is drained as far as it goes before another continues.
    /// The items of one epoch and colour are convex: what leaves an epoch only goes to later ones.
    /// </summary>
    private static int[] Epochs(Dag dag, int[] colour)
    {
        var epoch = new int[dag.Count];
        for (int item = 0; item < dag.Count; item++)
        {
            epoch[item] = colour[item] >= 0 ? 1 : 0;
            foreach (int predecessor in dag.Predecessors(item))
                epoch[item] = Math.Max(epoch[item], epoch[predecessor] + (colour[predecessor] != colour[item] ? 1 : 0));
        }
        return epoch;
    }

    /// <summary>Merges neighbouring sets of different epochs where no other path connects them.</summary>
    private static void Merge(Dag dag, int[] colour, Sets sets)
    {
        long budget = MergeBudget;
        var seen = new int[dag.Count];
        int stamp = 0;
        for (bool changed = true; changed && budget > 0;)
        {
            changed = false;
            foreach ((int from, int to) in dag.Edges())
            {
                if (colour[from] < 0 || colour[from] != colour[to] || sets.Find(from) == sets.Find(to)) continue;
                if (budget <= 0) break;
                if (HasOtherPath(dag, sets, sets.Find(from), sets.Find(to), seen, ++stamp, ref budget)) continue;
                sets.Union(from, to);
                changed = true;
            }
        }
    }

    /// <summary>Whether set <paramref name="b"/> is reached from set <paramref name="a"/> through anything else. True where the budget ends first.</summary>
    private static bool HasOtherPath(Dag dag, Sets sets, int a, int b, int[] seen, int stamp, ref long budget)
    {
        var stack = new Stack<int>([a]);
        seen[a] = stamp;
        while (stack.TryPop(out int set))
            foreach (int member in sets.Members(set))
                foreach (int successor in dag.Successors(member))
                {
                    if (--budget <= 0) return true;
                    int next = sets.Find(successor);
                    if (next == b && set != a) return true;
                    if (next == b || seen[next] == stamp) continue;
                    seen[next] = stamp;
                    stack.Push(next);
                }
        return false;
    }

    private static int[] Number(int[] colour, Sets sets)
    {
        var numberOf = new Dictionary<int, int>();
        var result = new int[colour.Length];
        for (int item = 0; item < result.Length; item++)
        {
            int root = sets.Find(item);
            if (colour[item] < 0) result[item] = -1;
            else if (numberOf.TryGetValue(root, out int number)) result[item] = number;
            else numberOf[root] = result[item] = numberOf.Count;
        }
        return result;
    }

    /// <summary>Disjoint sets with their members.</summary>
    private sealed class Sets(int count)
    {
        private readonly int[] parent = Mapping.Positions(count);
        private readonly List<int>?[] members = new List<int>?[count];

        internal int Find(int item)
        {
            while (parent[item] != item) item = parent[item] = parent[parent[item]];
            return item;
        }

        internal IReadOnlyList<int> Members(int root) => members[root] ?? (IReadOnlyList<int>)[root];

        internal void Union(int a, int b)
        {
            (a, b) = (Find(a), Find(b));
            if (a == b) return;
            if (Members(a).Count < Members(b).Count) (a, b) = (b, a);
            (members[a] ??= [a]).AddRange(Members(b));
            members[b] = null;
            parent[b] = a;
        }
    }
}
