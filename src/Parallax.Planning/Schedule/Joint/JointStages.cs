namespace Parallax.Planning;

/// <summary>Cuts operators into stages that are searched one after another.</summary>
internal static class JointStages
{
    /// <summary>Operators of one stage, at most.</summary>
    internal const int MaxOperators = 20;

    /// <summary>Stages end at the last operator within reach that every other one comes before or after; where there is none, when they grow too long.</summary>
    internal static List<int[]> Cut(Dag dag)
    {
        bool[] isGate = Gates(dag);
        var stages = new List<int[]>();
        for (int start = 0; start < dag.Count;)
        {
            int end = Math.Min(start + MaxOperators, dag.Count), gate = end - 1;
            while (gate >= start && !isGate[gate]) gate--;
            if (gate >= start && end < dag.Count) end = gate + 1;
            stages.Add([.. dag.Order[start..end]]);
            start = end;
        }
        return stages;
    }

    /// <summary>By place in the order, whether all others are ordered against the operator: nothing leads over it, nothing ends before it, nothing begins after it.</summary>
    private static bool[] Gates(Dag dag)
    {
        var place = new int[dag.Count];
        int lastSource = -1;
        for (int i = 0; i < dag.Count; i++)
        {
            place[dag.Order[i]] = i;
            if (dag.Predecessors(dag.Order[i]).IsEmpty) lastSource = i;
        }
        var isGate = new bool[dag.Count];
        int farthest = 0;
        bool endsBefore = false;
        for (int i = 0; i < dag.Count; i++)
        {
            isGate[i] = farthest <= i && !endsBefore && lastSource <= i;
            foreach (int after in dag.Successors(dag.Order[i])) farthest = Math.Max(farthest, place[after]);
            endsBefore |= dag.Successors(dag.Order[i]).IsEmpty;
        }
        return isGate;
    }
}
