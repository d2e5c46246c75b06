using System.Collections.Immutable;
using Parallax.Planning;

namespace Parallax.Runtime.Compilation;

/// <summary>Collects which steps of which branches touch each arena buffer.</summary>
internal sealed class BufferTable
{
    private readonly List<(long Bytes, Dictionary<BranchId, Access> Accesses)> buffers = [];

    /// <summary>A new buffer; returns its index in the memory problem.</summary>
    internal int Add(long bytes)
    {
        buffers.Add((bytes, []));
        return buffers.Count - 1;
    }

    internal void Touch(int buffer, BranchId branch, int step)
    {
        Dictionary<BranchId, Access> accesses = buffers[buffer].Accesses;
        accesses[branch] = accesses.TryGetValue(branch, out Access known)
            ? known with { First = Math.Min(known.First, step), Last = Math.Max(known.Last, step) }
            : new Access(branch, step, step);
    }

    internal ImmutableArray<ArenaBuffer> ToImmutable() => [.. buffers.Select((b, i) => new ArenaBuffer(i, b.Bytes, [.. b.Accesses.Values.OrderBy(a => a.Branch.Index)]))];
}
