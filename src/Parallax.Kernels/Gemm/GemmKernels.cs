namespace Parallax.Kernels;

/// <summary>Prepares float32 matrix products; <see cref="GemmProblem"/> is the contract.</summary>
public static unsafe class GemmKernels
{
    /// <summary>Prepares a product; constant operands are packed now and need not stay valid.</summary>
    /// <param name="constantA">The contents of A where they are constant, laid out as the problem says; otherwise null.</param>
    /// <param name="entry">A supported entry of the catalog; null for the best.</param>
    public static Kernel Create(GemmProblem problem, float* constantA = null, float* constantB = null, GemmMicroKernel? entry = null)
    {
        using PackedMatrix? a = constantA == null ? null : PackA(problem, constantA, constantB != null || !CanSwap(problem), entry);
        using PackedMatrix? b = constantB == null ? null : PackB(problem, constantB, entry);
        return Create(problem, a, b, entry);
    }

    /// <summary>Prepares a product over packed constants, which the kernel shares: it takes a reference of its own.</summary>
    public static Kernel Create(GemmProblem problem, PackedMatrix? packedA, PackedMatrix? packedB, GemmMicroKernel? entry = null)
    {
        Check(problem, packedA, packedB, entry ?? GemmCatalog.Best);
        if (packedB is null && packedA is not { IsLeft: true } && CanSwap(problem))
            return new GemmKernel(Swap(problem), null, packedA, entry ?? GemmCatalog.Best, swapped: true);
        return new GemmKernel(problem, packedA, packedB, entry ?? GemmCatalog.Best, swapped: false);
    }

    /// <summary>
    /// As <see cref="Create(GemmProblem, PackedMatrix?, PackedMatrix?, GemmMicroKernel?)"/> over a B that may not be filled yet: what is made then reads B where it lies, as input 1,
    /// until it is settled.
    /// </summary>
    public static Kernel CreateDeferred(GemmProblem problem, PackedMatrix packedB)
    {
        Kernel packed = Create(problem, null, packedB, packedB.Entry);
        return packedB.IsFilled ? packed : new DeferredGemm((GemmKernel)packed, OnConstant(problem, packedB.Entry), packedB);
    }

    /// <summary>A product over a constant B that lies as it is.</summary>
    private static GemmKernel OnConstant(GemmProblem problem, GemmMicroKernel entry) => new(problem, null, null, entry, swapped: false, copiesRight: true);

    /// <summary>
    /// A constant B to be packed after the first run where that may read it as it lies: all of it, once, and with the same results. Null where that does not hold.
    /// </summary>
    /// <param name="source">Must stay valid until it is packed.</param>
    /// <param name="read">See <see cref="PackedMatrix.Pack"/>.</param>
    public static PackedMatrix? DeferB(GemmProblem problem, float* source, WeightForm form, Action<long, long> read, GemmMicroKernel? entry = null)
    {
        if (problem.M == 0 || problem.N <= 1 || problem.K == 0 || problem.BBatch is not null || problem.BatchCount > 1 || DotProducts.Suits(problem)) return null;
        bool isRowMajor = problem.B.ColumnStride == 1;
        if (!isRowMajor && problem.B.RowStride != 1) return null;
        // Whether short panels would do is known only when all elements are; a row or a column rules them out mostly.
        if (form == WeightForm.Short || (form == WeightForm.ShortIfExact && ShortFloats.AreRound(new ReadOnlySpan<float>(source, isRowMajor ? problem.N : problem.K)))) return null;
        entry ??= GemmCatalog.Best;
        using (GemmKernel direct = OnConstant(problem, entry))
            if (!direct.ReadsRightOnce) return null;
        return PackedMatrix.Defer(entry, source, problem.N, problem.K, problem.B.ColumnStride, problem.B.RowStride, read);
    }

    /// <summary>Makes a kernel over the operands of a whole product of one that computes a <see cref="GemmProblem.Part"/> of it.</summary>
    /// <param name="ofPart">Takes the operands of the part.</param>
    public static Kernel OfPart(Kernel ofPart, GemmProblem whole, OutputPart part, int elementBytes) => new OffsetKernel(ofPart, whole.OffsetsOf(part), elementBytes);

