namespace Parallax.Kernels;

/// <summary>An entry of the convolution family: a way to compute some float32 convolutions.</summary>
public abstract unsafe class ConvAlgorithm
{
    public abstract string Name { get; }

    public abstract bool Supports(ConvProblem problem);

    /// <summary>Whether results are sums of products; otherwise they may be less accurate, by up to 5e-5 of the largest result.</summary>
    public virtual bool IsPrecise => true;

    /// <summary>What kernels for the best entry of the products are called, and their <see cref="Kernel.Work"/>, without preparing one; null where they compute no tiles.</summary>
    public (string Kernel, KernelWork Work)? Describe(ConvProblem problem) =>
        WorkOf(problem, GemmCatalog.Best) is { TileRows: > 0 } work ? (GemmCatalog.Best.NameOf(Name), work) : null;

    /// <summary>What a kernel for a problem counts of its work.</summary>
    internal virtual KernelWork WorkOf(ConvProblem problem, GemmMicroKernel entry) => default;

    /// <summary>Whether the weights must be known when the kernel is prepared.</summary>
    public virtual bool NeedsConstantWeights => false;

    /// <summary>Predicted microseconds on one core, good enough to rank the entries that support a problem.</summary>
    public abstract double PredictCost(ConvProblem problem);

    /// <summary>Weights in the order in which the entry reads them; the same for all input sizes and batches.</summary>
    public abstract PackedMatrix Pack(ConvProblem problem, float* weights, GemmMicroKernel entry);

    /// <summary>Prepares a kernel, which takes its own reference to the weights; null where they are computed.</summary>
    public abstract Kernel Create(ConvProblem problem, PackedMatrix? weights, GemmMicroKernel entry);

    /// <summary>Microseconds of a number of multiply-adds at a share of the peak of one core.</summary>
    private protected static double Multiplying(double work, double efficiency) => work / (efficiency * 2e3 * (int)GemmCatalog.Best.Width);

    /// <summary>The same of multiply-adds in tiles of the output channels; those of few rows wait for their loads.</summary>
    private protected static double MultiplyingTiles(ConvProblem problem, double work, double efficiency) => Multiplying(work / Math.Min(1, Math.Max(1, problem.GroupOutputs) / 4.0), efficiency);

    /// <summary>Microseconds to move elements through the cache.</summary>
    private protected static double Moving(long elements) => elements / 2e3;

    /// <summary>Multiply-adds, in whole rows of tiles and whole vectors, of the filters of each group and so many columns of each image.</summary>
    private protected static long MacsOf(ConvProblem problem, GemmMicroKernel entry, int columns, int depth) =>
        (long)problem.Batch * problem.Groups * entry.PaddedRows(problem.GroupOutputs) * entry.ComputedColumns(columns) * depth;

    /// <summary>The work of so many products over the channels, each of so many tiles, whose elements are transformed there and back; filters excepted.</summary>
    private protected static (long Macs, long Moves) Transformed(ConvProblem problem, GemmMicroKernel entry, int elements, int tiles) =>
        (elements * MacsOf(problem, entry, tiles, problem.GroupInputs), (long)problem.Batch * problem.Groups * elements * entry.ComputedColumns(tiles) * (problem.GroupInputs + problem.GroupOutputs));

    /// <summary>Microseconds of that, where each element takes as long as a number of multiply-adds.</summary>
    private protected static double PredictTransformed(ConvProblem problem, (long Macs, long Moves) work, double transform) =>
        MultiplyingTiles(problem, work.Macs, 0.8) + Multiplying(transform * work.Moves, 0.8);

    private protected static PackedMatrix PackGroups(ConvProblem problem, float* weights, GemmMicroKernel entry)
    {
        int depth = problem.Depth;
        return PackedMatrix.Pack(entry, isLeft: true, weights, problem.GroupOutputs, depth, depth, 1, problem.Groups, (long)problem.GroupOutputs * depth);
    }

    /// <summary>A plain copy, one filter behind the other.</summary>
    private protected static PackedMatrix PackFilters(ConvProblem problem, float* weights, GemmMicroKernel entry)
    {
        int depth = problem.Depth;
        return PackedMatrix.Pack(entry, isLeft: true, weights, 1, depth, depth, 1, problem.OutputChannels, depth);
    }
}

/// <summary>The float32 convolutions. Where several support a problem, the one that is predicted to be fastest is taken.</summary>
public static class ConvCatalog
{
    public static IReadOnlyList<ConvAlgorithm> Entries { get; } = [new Pointwise(), new Depthwise(), new Narrow(), new Winograd<WinogradF4>(), new Winograd<WinogradF2>(), new Winograd<WinogradF4Stride2>(), new WinogradSignal(), new Implicit(), new Direct()];

    /// <summary>The entry for a problem.</summary>
    /// <param name="constantWeights">Whether the weights are known when the kernel is prepared.</param>
    /// <param name="strict">Takes only entries that are as accurate as sums of products.</param>
    public static ConvAlgorithm Select(ConvProblem problem, bool constantWeights, bool strict = false) =>
        Entries.Where(entry => entry.Supports(problem) && (entry.IsPrecise || !strict) && (constantWeights || !entry.NeedsConstantWeights))
            .MinBy(entry => entry.PredictCost(problem))!;

