using Parallax.OpenCL.Calls;

namespace Parallax.OpenCL.Bindings;

/// <summary>
/// A batch of float32 matrices rearranged so that products read it in order: panels of <paramref name="Width"/> columns, filled up with zeros, and in a panel
/// one row behind another. Strides are those of the source, in elements.
/// </summary>
internal sealed record ClPanels(long Columns, long Rows, int Width, long Matrices = 1)
{
    internal required long ColumnStride { get; init; }

    /// <summary>Row r lies at <c>r % InnerRows * RowStride + r / InnerRows * OuterRowStride</c>.</summary>
    internal required long RowStride { get; init; }

    internal long OuterRowStride { get; init; }

    internal long InnerRows { get; init; } = Math.Max(1, Rows);

    /// <summary>Matrix z begins at <c>z % InnerMatrices * MatrixStride + z / InnerMatrices * OuterMatrixStride</c>.</summary>
    internal long MatrixStride { get; init; }

    internal long OuterMatrixStride { get; init; }

    internal long InnerMatrices { get; init; } = Math.Max(1, Matrices);

    /// <summary>Elements from one panel to the next.</summary>
    internal long PanelElements => Rows * Width;

    /// <summary>Elements from one packed matrix to the next.</summary>
    internal long MatrixElements => (Columns + Width - 1) / Width * PanelElements;

    internal long ByteCount => Matrices * MatrixElements * sizeof(float);

    /// <summary>The packed form of an input, in float32: made once for the model where it is a constant, else by a launch into scratch memory, which is added.</summary>
    /// <param name="first">Elements of the input in front of the first matrix.</param>
    internal ClArg Of(ClPrepareContext x, int input, long first, ClSteps steps)
    {
        if (x.Constant(input) is { } constant) return x.Derived(constant, FormFrom(first), () => Pack(constant, first));
        ClArg packed = steps.Scratch(ByteCount);
        steps.Add(Launch(x, ClArg.Input(input, first * sizeof(float)), packed));
        return packed;
    }

    /// <summary>The packed form of a constant factor of products, made once for the model.</summary>
    /// <param name="first">Elements of the constant in front of the first matrix.</param>
    internal ClFactor Of(ClPrepareContext x, Tensor constant, long first) => x.Factor(constant, FormFrom(first), () => Pack(constant, first));

    /// <summary>Packs on the device.</summary>
    internal ClLaunch Launch(ClPrepareContext x, ClArg source, ClArg packed)
    {
        int span = x.HasVectors ? Width : 1;
        return new ClLaunch(x.Kernel("matrix", "pack_panels"), x.Over((Columns + Width - 1) / Width * Width / span, Rows, Matrices),
        [
            source, packed, ClArg.Int(Columns), ClArg.Int(Rows), ClArg.Int(InnerRows), ClArg.Int(Matrices), ClArg.Int(InnerMatrices), ClArg.Int(Width),
            ClArg.Int(ColumnStride), ClArg.Ints(RowStride, OuterRowStride), ClArg.Ints(MatrixStride, OuterMatrixStride), ClArg.Int(span),
        ]);
    }

    private string FormFrom(long first) => $"{this} from {first}";

    private Tensor Pack(Tensor source, long first)
    {
        Tensor packed = Tensor.Zeros(DType.Float32, [Matrices * MatrixElements]);
        ReadOnlySpan<float> from = source.Span<float>();
        Span<float> to = packed.Span<float>();
        for (long z = 0; z < Matrices; z++)
            for (long row = 0; row < Rows; row++)
            {
                long at = first + z % InnerMatrices * MatrixStride + z / InnerMatrices * OuterMatrixStride + row % InnerRows * RowStride + row / InnerRows * OuterRowStride;
                for (long column = 0; column < Columns; column++)
                    to[(int)(z * MatrixElements + column / Width * PanelElements + row * Width + column % Width)] = from[(int)(at + column * ColumnStride)];
            }
        return packed;
    }
}
