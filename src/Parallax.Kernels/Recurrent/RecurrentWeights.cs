namespace Parallax.Kernels.Recurrent;

/// <summary>R in panels for the GEMM tiles: each gate of each direction on its own, padded to whole panels.</summary>
public sealed unsafe class RecurrentWeights : IDisposable
{
    private readonly Storage storage;

    /// <param name="source">R [directions, gates * hidden, hidden].</param>
    public RecurrentWeights(float* source, int directions, int gates, int hiddenSize, GemmMicroKernel? entry = null)
    {
        Entry = entry ?? GemmCatalog.Best;
        long perDirection = Elements(Entry, gates, hiddenSize);
        storage = Storage.AllocateUninitialized(directions * perDirection * sizeof(float));
        for (int d = 0; d < directions; d++)
            Pack(Entry, source + (long)d * gates * hiddenSize * hiddenSize, (float*)storage.Address + d * perDirection, gates, hiddenSize);
    }

    internal GemmMicroKernel Entry { get; }

    internal float* Data => (float*)storage.Address;

    public void Dispose() => storage.Dispose();

    internal static long Elements(GemmMicroKernel entry, int gates, int hiddenSize) => (long)gates * entry.PaddedColumns(hiddenSize) * hiddenSize;

    internal static void Pack(GemmMicroKernel entry, float* source, float* target, int gates, int hiddenSize)
    {
        for (int g = 0; g < gates; g++)
            PackedMatrix.PackPanels(target + (long)g * entry.PaddedColumns(hiddenSize) * hiddenSize, entry, source + (long)g * hiddenSize * hiddenSize, hiddenSize, hiddenSize, hiddenSize, 1);
    }
}

/// <summary>Recurrent kernels for float32.</summary>
public static class RecurrentKernels
{
    /// <param name="inputWeights">W packed for <see cref="RecurrentProblem.InputProduct"/>; null where it is computed. Shared, not owned.</param>
    /// <param name="recurrentWeights">R packed; null where it is computed. Shared, not owned.</param>
    public static Kernel Create(RecurrentProblem problem, PackedMatrix? inputWeights = null, RecurrentWeights? recurrentWeights = null, GemmMicroKernel? entry = null)
    {
        entry ??= recurrentWeights?.Entry ?? GemmCatalog.Best;
        return entry.Width switch
        {
            VecWidth.V512 => new RecurrentKernel<Vec512>(problem, inputWeights, recurrentWeights, entry),
            VecWidth.V256 => new RecurrentKernel<Vec256>(problem, inputWeights, recurrentWeights, entry),
            VecWidth.V128 => new RecurrentKernel<Vec128>(problem, inputWeights, recurrentWeights, entry),
            _ => new RecurrentKernel<Vec1>(problem, inputWeights, recurrentWeights, entry),
        };
    }
}