    private sealed unsafe class Pointwise : ConvAlgorithm
    {
        public override string Name => "conv_f32_pointwise";

        public override bool Supports(ConvProblem problem) => problem.IsPointwise;

        public override double PredictCost(ConvProblem problem) => MultiplyingTiles(problem, WorkOf(problem, GemmCatalog.Best).Macs, 0.8);

        public override PackedMatrix Pack(ConvProblem problem, float* weights, GemmMicroKernel entry) => PackGroups(problem, weights, entry);

        public override Kernel Create(ConvProblem problem, PackedMatrix? weights, GemmMicroKernel entry)
        {
            int groups = problem.Groups;
            long[] Each(Func<int, int, long> offset) =>
                [.. Enumerable.Range(0, problem.Batch * groups).Select(i => offset(i / groups, i % groups))];
            var product = new GemmProblem(problem.GroupOutputs, problem.OutputPlane, problem.GroupInputs)
            {
                B = MatrixLayout.RowMajor(problem.InputStride),
                CRowStride = problem.OutputStride,
                ABatch = Each((_, group) => (long)group * problem.GroupOutputs * problem.GroupInputs),
                BBatch = Each((image, group) => problem.InputAt(image, group)),
                CBatch = Each((image, group) => problem.OutputAt(image, group * problem.GroupOutputs)),
                Bias = problem.HasBias ? new MatrixLayout(1, 0) : null,
                BiasBatch = Each((_, group) => group * problem.GroupOutputs),
                HasResidual = problem.HasResidual,
                ResidualAfterActivation = problem.ResidualAfterActivation,
                Activation = problem.Activation,
            };
            return new ConvAsGemm(Name, new GemmKernel(product, weights, null, entry, swapped: true), WorkOf(problem, entry));
        }

        internal override KernelWork WorkOf(ConvProblem problem, GemmMicroKernel entry) =>
            new(entry.NR, entry.MR, MacsOf(problem, entry, problem.OutputPlane, problem.GroupInputs), (long)problem.Batch * problem.InputChannels * problem.OutputPlane);
    }

    private sealed unsafe class Depthwise : ConvAlgorithm
    {
        public override string Name => "conv_f32_depthwise";

        public override bool Supports(ConvProblem problem) => problem.GroupInputs == 1 && problem.Axes.Length <= 3;

        public override double PredictCost(ConvProblem problem) =>
            Multiplying(problem.Work, 0.3) + Moving((long)problem.Batch * problem.OutputChannels * problem.InputPlane);

        public override PackedMatrix Pack(ConvProblem problem, float* weights, GemmMicroKernel entry) => PackFilters(problem, weights, entry);

        public override Kernel Create(ConvProblem problem, PackedMatrix? weights, GemmMicroKernel entry) =>
            new DepthwiseConv(problem, weights, entry.Width);
    }

    private sealed unsafe class Winograd<TTransform> : ConvAlgorithm where TTransform : struct, IWinogradTransform
    {
        public override string Name => $"conv_f32_{TTransform.Name}";

        public override bool IsPrecise => false;

        public override bool NeedsConstantWeights => true;

        public override bool Supports(ConvProblem problem) => problem.Axes.Length == 2 && problem.Axes.All(axis => axis is { Kernel: 3, Dilation: 1 } && axis.Stride == TTransform.Stride);

        public override double PredictCost(ConvProblem problem) => PredictTransformed(problem, Transformed(problem, GemmCatalog.Best), TTransform.Cost);

        public override PackedMatrix Pack(ConvProblem problem, float* weights, GemmMicroKernel entry) => WinogradWeights.Pack(default(PlaneFilters<TTransform>), problem, weights, entry);

        public override Kernel Create(ConvProblem problem, PackedMatrix? weights, GemmMicroKernel entry) =>
            WinogradConv.Create<TTransform>(this, problem, weights ?? throw new ArgumentNullException(nameof(weights), "the weights must be known"));

        internal override KernelWork WorkOf(ConvProblem problem, GemmMicroKernel entry)
        {
            (long macs, long moves) = Transformed(problem, entry);
            return new KernelWork(entry.NR * TTransform.Results * TTransform.Results, entry.MR, macs, moves + LateFilters.ElementsOf(default(PlaneFilters<TTransform>), problem));
        }

        private static (long Macs, long Moves) Transformed(ConvProblem problem, GemmMicroKernel entry) => Transformed(problem, entry, TTransform.Tile * TTransform.Tile, PlaneTiling.CountOf(problem, TTransform.Results));
    }

    private sealed unsafe class WinogradSignal : ConvAlgorithm
    {
        public override string Name => $"conv_f32_{SignalTransform.Name}";

        public override bool IsPrecise => false;

        public override bool NeedsConstantWeights => true;

