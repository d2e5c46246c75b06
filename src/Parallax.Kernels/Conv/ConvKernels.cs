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

    /// <summary>Prepares a kernel over the operands of a whole convolution that computes a <see cref="ConvProblem.Part"/> of it.</summary>
    /// <param name="packed">The weights of the part, packed for its problem; null where they are computed.</param>
    /// <param name="algorithm">The one of the whole, so that the bits are those of the whole.</param>
    public static Kernel CreatePart(ConvProblem whole, OutputPart part, PackedMatrix? packed, ConvAlgorithm algorithm, GemmMicroKernel? entry = null)
    {
        whole.Check();
        return new OffsetKernel(algorithm.Create(whole.Part(part), packed, packed?.Entry ?? entry ?? GemmCatalog.Best), whole.OffsetsOf(part), sizeof(float));
    }

    /// <summary>Prepares a float32 transposed convolution; <see cref="ConvTransposeProblem"/> is the contract. Constant weights are packed now.</summary>
    public static Kernel CreateTranspose(ConvTransposeProblem problem, float* weights = null, GemmMicroKernel? entry = null)
    {
        problem.Check();
        return new ConvTranspose(problem, weights, entry ?? GemmCatalog.Best);
    }

    /// <summary>Prepares a convolution of another element type; it has neither activation nor residual.</summary>
    /// <param name="part">What is computed; null for all.</param>
    public static Kernel CreateDirect<T>(ConvProblem problem, OutputPart? part = null) where T : unmanaged, INumber<T>
    {
        problem.Check();
        return part is { } some ? new OffsetKernel(new DirectConv<T>(problem.Part(some)), problem.OffsetsOf(some), sizeof(T)) : new DirectConv<T>(problem);
    }
}
