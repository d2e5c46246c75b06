using Parallax.Graphs.Ops;
using Parallax.Kernels.Resize;
using Parallax.OpenCL.Calls;
using Parallax.Runtime;
using Parallax.Runtime.Cpu;
using Parallax.Runtime.Cpu.Resampling;

namespace Parallax.OpenCL.Bindings;

/// <summary>The operators that take elements, or weighted sums of elements, from positions that are known when they are prepared.</summary>
internal static class TableBindings
{
    private const string Family = "tables";

    /// <summary>Of a table that stands for several axes.</summary>
    private const int MostPositions = 1 << 16;

    internal static readonly ClBinding[] All =
    [
        ClBinding.Of<Pad>(
            (_, x) => ClTypes.WhyNotMoved(x.Type(0)) ?? (x.Has(2) && x.Type(2) != x.Type(0) ? $"{x.Type(0)} filled up with {x.Type(2)} is not supported" : null),
            (op, x) => ClCall.Of(Place(CopyTables.Of(op, x), x))),
        ClBinding.Of<CenterCropPad>((_, x) => ClTypes.WhyNotMoved(x.Type(0)), (op, x) => ClCall.Of(Place(CopyTables.Of(op, x), x))),
        ClBinding.Of<Resize>(WhyNotResize, (op, x) => op.Mode == ResizeMode.Nearest ? ClCall.Of(Place(CopyTables.Of(op, x), x)) : Resample(op, x)),
    ];

    private static string? WhyNotResize(Resize op, OperandFacts x)
    {
        if (op.Mode != ResizeMode.Nearest) return OperandLimits.UnlessFloat32(x, 0);
        return ClTypes.WhyNotMoved(x.Type(0)) ?? (op.Extrapolation != 0 && x.Type(0) != DType.Float32 ? $"extrapolation of {x.Type(0)} is not supported" : null);
    }

    private static ClLaunch Place(CopyTables copy, ClPrepareContext x)
    {
        long[][] axes = copy.Axes.Length == 0 ? [[0]] : Merged(copy.Axes);
        var tables = new List<int>(axes[^1].Select(at => (int)at));
        foreach (long[] axis in axes[..^1].Reverse())
        {
            tables.Add(axis.Length);
            tables.AddRange(axis.Select(at => (int)at));
        }
        long rows = axes[..^1].Aggregate(1L, (count, axis) => count * axis.Length);
        byte[] zero = new byte[x.Type(0).ElementBytes()];
        ClArg fill = copy.FillInput >= 0 ? ClArg.Input(copy.FillInput) : x.Table<byte>(copy.FillValue ?? zero);
        return new ClLaunch(x.VectorKernel(Family, "place", ClTypes.MovedOption(x.Type(0))), x.OverRuns(axes[^1].Length, rows),
        [
            ClArg.Input(0), x.Table<int>(tables.ToArray()), fill, ClArg.Output(0), ClArg.Int(axes[^1].Length), ClArg.Int(rows), ClArg.Int(axes.Length - 1),
            ClArg.Int(Last(axes[^1])),
        ]);
    }

    /// <summary>What the kernel is told of the positions of the last axis.</summary>
    private static int Last(long[] axis)
    {
        if (axis.Any(at => at < 0)) return 0;
        for (int i = 0; i < axis.Length; i++)
            if (axis[i] != axis[0] + i / 2) return 1;
        return 2;
    }

    /// <summary>The same positions with fewer axes outside of the last: each costs a division in every row.</summary>
    private static long[][] Merged(long[][] axes)
    {
        var merged = new List<long[]>();
        foreach (long[] axis in axes[..^1])
            if (merged.Count > 0 && (long)merged[^1].Length * axis.Length <= MostPositions)
                merged[^1] = [.. merged[^1].SelectMany(outer => axis.Select(inner => outer < 0 || inner < 0 ? -1 : outer + inner))];
            else merged.Add(axis);
        return [.. merged, axes[^1]];
    }

    private static ClCall Resample(Resize op, ClPrepareContext x)
    {
        AxisWeights[] axes = [.. ResizeTables.Of(op, x).Select(t => t.Weights())];
        int[] order = AxisWeights.Order(axes);
        long[] dims = x.Dims(0);
        var steps = new ClSteps();
        ClArg source = ClArg.Input(0);
        if (order.Length == 0) order = [dims.Length - 1]; // nothing changes: one axis is enough to bring the elements over
        for (int i = 0; i < order.Length; i++)
        {
            AxisWeights axis = axes[order[i]];
            long outer = Shape.Count(dims.AsSpan(0, order[i])), inner = Shape.Count(dims.AsSpan(order[i] + 1));
            dims[order[i]] = axis.Length;
            ClArg target = i == order.Length - 1 ? ClArg.Output(0) : steps.Scratch(Shape.Count(dims) * sizeof(float));
            float[] weights = Array.ConvertAll(axis.Weights, w => (float)w), bias = axis.Bias.Length == 0 ? new float[axis.Length] : Array.ConvertAll(axis.Bias, b => (float)b);
            ClArg[] args =
            [
                source, x.Table<int>(axis.Indices), x.Table<float>(weights), x.Table<float>(bias), target,
                ClArg.Int(outer), ClArg.Int(axis.InLength), ClArg.Int(axis.Length),
            ];
            steps.Add(inner == 1
                ? new ClLaunch(x.VectorKernel(Family, "resample_last"), x.OverChunks(axis.Length, outer), [.. args, ClArg.Int(axis.Taps)])
                : new ClLaunch(x.VectorKernel(Family, "resample"), x.OverChunks(inner, axis.Length, outer), [.. args, ClArg.Int(inner), ClArg.Int(axis.Taps)]));
            source = target;
        }
        return steps.ToCall();
    }
}
