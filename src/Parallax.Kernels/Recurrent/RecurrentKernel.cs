using System.Runtime.CompilerServices;

namespace Parallax.Kernels.Recurrent;

/// <summary>
/// The first phases multiply the inputs of all steps by W. In the last phase a block takes one direction and a few batch items through all steps:
/// h times R on the GEMM tiles, then the cell. Rows of gates and states are padded to whole tiles.
/// </summary>
internal sealed unsafe class RecurrentKernel<V> : Kernel where V : struct, IVec<V>
{
    private readonly RecurrentProblem problem;
    private readonly GemmMicroKernel entry;
    private readonly RecurrentWeights? weights;
    private readonly Kernel inputProduct;
    private readonly int gates, hidden, padded, itemsPerBlock, chunks;

    internal RecurrentKernel(RecurrentProblem problem, PackedMatrix? inputWeights, RecurrentWeights? weights, GemmMicroKernel entry)
    {
        (this.problem, this.weights, this.entry) = (problem, weights, entry);
        inputProduct = GemmKernels.Create(problem.InputProduct(), null, inputWeights, entry);
        (gates, hidden, padded) = (problem.Gates, problem.HiddenSize, entry.PaddedColumns(problem.HiddenSize));
        itemsPerBlock = Math.Max(1, Math.Min(entry.MR, problem.Batch));
        chunks = (problem.Batch + itemsPerBlock - 1) / itemsPerBlock;
    }

    public override string Name => $"{problem.Cell.ToString().ToLowerInvariant()}_float_{entry.Name}";

    public override int PhaseCount => inputProduct.PhaseCount + 1;

    public override int BlockCount(int phase) => phase < inputProduct.PhaseCount ? inputProduct.BlockCount(phase) : problem.Directions * chunks;

    public override long ScratchBytes => ProductBytes + inputProduct.ScratchBytes;

    private long ProductBytes => Vec.WholeLines((long)problem.Directions * problem.Steps * problem.Batch * gates * hidden * sizeof(float));

    public override long WorkerScratchBytes => Math.Max(inputProduct.WorkerScratchBytes, sizeof(float) * (WeightElements + Rows(gates) + Rows(1) * 3 + Line * (2 * gates + 3)));

    private long WeightElements => weights is null ? Vec.WholeLineElements(RecurrentWeights.Elements(entry, gates, hidden)) : 0;

    private long Line => LeftRows.Stride(padded);

    private int Stride => (int)Line;

    // A group of rows, one per item, of some gates.
    private long Rows(int count) => entry.MR * Line * count;

    private struct Cell
    {
        internal float* Weights, Gates, Hidden, State, Temp, InputBias, RecurrentBias, Peepholes;
        internal int Direction, First, Count;
    }

