using System.Numerics;

namespace Parallax.Kernels;

/// <summary>Prepares convolutions; <see cref="ConvProblem"/> is the contract.</summary>
public static unsafe class ConvKernels
{
    /// <summary>Prepares a float32 convolution; constant weights are packed now and need not stay valid.</summary>
    /// <param name="weights">The contents of input 1 where they are constant; otherwise null.</param>
    /// <param name="algorithm">An entry of <see cref="ConvCatalog"/> that supports the problem; null for the one that is predicted to be fastest.</param>
    /// <param name="entry">A supported entry of <see cref="GemmCatalog"/>; null for the best.</param>
    public static Kernel Create(ConvProblem problem, float* weights = null, ConvAlgorithm? algorithm = null, GemmMicroKernel? entry = null)
    {
        problem.Check();
        algorithm ??= ConvCatalog.Select(problem, weights != null);
        using PackedMatrix? packed = weights == null ? null : algorithm.Pack(problem, weights, entry ?? GemmCatalog.Best);
        return algorithm.Create(problem, packed, entry ?? GemmCatalog.Best);
    }

    /// <summary>Prepares a float32 convolution over weights that <see cref="ConvAlgorithm.Pack"/> of the same algorithm packed, which it shares.</summary>
    /// <param name="packed">Null where the weights are computed.</param>
    public static Kernel Create(ConvProblem problem, PackedMatrix? packed, ConvAlgorithm algorithm)
    {
        problem.Check();
        return algorithm.Create(problem, packed, packed?.Entry ?? GemmCatalog.Best);
    }

    /// <summary>Prepares a kernel over the operands of a whole convolution that computes some of its channels: see <see cref="ConvProblem.Channels"/>.</summary>
    /// <param name="packed">The weights of the part, packed for its problem; null where they are computed.</param>
    /// <param name="algorithm">The one of the whole, so that the bits are those of the whole.</param>
    public static Kernel CreatePart(ConvProblem whole, OutputPart part, PackedMatrix? packed, ConvAlgorithm algorithm, GemmMicroKernel? entry = null)
    {
        whole.Check();
        return Offset(algorithm.Create(whole.Channels(part), packed, packed?.Entry ?? entry ?? GemmCatalog.Best), whole, part, sizeof(float));
    }

    /// <summary>The first element of a part's weights.</summary>
    public static long WeightsAt(ConvProblem whole, OutputPart part) => part.First * whole.GroupInputs * whole.Taps;

    /// <summary>Prepares a float32 transposed convolution; <see cref="ConvTransposeProblem"/> is the contract. Constant weights are packed now.</summary>
    public static Kernel CreateTranspose(ConvTransposeProblem problem, float* weights = null, GemmMicroKernel? entry = null)
    {
        problem.Check();
        return new ConvTranspose(problem, weights, entry ?? GemmCatalog.Best);
    }

    /// <summary>Prepares a convolution of another element type; it has neither activation nor residual.</summary>
    /// <param name="part">The channels that are computed; null for all.</param>
    public static Kernel CreateDirect<T>(ConvProblem problem, OutputPart? part = null) where T : unmanaged, INumber<T>
    {
        problem.Check();
        return part is { } some ? Offset(new DirectConv<T>(problem.Channels(some)), problem, some, sizeof(T)) : new DirectConv<T>(problem);
    }

    private static OffsetKernel Offset(Kernel kernel, ConvProblem whole, OutputPart part, int elementBytes)
    {
        long input = whole.Groups > 1 ? whole.InputAt(0, (int)part.First / whole.GroupOutputs) : 0, output = whole.OutputAt(0, (int)part.First);
        return new OffsetKernel(kernel, [input * elementBytes, WeightsAt(whole, part) * elementBytes, part.First * elementBytes, output * elementBytes], output * elementBytes);
    }
}
