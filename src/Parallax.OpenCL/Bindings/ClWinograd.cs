using Parallax.Graphs.Ops;
using Parallax.Kernels;
using Parallax.OpenCL.Calls;
using Parallax.Runtime;

namespace Parallax.OpenCL.Bindings;

/// <summary>
/// A convolution of 3x3 taps without strides by F(4x4, 3x3): tiles of the input are transformed, 36 products over the channels replace the sums over taps, and the products are transformed
/// back into tiles of 4x4 results. Filters are transformed when the call is prepared. Results are off by up to 5e-5 of the largest.
/// </summary>
/// <param name="Outputs">Channels that are computed.</param>
internal sealed record ClWinograd(long Batch, long Inputs, long Outputs, PaddedPlanes Planes)
{
    private const int Results = 4, Products = 36;

    /// <summary>Multiply-adds of the products that take as long as transforming one element of a tile, there or back, and as one multiply-add of sums over padded planes.</summary>
    private const double TransformCost = 24, DirectCost = 1.25;

    /// <summary>What transformed inputs and products take at a time: on a processor, for each unit, less than its cache for data of its own; elsewhere little beside the device's memory.</summary>
    private const long BytesPerUnit = 768 << 10, MostBytes = 256 << 20;

    /// <summary>Elements behind a matrix, so that those of one place do not share sets of a cache.</summary>
    private const int Spread = 16;

    private WindowAxis Height => Planes.Height;

    private WindowAxis Width => Planes.Width;

    /// <summary>Tiles of a row, and one behind that keeps the next row's columns apart.</summary>
    private long TileColumns => (Width.Output + Results - 1) / Results + 1;

    private long TileRows => (Height.Output + Results - 1) / Results;

    private long Tiles => Batch * TileRows * TileColumns;

    /// <summary>Null where the convolution is not of this kind, its weights are not known, or results must be sums of products.</summary>
    /// <param name="outputs">Channels that are computed.</param>
    internal static ClWinograd? TryOf(Conv op, ClPrepareContext x, PaddedPlanes planes, long outputs)
    {
        if (op.Groups != 1 || x.Constant(1) is null || x.IsStrict) return null;
        if (planes is not { Height: { Kernel: 3, Stride: 1, Dilation: 1 }, Width: { Kernel: 3, Stride: 1, Dilation: 1 } }) return null;
        long[] dims = x.Dims(0);
        return Products * outputs * dims[1] > Array.MaxLength ? null : new ClWinograd(dims[0], dims[1], outputs, planes);
    }

    /// <summary>Whether it is predicted to take less time than sums of products over the padded planes.</summary>
    internal bool IsFaster(ClContext context)
    {
        ClTile tile = ClTile.For(context, Outputs, Tiles), direct = ClTile.For(context, Outputs, Planes.Places);
        double transformed = tile.PaddedRows(Outputs) * (double)Inputs + TransformCost * (Inputs + Outputs);
        return Products * tile.Cost(Tiles) * transformed < DirectCost * Batch * direct.Cost(Planes.Places) * direct.PaddedRows(Outputs) * Inputs * Planes.Taps;
    }

    internal ClCall Prepare(Conv op, ClPrepareContext x, OutputPart part)
    {
        ClTile tile = ClTile.For(x.Context, Outputs, Tiles);
        long most = x.HasVectors ? x.Context.Device.ComputeUnits * BytesPerUnit : MostBytes, ofTile = Products * (Inputs + Outputs) * sizeof(float);
        long padded = tile.PaddedColumns(Tiles), blocks = Math.Max(1, padded * ofTile / most), block = tile.PaddedColumns((padded + blocks - 1) / blocks);
        long inputMatrix = Inputs * block + Spread, productMatrix = Outputs * block + Spread;
        ClFinish finish = ClFinish.Of(op, x);
        long firstResult = Planes.FirstByteOf(part);
        ClArg filters = x.Derived(x.Constant(1)!, $"winograd4 of {part}", () => Filters(x.Constant(1)!, part));

        var steps = new ClSteps();
        ClArg transformed = steps.Scratch(Products * inputMatrix * sizeof(float)), products = steps.Scratch(Products * productMatrix * sizeof(float));
        for (long first = 0; first < padded; first += block)
        {
            long count = Math.Min(block, padded - first), vectors = count / x.Context.Lanes;
            steps.Add(new ClLaunch(x.VectorKernel("winograd", "winograd4_input"), x.OverVectors(vectors, Inputs),
            [
                ClArg.Input(0, Planes.FirstInput * sizeof(float)), transformed, ClArg.Int(Batch), ClArg.Int(Inputs), ClArg.Int(Planes.InputStride), ClArg.Ints(Height.Input, Width.Input), ClArg.Ints(Height.PadBegin, Width.PadBegin),
                ClArg.Ints(TileRows, TileColumns), ClArg.Int(first), ClArg.Int(count), ClArg.Int(tile.Width), ClArg.Int(inputMatrix),
            ]));
            steps.Add(new ClGemm(Outputs, count, Inputs)
            {
                Tile = tile,
                A = MatrixLayout.RowMajor(Inputs),
                B = new ClColumns(Inputs * tile.Width, tile.Width),
                CRowStride = block,
                Batch = [Products],
                ABatch = [Outputs * Inputs],
                BBatch = [inputMatrix],
                CBatch = [productMatrix],
            }.Launch(x, filters, transformed, ClArg.Input(0), ClArg.Input(0), products));
            steps.Add(new ClLaunch(x.VectorKernel("winograd", "winograd4_output", ClEpilogue.Options(op.Activation)), x.OverVectors(vectors, Outputs),
            [
                products, x.Has(2) ? ClArg.Input(2, part.First * sizeof(float)) : ClArg.Input(0), finish.HasResidual ? ClArg.Input(IFusible.ResidualInput, firstResult) : ClArg.Input(0),
                ClArg.Output(0, firstResult), ClArg.Int(Batch), ClArg.Int(Outputs), ClArg.Int(x.OutputDims(0)[1]), ClArg.Int(Planes.ResultStride), ClArg.Ints(Height.Output, Width.Output),
                ClArg.Ints(TileRows, TileColumns), ClArg.Int(first), ClArg.Int(count), ClArg.Int(block), ClArg.Int(productMatrix), ClArg.Int(finish.Flags(x.Has(2))), .. ClEpilogue.Args(op.Activation),
            ]));
        }
        return steps.ToCall();
    }

    /// <summary>Of the channels of a part, left operands of the products.</summary>
    private Tensor Filters(Tensor weights, OutputPart part)
    {
        Tensor filters = Tensor.Allocate(DType.Float32, [Products, Outputs, Inputs]);
        WinogradWeights.Transform(weights.Span<float>().Slice((int)(part.First * Inputs * 9), (int)(part.Count * Inputs * 9)), filters.Span<float>());
        return filters;
    }
}