    public override void Dispose()
    {
        inputProduct.Dispose();
        base.Dispose();
    }

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        if (phase < inputProduct.PhaseCount)
        {
            void** inputs = stackalloc void*[2] { args.Input<float>(0), args.Input<float>(1) };
            void** outputs = stackalloc void*[1] { args.Scratch };
            inputProduct.RunBlock(phase, block, new KernelArgs(inputs, 2, outputs, 1, args.Scratch + ProductBytes, args.WorkerScratch));
            return;
        }
        Cell cell = Begin(block, args);
        for (int step = 0; step < problem.Steps; step++)
        {
            Multiply(cell, problem.Cell == RecurrentCell.Gru && !problem.LinearBeforeReset ? 2 : gates);
            for (int item = 0; item < cell.Count; item++)
                if (StepOf(cell, item, step, args) is var at and >= 0) AddInput(cell, item, at, args);
            if (problem.Cell == RecurrentCell.Gru) Gru(cell);
            for (int item = 0; item < cell.Count; item++)
                if (StepOf(cell, item, step, args) is var at and >= 0) Finish(cell, item, at, args);
        }
        End(cell, args);
    }

    // The step of the data that an item takes; negative where its sequence is over.
    private int StepOf(in Cell cell, int item, int step, in KernelArgs args)
    {
        int length = problem.HasLengths ? Math.Clamp(args.Input<int>(4)[cell.First + item], 0, problem.Steps) : problem.Steps;
        return step >= length ? -1 : problem.Reversed[cell.Direction] ? length - 1 - step : step;
    }

    private Cell Begin(int block, in KernelArgs args)
    {
        (int direction, int chunk) = Math.DivRem(block, chunks);
        var cell = new Cell { Direction = direction, First = chunk * itemsPerBlock, Count = Math.Min(itemsPerBlock, problem.Batch - chunk * itemsPerBlock) };
        float* at = (float*)args.WorkerScratch;
        cell.Weights = weights is null ? at : weights.Data + direction * RecurrentWeights.Elements(entry, gates, hidden);
        if (weights is null) RecurrentWeights.Pack(entry, args.Input<float>(2) + (long)direction * gates * hidden * hidden, at, gates, hidden);
        cell.Gates = at + WeightElements;
        cell.Hidden = cell.Gates + Rows(gates);
        cell.State = cell.Hidden + Rows(1);
        cell.Temp = cell.State + Rows(1);
        cell.InputBias = cell.Temp + Rows(1);
        cell.RecurrentBias = cell.InputBias + gates * Line;
        cell.Peepholes = cell.RecurrentBias + gates * Line;
        new Span<float>(cell.Gates, (int)(Rows(gates) + Rows(1) * 3 + Line * (2 * gates + 3))).Clear();
        for (int g = 0; g < gates && problem.HasBias; g++)
        {
            float* bias = args.Input<float>(3) + ((long)direction * 2 * gates + g) * hidden;
            Copy(bias, cell.InputBias + g * Stride);
            Copy(bias + gates * hidden, cell.RecurrentBias + g * Stride);
        }
        for (int p = 0; p < 3 && problem.HasPeepholes; p++) Copy(args.Input<float>(7) + ((long)direction * 3 + p) * hidden, cell.Peepholes + p * Stride);
        for (int item = 0; item < cell.Count; item++)
        {
            long row = problem.StateRow(direction, cell.First + item) * hidden;
            if (problem.HasInitialHidden) Copy(args.Input<float>(5) + row, cell.Hidden + item * Stride);
            if (problem.HasInitialCell) Copy(args.Input<float>(6) + row, cell.State + item * Stride);
            if (problem.KeepsAll && problem.HasLengths) ClearOutputs(cell, item, args);
        }
        return cell;
    }

    private void Copy(float* source, float* target) => new ReadOnlySpan<float>(source, hidden).CopyTo(new Span<float>(target, hidden));

    private void ClearOutputs(in Cell cell, int item, in KernelArgs args)
    {
        for (int step = 0; step < problem.Steps; step++)
            new Span<float>(args.Output<float>(0) + problem.OutputRow(step, cell.Direction, cell.First + item) * hidden, hidden).Clear();
    }

    // Gates from 0 on: h times R.
    private void Multiply(in Cell cell, int count) => Multiply(cell, cell.Hidden, 0, count);

    private void Multiply(in Cell cell, float* rows, int firstGate, int endGate)
    {
        var run = entry.TileFor(cell.Count);
        Prefetcher nothing = Prefetcher.Nothing(rows);
        for (int g = firstGate; g < endGate; g++)
            for (int j = 0, panels; j < padded; j += panels * entry.NR)
            {
                float* panel = cell.Weights + ((nint)g * padded + j) * hidden, sums = cell.Gates + g * Stride + j;
                panels = cell.Count == 1 ? entry.PanelsAtOnce((padded - j) / entry.NR) : 1;
                if (panels > 1) entry.WideFor(panels, isShort: false)(hidden, rows, (byte*)panel, sizeof(float) * (nint)hidden * entry.NR, 1, sums, null);
                else run(hidden, rows, Stride, panel, entry.NR, sums, gates * Stride, null, 0, &nothing);
            }
    }

    // Adds the input's products and both biases, but for the GRU's candidate gate, whose recurrent part is kept apart.
    private void AddInput(in Cell cell, int item, int step, in KernelArgs args)
    {
        float* x = InputProducts(cell, item, step, args), row = cell.Gates + item * gates * Stride;
        int count = problem.Cell == RecurrentCell.Gru ? 2 : gates;
        for (int g = 0; g < count; g++)
        {
            GateMath<V>.Add(row + g * Stride, cell.InputBias + g * Stride, padded);
            GateMath<V>.Add(row + g * Stride, cell.RecurrentBias + g * Stride, padded);
            AddExact(row + g * Stride, x + g * hidden);
        }
    }

    private float* InputProducts(in Cell cell, int item, int step, in KernelArgs args) => (float*)args.Scratch
        + ((long)cell.Direction * problem.Steps * problem.Batch + problem.InputRow(step, cell.First + item)) * gates * hidden;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void AddExact(float* target, float* source)
    {
        int i = 0;
        for (; i <= hidden - V.Count; i += V.Count) V.Store(target + i, V.Load(target + i) + V.Load(source + i));
        for (; i < hidden; i++) target[i] += source[i];
    }

    private CellActivation Function(in Cell cell, int index) => problem.Functions[cell.Direction * problem.FunctionsPerDirection + index];

    // z and r of all items; the reset state times R where the reset comes first.
    private void Gru(in Cell cell)
    {
        for (int item = 0; item < cell.Count; item++)
        {
            float* row = cell.Gates + item * gates * Stride;
            for (int g = 0; g < 2; g++) GateMath<V>.Apply(Function(cell, 0), problem.Clip, row + g * Stride, padded);
            if (!problem.LinearBeforeReset) GateMath<V>.Multiply(cell.Temp + item * Stride, row + Stride, cell.Hidden + item * Stride, padded);
        }
        if (!problem.LinearBeforeReset) Multiply(cell, cell.Temp, 2, 3);
    }

    private void Finish(in Cell cell, int item, int step, in KernelArgs args)
    {
        float* row = cell.Gates + item * gates * Stride, h = cell.Hidden + item * Stride;
        switch (problem.Cell)
        {
            case RecurrentCell.Rnn:
                GateMath<V>.Apply(Function(cell, 0), problem.Clip, row, padded);
                new ReadOnlySpan<float>(row, padded).CopyTo(new Span<float>(h, padded));
                break;
            case RecurrentCell.Lstm:
                Lstm(cell, row, h, cell.State + item * Stride, cell.Temp + item * Stride);
                break;
            default:
                Candidate(cell, row, h, InputProducts(cell, item, step, args));
                break;
        }
        if (problem.KeepsAll) new ReadOnlySpan<float>(h, hidden).CopyTo(new Span<float>(args.Output<float>(0) + problem.OutputRow(step, cell.Direction, cell.First + item) * hidden, hidden));
    }

    private void Candidate(in Cell cell, float* row, float* h, float* x)
    {
        float* candidate = row + 2 * Stride;
        GateMath<V>.Add(candidate, cell.RecurrentBias + 2 * Stride, padded);
        if (problem.LinearBeforeReset) GateMath<V>.Multiply(candidate, candidate, row + Stride, padded);
        GateMath<V>.Add(candidate, cell.InputBias + 2 * Stride, padded);
        AddExact(candidate, x + 2 * hidden);
        GateMath<V>.Apply(Function(cell, 1), problem.Clip, candidate, padded);
        GateMath<V>.Blend(h, row, candidate, padded);
    }

    // Gates i, o, f, c.
    private void Lstm(in Cell cell, float* row, float* h, float* c, float* temp)
    {
        float* i = row, o = row + Stride, f = o + Stride, candidate = f + Stride;
        CellActivation gate = Function(cell, 0);
        if (problem.HasPeepholes) GateMath<V>.AddProduct(i, cell.Peepholes, c, padded);
        GateMath<V>.Apply(gate, problem.Clip, i, padded);
        if (problem.InputForget)
        {
            GateMath<V>.OneMinus(f, i, padded);
        }
        else
        {
            if (problem.HasPeepholes) GateMath<V>.AddProduct(f, cell.Peepholes + 2 * Stride, c, padded);
            GateMath<V>.Apply(gate, problem.Clip, f, padded);
        }
        GateMath<V>.Apply(Function(cell, 1), problem.Clip, candidate, padded);
        GateMath<V>.Multiply(c, f, c, padded);
        GateMath<V>.AddProduct(c, i, candidate, padded);
        if (problem.HasPeepholes) GateMath<V>.AddProduct(o, cell.Peepholes + Stride, c, padded);
        GateMath<V>.Apply(gate, problem.Clip, o, padded);
        new ReadOnlySpan<float>(c, padded).CopyTo(new Span<float>(temp, padded));
        GateMath<V>.Apply(Function(cell, 2), 0, temp, padded);
        GateMath<V>.Multiply(h, o, temp, padded);
    }

    private void End(in Cell cell, in KernelArgs args)
    {
        for (int item = 0; item < cell.Count; item++)
        {
            long row = problem.StateRow(cell.Direction, cell.First + item) * hidden;
            if (problem.KeepsHidden) new ReadOnlySpan<float>(cell.Hidden + item * Stride, hidden).CopyTo(new Span<float>(args.Output<float>(1) + row, hidden));
            if (problem.KeepsCell) new ReadOnlySpan<float>(cell.State + item * Stride, hidden).CopyTo(new Span<float>(args.Output<float>(2) + row, hidden));
        }
    }
}