    /// <summary>Packs a constant A of a problem whose B is computed; a problem with another N can share it, unless one of the two is 1.</summary>
    public static PackedMatrix PackA(GemmProblem problem, float* source, GemmMicroKernel? entry = null) =>
        PackA(problem, source, !CanSwap(problem), entry);

    /// <summary>Packs a constant B of a problem; a problem with another M can share it.</summary>
    /// <param name="read">See <see cref="PackedMatrix.Pack"/>.</param>
    public static PackedMatrix PackB(GemmProblem problem, float* source, GemmMicroKernel? entry = null, WeightForm form = WeightForm.Float32, Action<long, long>? read = null)
    {
        (int count, long stride) = Matrices(problem.BBatch);
        return PackedMatrix.Pack(
            entry ?? GemmCatalog.Best, isLeft: false, source, problem.N, problem.K, problem.B.ColumnStride, problem.B.RowStride, count, stride, form, read);
    }

    private static PackedMatrix PackA(GemmProblem problem, float* source, bool isLeft, GemmMicroKernel? entry)
    {
        (int count, long stride) = Matrices(problem.ABatch);
        return PackedMatrix.Pack(entry ?? GemmCatalog.Best, isLeft, source, problem.M, problem.K, problem.A.RowStride, problem.A.ColumnStride, count, stride);
    }

    /// <summary>Whether a product with one column is better computed as one with a single row: the operands change sides.</summary>
    private static bool CanSwap(GemmProblem problem) =>
        problem.N == 1 && problem.WholeRows > 1 && problem.CRowStride == 1 && problem.Bias is not { RowStride: > 1 };

    /// <summary>How many different matrices a batch array names, and how far apart they lie; they are expected at equal distances.</summary>
    internal static (int Count, long Stride) Matrices(long[]? batch)
    {
        if (batch is null)
            return (1, 0);
        long[] distinct = [.. batch.Distinct().Order()];
        long stride = distinct.Length > 1 ? distinct[1] - distinct[0] : 0;
        for (int i = 0; i < distinct.Length; i++)
            if (distinct[i] != i * stride)
                throw new ArgumentException("the matrices of a constant operand must lie at equal distances from the first");
        return (distinct.Length, stride);
    }

    /// <summary>C as a row: C' = B' A'.</summary>
    private static GemmProblem Swap(GemmProblem problem) => problem with
    {
        M = 1,
        WholeRows = 1,
        N = problem.M,
        A = problem.B.Transpose(),
        B = problem.A.Transpose(),
        CRowStride = problem.M,
        ABatch = problem.BBatch,
        BBatch = problem.ABatch,
        Bias = problem.Bias is { } bias ? new MatrixLayout(0, bias.RowStride) : null,
    };

    private static void Check(GemmProblem problem, PackedMatrix? a, PackedMatrix? b, GemmMicroKernel entry)
    {
        if (problem.Bias is { ColumnStride: not (0 or 1) })
            throw new ArgumentException($"the column stride of a bias must be 0 or 1, got {problem.Bias.Value.ColumnStride}");
        if (a is not null && (a.Entry != entry || a.Lanes != problem.M || a.Depth != problem.K))
            throw new ArgumentException($"packed A is [{a.Lanes}x{a.Depth}] for {a.Entry.Name}, expected [{problem.M}x{problem.K}] for {entry.Name}");
        if (b is not null && (b.Entry != entry || b.IsLeft || b.Lanes != problem.N || b.Depth != problem.K))
            throw new ArgumentException($"packed B is [{b.Depth}x{b.Lanes}] for {b.Entry.Name}, expected [{problem.K}x{problem.N}] for {entry.Name}");
        int batch = problem.BatchCount;
        if ((problem.ABatch?.Length ?? batch) != batch || (problem.BBatch?.Length ?? batch) != batch || (problem.BiasBatch?.Length ?? batch) != batch)
            throw new ArgumentException("the batch arrays of a matrix product must have the same length");
    }
}

/// <summary>A batch of products over the engine.</summary>
internal sealed unsafe class GemmKernel : Kernel
{
    private readonly GemmProblem problem;
    private readonly PackedMatrix? packedA, packedB;
    private readonly GemmEngine? engine;
    private readonly DotProducts? dots;
    private readonly long packedAStride, packedBStride;
    private readonly int inputA, inputB;

