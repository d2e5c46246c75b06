using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Kernels;

namespace Parallax.Runtime.Cpu.Bindings;

internal static class QuantizationBindings
{
    internal static readonly Binding[] All =
    [
        Binding.Kernel<QuantizeLinear>((op, x) => QuantizeKernels.Quantize(Layout(x, op.Axis, op.BlockSize), x.Type(0), x.Type(1), x.OutputType(0), x.Has(2), op.Saturate)),
        Binding.Kernel<DequantizeLinear>((op, x) => QuantizeKernels.Dequantize(Layout(x, op.Axis, op.BlockSize), x.Type(0), x.Type(1), x.OutputType(0), x.Has(2))),
        Binding.Kernel<DynamicQuantizeLinear>((op, x) => new DynamicQuantizeKernel(Shape.Count(x.Dims(0)))),
        Binding.Kernel<IntegerMatMul>(PrepareMatMul),
        Binding.Kernel<IntegerConv>(PrepareConv),
        Binding.Kernel<ScaledIntegerMatMul>(PrepareScaled),
        Binding.Kernel<QuantizedBinary>((op, x) => QuantizedElementKernels.Binary(op.Function, new Broadcast(x.OutputDims(0), x.Dims(0), x.Dims(3)),
            x.Type(0) == DType.Int8, x.Type(3) == DType.Int8, x.OutputType(0) == DType.Int8, op.Range.Low, op.Range.High)),
        Binding.Kernel<QuantizedMean>((op, x) => QuantizedElementKernels.Mean(Shape.Count(x.Dims(0).AsSpan(..op.FirstAxis)), Shape.Count(x.Dims(0).AsSpan(op.FirstAxis..)),
            x.Type(0) == DType.Int8, x.OutputType(0) == DType.Int8)),
        Binding.Kernel<TableLookup>((_, x) => QuantizedElementKernels.Lookup(Shape.Count(x.Dims(0)))),
    ];

    private static QuantizationLayout Layout(PrepareContext x, long axis, long block)
    {
        long[] dims = x.Dims(0), scales = x.Dims(1);
        return QuantizationLayout.Of(dims, scales, block == 0 && Shape.Count(scales) == 1 ? 0 : ShapeRules.Axis(axis, dims.Length), block);
    }

    private static unsafe Kernel PrepareMatMul(IntegerMatMul op, PrepareContext x)
    {
        if (HasFixedRows(op, x)) return PrepareFixedRows(op, x);
        GemmProblem problem = GemmProblem.MatMul(x.Dims(0), x.Dims(op.B));
        QuantizedInputs inputs = !op.Requantizes ? QuantizedInputs.MatMulInteger(x.Has(2), x.Has(3))
            : x.Has(IntegerProduct.Bias) ? QuantizedInputs.BiasedMatMul(x.Has(IntegerProduct.BiasScale)) : QuantizedInputs.QLinearMatMul;
        QuantizedTypes types = Types(x, op, inputs, problem.M, problem.N);
        if (x.Constant(op.B) is not { Rank: <= 2 } b) return QuantizedKernels.CreateProduct(problem, types);
        PackedIntegers packed = x.Weights.GetOrAdd(b, "right", () =>
            PackedIntegers.Pack(IntegerCatalog.Best, isLeft: false, types.BSigned, (byte*)b.Address, problem.N, problem.K, problem.B.ColumnStride, problem.B.RowStride));
        return QuantizedKernels.CreateProduct(problem, types, packed);
    }

    /// <summary>Whether a product has rows of data and nothing else that is not constant, with zero points of the weights in the middle of their type: then it is a convolution of one tap with channels last.</summary>
    private static bool HasFixedRows(IntegerMatMul op, PrepareContext x)
    {
        if (!op.Requantizes || x.Constant(op.B) is not { Rank: 2 } b || x.Dims(0).Length < 2) return false;
        for (int i = 1; i < x.Inputs.Length; i++)
            if (x.Has(i) && x.Constant(i) is null) return false;
        return IntegerProduct.AreCentered(b, x.Constant(op.B + 2));
    }

    private static unsafe Kernel PrepareFixedRows(IntegerMatMul op, PrepareContext x)
    {
        Tensor b = x.Constant(op.B)!;
        (int depth, int columns) = checked(((int)b.Dims[0], (int)b.Dims[1]));
        long rows = Shape.Count(x.Dims(0).AsSpan(..^1));
        var problem = new ConvProblem(1, 1, depth, columns, [new WindowAxis(rows, rows, 1, 1, 1, 0, 0)]);
        QuantizedTypes types = Types(x, op, QuantizedInputs.QLinearConv(x.Has(IntegerProduct.Bias), x.Has(IntegerProduct.BiasScale)), columns, 1);
        return CreateConvLast(problem, types, x, PackRows(b, depth, columns, x));
    }

