using System.Diagnostics;
using System.Runtime.InteropServices;
using Parallax.Graphs;
using Parallax.Kernels;
using Parallax.Planning;
using Parallax.Runtime.Cpu;
using Parallax.Runtime.Execution;
using Parallax.Runtime.Memory;

namespace Parallax.Runtime.Calibration;

/// <summary>
/// The CPU's kernels, as a step of a session runs them. Constants are read once in a run of a network: they are put out of the caches before each run, and
/// what another operator would have written just before is brought back.
/// </summary>
internal sealed class CpuTimedDevice(int workers) : ITimedDevice, IDisposable
{
    /// <summary>What takes less is run several times between two looks at the clock.</summary>
    private const double ClockUs = 5;

    private const int MaxRepeats = 64;

    private readonly CacheSweep sweep = new(null);

    public string Name => Placement.Cpu;

    public IReadOnlyList<int> Units { get; } = Calibrator.Counts(workers);

    public ITimedOperator? Prepare(Graph graph)
    {
        Node node = graph.Nodes.Single();
        if (node.Inputs.Concat(node.Outputs).Any(v => !v.IsNone && graph.TensorFact(v) is not { IsStatic: true })) return null;
        if (CpuBindings.Find(node.Op.GetType()) is not { Prepare: { } prepare } binding) return null;
        if (binding.UsesHost(graph.InputFacts(node).AsSpan(), [.. node.Outputs.Select(o => o.IsNone ? null : graph.Fact(o))])) return null;
        var weights = new WeightCache(Precision.Standard);
        Kernel kernel = prepare(node.Op, new PrepareContext([.. node.Inputs.Select(graph.TensorFact)], [.. node.Outputs.Select(graph.TensorFact)], weights));
        return new Operator(kernel, weights, graph, node, CacheSweep.Matters(StepWork.Of(graph, node)) ? sweep : null);
    }

    public void Dispose() => sweep.Dispose();

    private sealed unsafe class Operator : ITimedOperator
    {
        private readonly Kernel kernel;
        private readonly WeightCache weights;
        private readonly CacheSweep? sweep;
        private readonly Tensor?[] inputs, outputs;
        private readonly NativeStorage? scratch;
        private readonly void** table;
        private readonly BlockJob job = new();
        private readonly Tensor[] warm;
        private int repeats = 1;

        internal Operator(Kernel kernel, WeightCache weights, Graph graph, Node node, CacheSweep? sweep)
        {
            (this.kernel, this.weights, this.sweep) = (kernel, weights, sweep);
            Dictionary<ValueId, Tensor> data = CalibrationProblem.Data(graph).ToDictionary(d => d.Id, d => d.Tensor);
            inputs = [.. node.Inputs.Select(i => i.IsNone ? null : graph.Constant(i) ?? data[i])];
            outputs = [.. node.Outputs.Select(o => o.IsNone ? null : Tensor.Allocate(graph.TensorFact(o)!.Type, graph.TensorFact(o)!.Shape!.Value.ToArray()))];
            warm = [.. outputs.OfType<Tensor>(), .. data.Values];
            if (kernel.ScratchBytes > 0) scratch = new NativeStorage(kernel.ScratchBytes);
            table = (void**)NativeMemory.Alloc((nuint)(inputs.Length + outputs.Length + 1), (nuint)sizeof(void*));
            KernelRun.FillTable<Tensor>(table, inputs, outputs);
            Kernel = KernelStep.FactsOf(kernel);
        }

        public KernelFacts Kernel { get; }

        public bool Occupies(int units) => units <= Kernel.Groups;

        public double RunUs(int units)
        {
            if (sweep is not null)
            {
                sweep.Run(units);
                foreach (Tensor tensor in warm) CacheSweep.Touch(tensor.Address, tensor.ByteCount);
            }
            var args = new KernelArgs(table, inputs.Length, table + inputs.Length, outputs.Length, scratch is null ? null : (byte*)scratch.Address, null);
            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < repeats; i++) WorkerPool.Shared.Run(kernel, args, units, job);
            double us = Math.Max(1, Stopwatch.GetTimestamp() - start) * 1e6 / Stopwatch.Frequency / repeats;
            if (sweep is null) repeats = (int)Math.Clamp(ClockUs / us, 1, MaxRepeats);
            KernelRun.KeepAlive<Tensor>(inputs);
            KernelRun.KeepAlive<Tensor>(outputs);
            return us;
        }

        public void Dispose()
        {
            kernel.Dispose();
            weights.Dispose();
            scratch?.Dispose();
            NativeMemory.Free(table);
            foreach (Tensor tensor in warm) tensor.Dispose();
        }
    }
}
