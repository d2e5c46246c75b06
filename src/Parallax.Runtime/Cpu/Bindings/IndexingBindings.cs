using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Kernels;
using Parallax.Kernels.Indexing;
using Parallax.Runtime.Cpu.Hosts;

namespace Parallax.Runtime.Cpu.Bindings;

internal static class IndexingBindings
{
    internal static readonly Binding[] All =
    [
        Binding.Moving<Gather>(Take),
        Binding.Moving<GatherElements>(TakeElements),
        Binding.Moving<GatherND>(TakeTuples),
        Binding.Moving<ScatterElements>(PutElements),
        Binding.Moving<ScatterND>(PutTuples),
        Binding.Kernel<TensorScatter>(PutSteps),
        Binding.Moving<OneHot>(Mark),
        Binding.Kernel<TopK>(Best),
        Binding.Kernel<Cumulative>(Accumulate),
        Binding.Host<Compress>(CompressHost.Run),
        Binding.Host<NonZero>((_, x) => [NonZeroHost.Run(x.Tensor(0), x)]),
        Binding.Host<Unique>(UniqueHost.Run),
        Binding.Host<NonMaxSuppression>(NonMaxSuppressionHost.Run),
    ];

    private static bool IsNarrow(PrepareContext x, int input) => x.Type(input) switch
    {
        DType.Int32 => true,
        DType.Int64 => false,
        DType other => throw new InvalidModelException($"input {input} must hold int32 or int64, got {other}"),
    };

    private static (long Outer, long Length, long Inner) Around(long[] dims, int axis) =>
        (Shape.Count(dims.AsSpan(0, axis)), dims[axis], Shape.Count(dims.AsSpan(axis + 1)));

    private static Kernel Take(Gather op, PrepareContext x)
    {
        long[] dims = x.Dims(0);
        (long outer, long length, long inner) = Around(dims, ShapeRules.Axis(op.Axis, dims.Length));
        return new GatherKernel(outer, length, inner * x.Type(0).ElementBytes(), Shape.Count(x.Dims(1)), IsNarrow(x, 1));
    }

    private static Kernel TakeElements(GatherElements op, PrepareContext x)
    {
        int axis = CheckedAxis(op.Axis, x);
        return TypeDispatch.ForElement(x.Type(0), new GatherElementsFactory(x.Dims(1), x.Dims(0), axis, IsNarrow(x, 1)));
    }

    /// <summary>The axis of element-wise indices, which may be shorter than the data elsewhere, but not longer.</summary>
    private static int CheckedAxis(long given, PrepareContext x)
    {
        long[] data = x.Dims(0), indices = x.Dims(1);
        int axis = ShapeRules.Axis(given, data.Length);
        for (int i = 0; i < data.Length; i++)
            if (i != axis && indices[i] > data[i])
                throw new InvalidModelException($"indices of shape {Shape.ToString(indices)} reach beyond data of shape {Shape.ToString(data)} in axis {i}");
        return axis;
    }

    private static IndexTuples Tuples(PrepareContext x, int batchDims)
    {
        if (IsNarrow(x, 1)) throw new InvalidModelException("indices must be int64, got int32");
        return new IndexTuples(x.Dims(0).AsSpan(batchDims, (int)x.Dims(1)[^1]));
    }

    private static Kernel TakeTuples(GatherND op, PrepareContext x)
    {
        long[] data = x.Dims(0), indices = x.Dims(1);
        for (int i = 0; i < op.BatchDims; i++)
            if (data[i] != indices[i]) throw new InvalidModelException($"batch axis {i} of data {Shape.ToString(data)} and indices {Shape.ToString(indices)} differ");
        IndexTuples tuples = Tuples(x, op.BatchDims);
        long slice = Shape.Count(data.AsSpan(op.BatchDims + tuples.Depth)) * x.Type(0).ElementBytes();
        return new GatherNDKernel(tuples, Shape.Count(data.AsSpan(0, op.BatchDims)), Shape.Count(indices.AsSpan(op.BatchDims, indices.Length - 1 - op.BatchDims)), slice);
    }

    private static Kernel PutElements(ScatterElements op, PrepareContext x)
    {
        x.RequireSameType(2);
        int axis = CheckedAxis(op.Axis, x);
        bool narrow = IsNarrow(x, 1);
        if (!x.Dims(1).AsSpan().SequenceEqual(x.Dims(2))) throw new InvalidModelException($"updates must have the shape of the indices {Shape.ToString(x.Dims(1))}, got {Shape.ToString(x.Dims(2))}");
        return op.Reduction == ScatterReduction.Replace
            ? TypeDispatch.ForElement(x.Type(0), new ReplaceElementsFactory(x.Dims(1), x.Dims(0), axis, narrow))
            : TypeDispatch.ForNumber(x.Type(0), new ScatterElementsFactory(NameOf(op.Reduction), x.Dims(1), x.Dims(0), axis, narrow));
    }

    private static string NameOf(ScatterReduction reduction) => reduction.ToString().ToLowerInvariant();

    private static Kernel PutTuples(ScatterND op, PrepareContext x)
    {
        x.RequireSameType(2);
        IndexTuples tuples = Tuples(x, 0);
        long[] indices = x.Dims(1);
        long count = Shape.Count(indices.AsSpan(0, indices.Length - 1)), slice = Shape.Count(x.Dims(0).AsSpan(tuples.Depth));
        return op.Reduction == ScatterReduction.Replace
            ? TypeDispatch.ForElement(x.Type(0), new ReplaceNDFactory(tuples, count, slice))
            : TypeDispatch.ForNumber(x.Type(0), new ScatterNDFactory(NameOf(op.Reduction), tuples, count, slice));
    }

    private static Kernel PutSteps(TensorScatter op, PrepareContext x)
    {
        long[] past = x.Dims(0);
        int axis = ShapeRules.Axis(op.Axis, past.Length);
        x.RequireSameType(1);
        if (x.Has(2)) x.Require(2, DType.Int64, past[0]);
        return new TensorScatterKernel(past[0], Shape.Count(past.AsSpan(1, axis - 1)), past[axis], x.Dims(1)[axis],
            Shape.Count(past.AsSpan(axis + 1)) * x.Type(0).ElementBytes(), op.Circular, x.Has(2));
    }

    private static Kernel Mark(OneHot op, PrepareContext x)
    {
        long[] dims = x.OutputDims(0);
        x.Require(2, x.Type(2), 2);
        (long outer, long depth, long inner) = Around(dims, ShapeRules.Axis(op.Axis, dims.Length));
        return TypeDispatch.ForNumber(x.Type(0), new OneHotFactory(x.Type(2).ElementBytes(), outer, depth, inner));
    }

    private static Kernel Best(TopK op, PrepareContext x)
    {
        long[] dims = x.Dims(0);
        int axis = ShapeRules.Axis(op.Axis, dims.Length);
        (long outer, long length, long inner) = Around(dims, axis);
        x.TryGetInts(1, out long[] k);
        return TypeDispatch.ForNumber(x.Type(0), new TopKFactory(outer, length, inner, k[0], op.Largest));
    }

    private static Kernel Accumulate(Cumulative op, PrepareContext x)
    {
        long[] dims = x.Dims(0);
        x.Require(1, x.Type(1), 1);
        int? axis = x.TryGetInts(1, out long[] given) ? ShapeRules.Axis(given[0], dims.Length) : null;
        return TypeDispatch.ForNumber(x.Type(0), new CumulativeFactory(op.Kind == CumulativeKind.Product, dims, axis, IsNarrow(x, 1), op.Exclusive, op.Reverse));
    }
}
