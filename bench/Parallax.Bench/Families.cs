using Parallax.Kernels;
using Parallax.Kernels.Norm;
using Parallax.Kernels.Reduce;

namespace Parallax.Bench;

/// <summary>Matrix products of networks, on every entry of the catalog that this machine runs.</summary>
public class Gemm : KernelBenchmark
{
    private static readonly (int M, int N, int K)[] Products =
        [(512, 512, 512), (1500, 1536, 384), (128, 3072, 768), (77, 2048, 512), (16, 3072, 768), (4, 3072, 768), (1, 3072, 768), (1500, 64, 384)];

    protected override IEnumerable<KernelCase> Enumerate() =>
        from entry in GemmCatalog.Entries
        where entry.IsSupported
        from product in Products
        let problem = new GemmProblem(product.M, product.N, product.K)
        from isConstant in (bool[])[false, true]
        select new KernelCase(
            $"{entry} {product.M}x{product.N}x{product.K}{(isConstant ? " constant B" : "")}", () => Create(problem, entry, isConstant),
            [(long)product.M * product.K, (long)product.K * product.N], (long)product.M * product.N, 2.0 * product.M * product.N * product.K, KernelCase.Operations);

    private static unsafe Kernel Create(GemmProblem problem, GemmMicroKernel entry, bool isConstant)
    {
        if (!isConstant) return GemmKernels.Create(problem, entry: entry);
        fixed (float* b = KernelCase.Numbers((long)problem.K * problem.N)) return GemmKernels.Create(problem, constantB: b, entry: entry);
    }
}

/// <summary>Products of rows of 8-bit data with constant weights, as dynamically quantized networks have them, on every entry of the catalog that this machine runs.</summary>
public class IntegerProducts : KernelBenchmark
{
    private static readonly (int M, int N, int K)[] Products = [(128, 3072, 768), (128, 768, 3072), (16, 3072, 768), (1, 3072, 768), (3600, 144, 24)];

    protected override IEnumerable<KernelCase> Enumerate() =>
        from entry in IntegerCatalog.RowEntries
        where entry.IsSupported
        from product in Products
        select new KernelCase(
            $"{entry} {product.M}x{product.N}x{product.K}", () => Create(product.M, product.N, product.K, entry),
            // As bytes, four to an element.
            [((long)product.M * product.K + 3) / 4, 0, 1, 0, 1], (long)product.M * product.N, 2.0 * product.M * product.N * product.K, KernelCase.Operations);

    private static unsafe Kernel Create(int rows, int columns, int depth, IntegerMicroKernel entry)
    {
        byte[] b = new byte[(long)depth * columns];
        new Random(2).NextBytes(b);
        fixed (byte* weights = b)
        {
            using PackedIntegers packed = PackedIntegers.Pack(entry, isLeft: false, isSigned: true, weights, columns, depth, 1, columns);
            return QuantizedKernels.CreateScaledProduct(rows, columns, depth, aSigned: false, bSigned: true, bZero: 0, scalePerColumn: false, packed, entry);
        }
    }
}

/// <summary>Layers of networks, on every algorithm of the catalog that supports them.</summary>
public class Conv : KernelBenchmark
{
    private static readonly (string Name, int Groups, int Inputs, int Outputs, int Size, int Kernel, int Stride)[] Layers =
    [
        ("first 3x3/2", 1, 3, 16, 640, 3, 2), ("second 3x3/2", 1, 16, 32, 320, 3, 2), ("deep 3x3/2", 1, 128, 256, 40, 3, 2), ("3x3", 1, 64, 64, 40, 3, 1),
        ("wide 3x3", 1, 16, 16, 160, 3, 1), ("1x1", 1, 128, 128, 40, 1, 1), ("wide 1x1", 1, 32, 32, 160, 1, 1), ("depthwise 3x3", 128, 128, 128, 40, 3, 1),
    ];

    protected override IEnumerable<KernelCase> Enumerate() =>
        from layer in Layers
        let output = layer.Size / layer.Stride
        let pad = layer.Kernel / 2
        let axis = new WindowAxis(layer.Size, output, layer.Kernel, layer.Stride, 1, pad, pad - (layer.Stride - 1))
        let problem = new ConvProblem(1, layer.Groups, layer.Inputs, layer.Outputs, [axis, axis]) { Activation = Activation.Silu }
        from algorithm in ConvCatalog.Entries
        where algorithm.Supports(problem)
        select new KernelCase(
            $"{layer.Name}: {algorithm.Name}", () => Create(problem, algorithm),
            [(long)problem.InputChannels * problem.InputPlane, (long)problem.OutputChannels * problem.GroupInputs * problem.Taps],
            (long)problem.OutputChannels * problem.OutputPlane, 2.0 * problem.Work, KernelCase.Operations);

    private static unsafe Kernel Create(ConvProblem problem, ConvAlgorithm algorithm)
    {
        fixed (float* weights = KernelCase.Numbers((long)problem.OutputChannels * problem.GroupInputs * problem.Taps))
            return ConvKernels.Create(problem, weights, algorithm);
    }
}

/// <summary>Functions of each element, of data in the second-level cache and of data in memory.</summary>
public class Elementwise : KernelBenchmark
{
    private static readonly long[] Counts = [1 << 16, 1 << 22];

    protected override IEnumerable<KernelCase> Enumerate() =>
        Counts.SelectMany(count => (KernelCase[])
        [
            .. from function in (UnaryFunction[])[UnaryFunction.Relu, UnaryFunction.Sigmoid, UnaryFunction.Exp, UnaryFunction.Tanh, UnaryFunction.Erf]
               select KernelCase.Moving($"{function} {count}", () => UnaryKernels.Create(function, DType.Float32, count), [count], count),
            .. from function in (BinaryFunction[])[BinaryFunction.Add, BinaryFunction.Mul, BinaryFunction.Div]
               select KernelCase.Moving(
                   $"{function} {count}", () => BinaryKernels.Create(function, DType.Float32, new Broadcast([count], [count], [count])), [count, count], count),
        ]);
}

/// <summary>Softmax and normalization of rows, as attention and transformer blocks have them.</summary>
public class Rows : KernelBenchmark
{
    private static readonly (long Rows, int Count)[] Shapes = [(1500, 384), (616, 77), (64, 8400)];

    protected override IEnumerable<KernelCase> Enumerate() =>
        from shape in Shapes
        let count = shape.Rows * shape.Count
        let problem = new RowNormalization(shape.Rows, shape.Count, Centered: true, 1e-5)
        from @case in (KernelCase[])
        [
            KernelCase.Moving(
                $"Softmax {shape.Rows}x{shape.Count}", () => SoftmaxKernels.Create(SoftmaxKind.Softmax, DType.Float32, shape.Rows, shape.Count, 1), [count], count),
            KernelCase.Moving($"LayerNorm {shape.Rows}x{shape.Count}", () => NormKernels.Rows(DType.Float32, problem), [count, shape.Count], count),
        ]
        select @case;
}
