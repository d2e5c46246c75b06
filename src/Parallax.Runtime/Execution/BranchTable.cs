using Parallax.Planning;

namespace Parallax.Runtime.Execution;

/// <summary>The order of branches that a schedule asks for: dependencies and control edges, priorities, limits.</summary>
internal sealed class BranchTable
{
    internal BranchTable(Dag branches, Schedule schedule)
    {
        Dag constrained = branches.With([.. schedule.Memory.ControlEdges.Select(e => (e.From.Index, e.To.Index))]);
        Count = constrained.Count;
        Width = schedule.Mode == ScheduleMode.Sequential ? 1 : Math.Max(1, schedule.Memory.Width);
        Priority = [.. schedule.Priority];
        MaxWorkers = [.. schedule.MaxWorkers];
        Waiting = new int[Count];
        Successors = new int[Count][];
        for (int i = 0; i < Count; i++)
        {
            Waiting[i] = constrained.Predecessors(i).Length;
            Successors[i] = constrained.Successors(i).ToArray();
        }
        Order = [.. schedule.Memory.Order.Select(b => b.Index)];
    }

    internal int Count { get; }

    /// <summary>So many branches may run at once; 1 for one after another in <see cref="Order"/>.</summary>
    internal int Width { get; }

    internal int[] Order { get; }

    internal int[] Priority { get; }

    internal int[] MaxWorkers { get; }

    /// <summary>By branch, how many others must end before it starts.</summary>
    internal int[] Waiting { get; }

    internal int[][] Successors { get; }
}
