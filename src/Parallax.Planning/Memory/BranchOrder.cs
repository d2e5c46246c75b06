using System.Collections.Immutable;

namespace Parallax.Planning;

/// <summary>
/// Which branches are ordered by a graph of dependencies, directly or not. The branches are covered by chains of ordered branches; each branch keeps,
/// per chain, how far up that chain its ancestors reach. So a question takes constant time and the table is as small as the graph is narrow.
/// </summary>
public sealed class BranchOrder
{
    /// <summary>Table entries beyond which <see cref="TryCreate"/> gives up.</summary>
    private const long MaxEntries = 16_000_000;

    private readonly int[] position, chainOf, indexInChain, earliest, latest;
    private readonly int[][] reach; // by branch and chain: the highest index in the chain of an ancestor or of the branch itself
    private readonly List<List<int>> chains;

    private BranchOrder(Dag dag, int[]? chainOfBranch)
    {
        Linear = dag.Order;
        position = new int[dag.Count];
        for (int i = 0; i < dag.Count; i++) position[Linear[i]] = i;
        chainOf = chainOfBranch ?? new int[dag.Count];
        indexInChain = new int[dag.Count];
        earliest = new int[dag.Count];
        latest = new int[dag.Count];
        reach = new int[dag.Count][];
        chains = [];
    }

    /// <summary>A topological order.</summary>
    public ImmutableArray<int> Linear { get; }

    /// <summary>Chains that cover all branches: no more branches than these can ever run at once.</summary>
    public int ChainCount => chains.Count;

    /// <summary>The order of a graph; null where it is too wide for a table.</summary>
    public static BranchOrder? TryCreate(Dag dag)
    {
        var order = new BranchOrder(dag, null);
        return order.Cover(dag, isGiven: false) ? order : null;
    }

    /// <summary>The order of a graph whose chains are known: the branches of one lane must be ordered by the graph.</summary>
    internal static BranchOrder OfLanes(Dag dag, int[] laneOf)
    {
        var order = new BranchOrder(dag, laneOf);
        order.Cover(dag, isGiven: true);
        return order;
    }

    /// <summary>Whether <paramref name="a"/> ends before <paramref name="b"/> begins, whatever the schedule.</summary>
    public bool Precedes(int a, int b) => a != b && chainOf[a] < reach[b].Length && reach[b][chainOf[a]] >= indexInChain[a];

    internal int Position(int branch) => position[branch];

    /// <summary>The last position in <see cref="Linear"/> of a branch that may run at the same time; the branch's own where there is none behind it.</summary>
    internal int LatestUnordered(int branch) => latest[branch];

    /// <summary>The first position in <see cref="Linear"/> of a branch that may run at the same time; the branch's own where there is none before it.</summary>
    internal int EarliestUnordered(int branch) => earliest[branch];

    private bool Cover(Dag dag, bool isGiven)
    {
        long entries = 0;
        foreach (int branch in Linear)
        {
            int width = isGiven ? Math.Max(chains.Count, chainOf[branch] + 1) : chains.Count;
            foreach (int predecessor in dag.Predecessors(branch)) width = Math.Max(width, reach[predecessor].Length);
            int[] row = Mapping.Repeat(-1, width + 1);
            foreach (int predecessor in dag.Predecessors(branch))
                for (int c = 0; c < reach[predecessor].Length; c++) row[c] = Math.Max(row[c], reach[predecessor][c]);
            if (!isGiven) chainOf[branch] = BestTail(row);
            while (chains.Count <= chainOf[branch]) chains.Add([]);
            indexInChain[branch] = row[chainOf[branch]] = chains[chainOf[branch]].Count;
            chains[chainOf[branch]].Add(branch);
            int used = row.Length;
            while (used > 0 && row[used - 1] < 0) used--;
            reach[branch] = used == row.Length ? row : row[..used];
            entries += used;
            if (!isGiven && entries > MaxEntries) return false;
        }
        FindEarliest();
        FindLatest(dag);
        return true;
    }

    /// <summary>The chain whose last branch is the latest of those that are ancestors, else a new chain.</summary>
    private int BestTail(int[] row)
    {
        int best = chains.Count, bestPosition = -1;
        for (int c = 0; c < chains.Count; c++)
        {
            if (row[c] != chains[c].Count - 1 || position[chains[c][^1]] <= bestPosition) continue;
            best = c;
            bestPosition = position[chains[c][^1]];
        }
        return best;
    }

    private void FindEarliest()
    {
        foreach (int branch in Linear)
        {
            int first = position[branch];
            for (int c = 0; c < chains.Count; c++)
            {
                if (c == chainOf[branch]) continue;
                int next = c < reach[branch].Length ? reach[branch][c] + 1 : 0;
                if (next < chains[c].Count) first = Math.Min(first, position[chains[c][next]]);
            }
            earliest[branch] = first;
        }
    }

    private void FindLatest(Dag dag)
    {
        var rows = new int[]?[dag.Count]; // by branch and chain: the lowest index in the chain of a descendant or of the branch itself
        var waiting = new int[dag.Count];
        for (int branch = 0; branch < dag.Count; branch++) waiting[branch] = dag.Predecessors(branch).Length;
        for (int i = Linear.Length - 1; i >= 0; i--)
        {
            int branch = Linear[i];
            int[] row = [.. chains.Select(c => c.Count)];
            foreach (int successor in dag.Successors(branch))
            {
                for (int c = 0; c < row.Length; c++) row[c] = Math.Min(row[c], rows[successor]![c]);
                if (--waiting[successor] == 0) rows[successor] = null;
            }
            row[chainOf[branch]] = indexInChain[branch];
            int last = position[branch];
            for (int c = 0; c < row.Length; c++)
                if (c != chainOf[branch] && row[c] > 0) last = Math.Max(last, position[chains[c][row[c] - 1]]);
            latest[branch] = last;
            rows[branch] = row;
        }
    }
}
