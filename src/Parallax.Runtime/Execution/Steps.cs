using Parallax.Graphs;
using Parallax.Kernels;
using Parallax.Planning;
using Parallax.Runtime.Memory;

namespace Parallax.Runtime.Execution;

/// <summary>One unit of a plan: what a node, or a run-time need such as a copy, does.</summary>
internal abstract class Step(Node node, Operand?[] inputs, Operand?[] outputs) : IDisposable
{
    internal Node Node { get; } = node;

    /// <summary>Its number among the steps of the plan.</summary>
    internal int Index { get; set; }

    /// <summary>Null where an optional input is absent.</summary>
    internal Operand?[] Inputs { get; } = inputs;

    /// <summary>Null where an output is not wanted.</summary>
    internal Operand?[] Outputs { get; } = outputs;

    /// <summary>The slots that hold whole data and are read here, each once.</summary>
    internal Slot[] DatumReads { get; } = ReadsOf(inputs);

    /// <summary>What computes the step, for dumps and profiles.</summary>
    internal abstract string Implementation { get; }

    /// <summary>The prepared kernel that the CPU runs whatever devices do; null where there is none.</summary>
    internal virtual KernelStep? OnCpu => null;

    /// <summary>So many steps it counts for in the plan of memory.</summary>
    internal virtual int Length => 1;

    internal abstract void Run(StepRun run);

    /// <summary>Frees what was prepared.</summary>
    public virtual void Dispose() => GC.SuppressFinalize(this);

    private static Slot[] ReadsOf(Operand?[] inputs)
    {
        List<Slot> reads = [];
        foreach (Operand? input in inputs)
            if (input is { Slot: { Kind: SlotKind.Datum } slot } && !reads.Contains(slot)) reads.Add(slot);
        return [.. reads];
    }
}

/// <summary>A kernel prepared when the plan was made.</summary>
internal sealed unsafe class KernelStep(Node node, Operand?[] inputs, Operand?[] outputs, Kernel kernel) : Step(node, inputs, outputs)
{
    internal Kernel Kernel { get; } = kernel;

    internal override string Implementation => Kernel.Name;

    internal override KernelStep OnCpu => this;

    /// <summary>What the kernel tells about its time.</summary>
    internal KernelFacts Facts { get; } = FactsOf(kernel);

    /// <summary>Its name, what it counts of its work, and into how many parts it is cut at most: so many workers have something to do.</summary>
    internal static KernelFacts FactsOf(Kernel kernel)
    {
        int most = 1;
        for (int phase = 0; phase < kernel.PhaseCount; phase++) most = Math.Max(most, kernel.BlockCount(phase));
        return Cpu.CpuKernels.FactsOf(kernel.Name, kernel.Work, most);
    }

    /// <summary>Where the addresses of the inputs, then of the outputs, stand in the run's pointer table.</summary>
    internal int TableStart { get; set; }

    /// <summary>Where the kernel's scratch lies; null where it needs none, or gets it from whoever runs the step.</summary>
    internal Slot? Scratch { get; set; }

    internal override void Run(StepRun run)
    {
        void** table = run.State.Table + TableStart;
        byte* scratch = Scratch is null ? run.Scratch(Kernel.ScratchBytes) : (byte*)run.State.Address(Scratch);
        run.RunKernel(Kernel.Current, new KernelArgs(table, Inputs.Length, table + Inputs.Length, Outputs.Length, scratch, null));
    }

    public override void Dispose()
    {
        Kernel.Dispose();
        base.Dispose();
    }
}

/// <summary>Copies a value that is a graph output but must live elsewhere too: an input, a constant, a view of another output.</summary>
internal sealed class CopyStep(Node node, Operand source, Operand target) : Step(node, [source], [target])
{
    internal override string Implementation => "copy";

    internal override void Run(StepRun run) =>
        RunMemory.CopyBytes((Tensor)run.State.Datum(Inputs[0]!.Value), (Tensor)run.State.Datum(Outputs[0]!.Value));
}