        public override bool Supports(ConvProblem problem) => SignalTransform.AxisOf(problem) >= 0;

        public override double PredictCost(ConvProblem problem) => PredictTransformed(problem, Transformed(problem, GemmCatalog.Best), SignalTransform.Cost);

        public override PackedMatrix Pack(ConvProblem problem, float* weights, GemmMicroKernel entry) => WinogradWeights.Pack(new SignalFilters(problem.Taps), problem, weights, entry);

        public override Kernel Create(ConvProblem problem, PackedMatrix? weights, GemmMicroKernel entry) =>
            WinogradConv.CreateSignal(this, problem, weights ?? throw new ArgumentNullException(nameof(weights), "the weights must be known"));

        internal override KernelWork WorkOf(ConvProblem problem, GemmMicroKernel entry)
        {
            (long macs, long moves) = Transformed(problem, entry);
            return new KernelWork(entry.NR * SignalTransform.ResultsOf(problem.Taps), entry.MR, macs, moves + LateFilters.ElementsOf(new SignalFilters(problem.Taps), problem));
        }

        private static (long Macs, long Moves) Transformed(ConvProblem problem, GemmMicroKernel entry) => Transformed(problem, entry, SignalTransform.Tile, SignalTiling.LanesOf(problem));
    }

    private sealed unsafe class Implicit : ConvAlgorithm
    {
        public override string Name => "conv_f32_implicit";

        public override bool Supports(ConvProblem problem) => problem.Axes.Length <= 3;

        public override double PredictCost(ConvProblem problem)
        {
            KernelWork work = WorkOf(problem, GemmCatalog.Best);
            return MultiplyingTiles(problem, work.Macs, 0.75) + Moving(work.Moves);
        }

        public override PackedMatrix Pack(ConvProblem problem, float* weights, GemmMicroKernel entry) => PackGroups(problem, weights, entry);

        public override Kernel Create(ConvProblem problem, PackedMatrix? weights, GemmMicroKernel entry) => new ImplicitConv(this, problem, weights, entry);

        internal override KernelWork WorkOf(ConvProblem problem, GemmMicroKernel entry) => new(entry.NR, entry.MR, MacsOf(problem, entry, problem.OutputPlane, problem.Depth),
            ((long)problem.InputPlane + (long)problem.OutputPlane * problem.Taps) * problem.InputChannels * problem.Batch);
    }

    private sealed unsafe class Narrow : ConvAlgorithm
    {
        public override string Name => "conv_f32_narrow";

        public override bool NeedsConstantWeights => true;

        public override bool Supports(ConvProblem problem) => NarrowConv.Supports(problem);

        public override double PredictCost(ConvProblem problem)
        {
            KernelWork work = WorkOf(problem, GemmCatalog.Best);
            return Multiplying(work.Macs, 0.75) + 4 * Moving(work.Moves);
        }

        public override PackedMatrix Pack(ConvProblem problem, float* weights, GemmMicroKernel entry) =>
            PackedMatrix.Pack(entry, isLeft: false, weights, problem.OutputChannels, problem.Depth, problem.Depth, 1);

        public override Kernel Create(ConvProblem problem, PackedMatrix? weights, GemmMicroKernel entry) =>
            new NarrowConv(this, problem, weights ?? throw new ArgumentNullException(nameof(weights), "the weights must be known"), entry);

        internal override KernelWork WorkOf(ConvProblem problem, GemmMicroKernel entry)
        {
            int rows = problem.Batch * problem.OutputPlane;
            // A row takes as long as four, for its tile waits for the weights.
            return new KernelWork(entry.MR, entry.NR, (long)Math.Max(4, rows) * entry.PaddedColumns(problem.OutputChannels) * problem.Depth, (long)rows * (problem.Depth + problem.OutputChannels));
        }
    }

    private sealed unsafe class Direct : ConvAlgorithm
    {
        public override string Name => "conv_f32_direct";

        public override bool Supports(ConvProblem problem) => true;

        public override double PredictCost(ConvProblem problem) => problem.Work / 200.0;

        public override PackedMatrix Pack(ConvProblem problem, float* weights, GemmMicroKernel entry) => PackFilters(problem, weights, entry);

        public override Kernel Create(ConvProblem problem, PackedMatrix? weights, GemmMicroKernel entry) => new DirectConv<float>(problem, weights);
    }

    /// <summary>A product whose A is input 1 (the weights) and whose B is input 0.</summary>
    private sealed class ConvAsGemm(string name, Kernel product, KernelWork work) : Kernel
    {
        public override string Name => product.Name.Replace("gemm_f32", name, StringComparison.Ordinal);

        public override KernelWork Work { get; } = work;

        public override int BlockCount(int phase) => product.BlockCount(phase);

        public override long WorkerScratchBytes => product.WorkerScratchBytes;

        public override void RunBlock(int phase, int block, in KernelArgs args) => product.RunBlock(phase, block, args);

        public override void Dispose()
        {
            product.Dispose();
            base.Dispose();
        }
    }
}