    /// <param name="swapped">The problem's A is input 1, its B is input 0.</param>
    /// <param name="copiesRight">See <see cref="GemmEngine"/>.</param>
    internal GemmKernel(GemmProblem problem, PackedMatrix? packedA, PackedMatrix? packedB, GemmMicroKernel entry, bool swapped, bool copiesRight = false)
    {
        this.problem = problem;
        if (packedA is { IsLeft: false })
            throw new ArgumentException("A was packed for a product with one column");
        this.packedA = packedA?.AddReference();
        this.packedB = packedB?.AddReference();
        (inputA, inputB) = swapped ? (1, 0) : (0, 1);
        packedAStride = Math.Max(1, GemmKernels.Matrices(packedA is null ? null : problem.ABatch).Stride);
        packedBStride = Math.Max(1, GemmKernels.Matrices(packedB is null ? null : problem.BBatch).Stride);
        var epilogue = new Epilogue(entry.Width, problem.Activation, problem.Alpha, problem.Beta, problem.ResidualAfterActivation);
        if (packedA is null && packedB is null && DotProducts.Suits(problem))
            dots = new DotProducts(problem, entry.Width, epilogue);
        else
            engine = new GemmEngine(entry, problem.M, problem.N, problem.K, problem.BatchCount, epilogue,
                packedA is null ? problem.A : null, packedB is not null, problem.B.ColumnStride == 1, rightIsShort: packedB is { IsShort: true }, copiesRight: copiesRight);
        (Name, Work) = dots is null ? (entry.Name, new KernelWork(entry.MR, entry.NR)) : (dots.Name, default);
    }

    public override string Name { get; }

    public override KernelWork Work { get; }

    public override long WorkerScratchBytes => engine?.WorkerScratchBytes ?? 0;

    public override long ScratchBytes => sizeof(float) * problem.BatchCount * (engine?.SharedElements ?? 0);

    public override int PhaseCount => Packs ? 2 : 1;

    private bool Packs => engine is { PackBlocks: > 0 };

    private int BlocksPerProduct => engine is null ? dots!.Blocks : engine.MBlocks * engine.NBlocks;

    public override int BlockCount(int phase) => problem.BatchCount * (Packs && phase == 0 ? engine!.PackBlocks : BlocksPerProduct);

    public override bool CanRehearse => true;

    /// <summary>Whether no two blocks read the same columns of B.</summary>
    internal bool ReadsRightOnce => engine is { MBlocks: 1 };

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        bool packs = Packs && phase == 0;
        (int product, int part) = Math.DivRem(block, packs ? engine!.PackBlocks : BlocksPerProduct);
        GemmOperands operands = OperandsOf(product, args);
        if (engine is null)
            dots!.RunBlock(part, operands);
        else if (packs)
            engine.ShareLeft(part, operands);
        else
            engine.RunBlock(part / engine.NBlocks, part % engine.NBlocks, operands, args.WorkerScratch);
    }

    public override void Dispose()
    {
        packedA?.Dispose();
        packedB?.Dispose();
        base.Dispose();
    }

    private GemmOperands OperandsOf(int product, in KernelArgs args)
    {
        long a = problem.ABatch?[product] ?? 0, b = problem.BBatch?[product] ?? 0, c = problem.CBatch?[product] ?? 0;
        return new GemmOperands
        {
            A = packedA is null ? args.Input<float>(inputA) + a : null,
            B = packedB is null ? args.Input<float>(inputB) + b : null,
            C = args.Output<float>(0) + c,
            Bias = problem.Bias is null ? null : args.Input<float>(2) + (problem.BiasBatch?[product] ?? 0),
            Residual = problem.HasResidual ? args.Input<float>(3) + c : null,
            ARowStride = (nint)problem.A.RowStride,
            AColumnStride = (nint)problem.A.ColumnStride,
            BRowStride = (nint)problem.B.RowStride,
            BColumnStride = (nint)problem.B.ColumnStride,
            CStride = (nint)problem.CRowStride,
            BiasRowStride = (nint)(problem.Bias?.RowStride ?? 0),
            BiasColumnStride = (nint)(problem.Bias?.ColumnStride ?? 0),
            ResidualStride = (nint)problem.CRowStride,
            PackedA = packedA,
            PackedB = packedB,
            PackedAIndex = (int)(a / packedAStride),
            PackedBIndex = (int)(b / packedBStride),
            SharedA = (float*)args.Scratch + product * (nint)(engine?.SharedElements ?? 0),
        };
    }
}
