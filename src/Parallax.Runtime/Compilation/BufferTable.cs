using System.Collections.Immutable;
using System.Diagnostics;
using System.Runtime.InteropServices;
using Parallax.Planning;

namespace Parallax.Runtime.Compilation;

/// <summary>Collects which steps of which branches touch each arena buffer.</summary>
internal sealed class BufferTable
{
    private readonly List<Buffer> buffers = [];

    /// <summary>A new buffer; returns its index in the memory problem.</summary>
    internal int Add(long bytes)
    {
        buffers.Add(new Buffer(bytes));
        return buffers.Count - 1;
    }

    /// <summary>Branches come in the order of their numbers.</summary>
    internal void Touch(int buffer, BranchId branch, int step)
    {
        List<Access> accesses = buffers[buffer].Accesses;
        if (accesses.Count == 0 || accesses[^1].Branch.Index < branch.Index) accesses.Add(new Access(branch, step, step));
        else
        {
            Access known = accesses[^1];
            Debug.Assert(known.Branch == branch, "a branch was touched after a later one");
            accesses[^1] = known with { First = Math.Min(known.First, step), Last = Math.Max(known.Last, step) };
        }
    }

    internal ImmutableArray<ArenaBuffer> ToImmutable()
    {
        var all = ImmutableArray.CreateBuilder<ArenaBuffer>(buffers.Count);
        foreach (Buffer buffer in buffers) all.Add(new ArenaBuffer(all.Count, buffer.Bytes, ImmutableArray.Create(CollectionsMarshal.AsSpan(buffer.Accesses))));
        return all.MoveToImmutable();
    }

    private sealed record Buffer(long Bytes)
    {
        internal List<Access> Accesses { get; } = [];
    }
}