    /// <summary>A constant right operand for rows of data.</summary>
    private static unsafe PackedIntegers PackRows(Tensor b, int depth, int columns, PrepareContext x) => x.Weights.GetOrAdd(b, "right of rows", () =>
        PackedIntegers.Pack(IntegerCatalog.BestForRows, isLeft: false, b.DType == DType.Int8, (byte*)b.Address, columns, depth, 1, columns));

    private static unsafe Kernel PrepareConv(IntegerConv op, PrepareContext x)
    {
        long[] dims = op.ChannelsLast ? ChannelsLast.DimsFirst<long>(x.Dims(0)) : x.Dims(0), weights = x.Dims(op.B);
        var problem = new ConvProblem(checked((int)dims[0]), checked((int)op.Groups), checked((int)dims[1]), checked((int)weights[0]),
            Windows.Over(op.WindowOver(x.Inputs[op.B]!.Shape!.Value), dims));
        QuantizedInputs inputs = op.Requantizes ? QuantizedInputs.QLinearConv(x.Has(IntegerProduct.Bias), x.Has(IntegerProduct.BiasScale)) : QuantizedInputs.ConvInteger(x.Has(2), x.Has(3));
        QuantizedTypes types = Types(x, op, inputs, weights[0], 1);
        if (op.ChannelsLast) return PrepareConvLast(problem, types, x);
        if (x.Constant(op.B) is not { } constant || !QuantizedKernels.UsesPackedWeights(problem, types)) return QuantizedKernels.CreateConv(problem, types);
        PackedIntegers packed = x.Weights.GetOrAdd(constant, $"left groups {problem.Groups}", () => QuantizedKernels.PackWeights(problem, types, (byte*)constant.Address));
        return QuantizedKernels.CreateConv(problem, types, packed);
    }

    private static unsafe Kernel PrepareConvLast(ConvProblem problem, QuantizedTypes types, PrepareContext x)
    {
        Tensor weights = x.Constant(types.Inputs.A)!;
        return CreateConvLast(problem, types, x, !QuantizedKernels.UsesPackedWeightsLast(problem) ? null
            : x.Weights.GetOrAdd(weights, "right of rows", () => QuantizedKernels.PackWeightsLast(problem, types, (byte*)weights.Address)));
    }

    private static unsafe Kernel CreateConvLast(ConvProblem problem, QuantizedTypes types, PrepareContext x, PackedIntegers? weights)
    {
        void** inputs = stackalloc void*[x.Inputs.Length];
        for (int i = 0; i < x.Inputs.Length; i++) inputs[i] = x.Constant(i) is { } constant ? (void*)constant.Address : null;
        return QuantizedKernels.CreateConvLast(problem, types, new KernelArgs(inputs, x.Inputs.Length, null, 0, null, null), weights);
    }

    private static unsafe Kernel PrepareScaled(ScaledIntegerMatMul op, PrepareContext x)
    {
        Tensor b = x.Constant(1)!;
        (int depth, int columns) = checked(((int)b.Dims[0], (int)b.Dims[1]));
        int rows = checked((int)Shape.Count(x.Dims(0).AsSpan(..^1)));
        byte bZero = x.Has(3) ? *(byte*)x.Constant(3)!.Address : (byte)0;
        return QuantizedKernels.CreateScaledProduct(
            rows, columns, depth, x.Type(0) == DType.Int8, b.DType == DType.Int8, bZero, Shape.Count(x.Dims(ScaledIntegerMatMul.Scale)) != 1, PackRows(b, depth, columns, x));
    }

    private static QuantizedTypes Types(PrepareContext x, IntegerProduct op, QuantizedInputs inputs, long rows, long columns) => new(inputs)
    {
        ASigned = x.Type(inputs.A) == DType.Int8,
        BSigned = x.Type(inputs.B) == DType.Int8,
        YSigned = x.OutputType(0) == DType.Int8,
        AZeroPerRow = IsPerLane(x, inputs.AZero, rows),
        AScalePerRow = IsPerLane(x, inputs.AScale, rows),
        BZeroPerColumn = IsPerLane(x, inputs.BZero, columns),
        BScalePerColumn = IsPerLane(x, inputs.BScale, columns),
        BiasIsFloat = inputs.Bias >= 0 && x.Type(inputs.Bias) == DType.Float32,
        BiasScalePerLane = inputs.BiasScale >= 0 && Shape.Count(x.Dims(inputs.BiasScale)) != 1,
        Low = op.Range.Low,
        High = op.Range.High,
    };

    /// <summary>Whether a zero point or scale has one number per row or column, rather than one for all.</summary>
    private static bool IsPerLane(PrepareContext x, int input, long lanes)
    {
        if (input < 0 || Shape.Count(x.Dims(input)) == 1) return false;
        return Shape.Count(x.Dims(input)) == lanes
            ? true
            : throw new UnsupportedModelException($"input {input} must be a scalar or have {lanes} elements, got {x.Inputs[input]}", ["zero points and scales per matrix of a batch"]);
    }
}
