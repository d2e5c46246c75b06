using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Parallax.Graphs;
using Parallax.Kernels;
using Parallax.OpenCL.Calls;
using Parallax.Runtime;
using Parallax.Runtime.Cpu;

namespace Parallax.OpenCL.Bindings;

/// <summary>What a call is prepared from.</summary>
/// <param name="Context">The device that will run it.</param>
/// <param name="Weights">Shares what is derived from constants between the calls of a model.</param>
internal sealed record ClPrepareContext(ImmutableArray<TensorFact?> Inputs, ImmutableArray<TensorFact?> Outputs, ClContext Context, WeightCache Weights)
    : OperandFacts(Inputs, Outputs)
{
    /// <summary>What tables are filed under: they belong to no constant.</summary>
    private static readonly Tensor Tables = Tensor.Zeros(DType.UInt8, [0]);

    /// <summary>What an item with vectors computes: long enough to be worth its start, short enough to leave some for every unit.</summary>
    private const int ChunkElements = 2048, RunRows = 8;

    private const int GroupsPerUnit = 4, MostOfVectorGroup = 16;

    /// <summary>What is computed of the result where that is not all of it; products and convolutions alone take one.</summary>
    internal OutputPart? Part { get; init; }

    /// <summary>Sizes of work-groups that are taken instead of the rule's; null where the rule alone counts.</summary>
    internal ClWorkGroups? WorkGroups { get; init; }

    /// <summary>Whether results must be as accurate as sums of products.</summary>
    internal bool IsStrict => Weights.Precision == Precision.Strict;

    /// <summary>Whether constant factors of products are kept in 16 bits.</summary>
    internal bool KeepsShort => Weights.ProductForm == WeightForm.Short;

    /// <summary>Whether products with such factors are computed in half precision.</summary>
    internal bool MultipliesInHalf => Weights.Precision == Precision.Half && Context.Device.HasHalf;

    /// <summary>Whether the call is only to be looked at: no program is built for it, and nothing is brought to the device. It cannot run.</summary>
    internal bool IsSketch { get; init; }

    /// <summary>A kernel of a family.</summary>
    internal ClKernel Kernel(string family, string name, string options = "") => IsSketch ? new ClKernel(name, null) : Context.Program(family, options).Kernel(name);

    /// <summary>A grid of at least so many items, in work-groups of the usual size.</summary>
    internal ClGrid Over(long x, long y = 1, long z = 1) => ClGrid.Over(Context.Device, x, y, z);

    /// <summary>Whether items compute on vectors.</summary>
    internal bool HasVectors => Context.Lanes > 1;

    /// <summary>A kernel whose items compute on the device's vectors where it has them: <c>LANES</c>, <c>CHUNK</c> and <c>RUN</c> of common.cl.</summary>
    internal ClKernel VectorKernel(string family, string name, string options = "") =>
        Kernel(family, name, HasVectors ? $"-DLANES={Context.Lanes} -DCHUNK={Chunk} -DRUN={Run} {options}" : options);

    /// <summary>A grid of items that each compute vectors, where there are any: in work-groups so small that every unit gets several.</summary>
    internal ClGrid OverVectors(long x, long y = 1, long z = 1)
    {
        int group = ClGrid.UsualGroup;
        if (HasVectors) group = (int)Math.Clamp(x * y * z / (GroupsPerUnit * Context.Device.ComputeUnits), 1, MostOfVectorGroup);
        return ClGrid.Over(Context.Device, x, y, z, group);
    }

    /// <summary>A grid over rows of so many elements, an item for each chunk of one: <c>EACH</c> of common.cl.</summary>
    internal ClGrid OverChunks(long elements, long rows = 1, long planes = 1) => OverVectors((elements + Chunk - 1) / Chunk, rows, planes);

    /// <summary>The same where an item takes several rows: <c>EACH_RUN</c> of common.cl.</summary>
    internal ClGrid OverRuns(long elements, long rows) => OverChunks(elements, (rows + Run - 1) / Run);

    private int Chunk => HasVectors ? ChunkElements : 1;

    private int Run => HasVectors ? RunRows : 1;

    /// <summary>Numbers that a call reads, such as positions, in the device's memory; the same numbers are there once for the model.</summary>
    internal ClArg Table<T>(ReadOnlySpan<T> numbers) where T : unmanaged
    {
        if (IsSketch) return ClArg.Weight(null);
        byte[] bytes = MemoryMarshal.AsBytes(numbers).ToArray();
        return Derived(Tables, Convert.ToHexString(SHA256.HashData(bytes)), () => Tensor.From(bytes, [bytes.Length]));
    }

    /// <summary>A derived form of a constant in the device's memory, made once for the model.</summary>
    /// <param name="form">Names the form.</param>
    /// <param name="pack">Makes its bytes.</param>
    internal ClArg Derived(Tensor constant, string form, Func<Tensor> pack) => ClArg.Weight(IsSketch ? null : Weights.GetOrAdd(constant, $"context {Context.Number}: {form}", () =>
    {
        using Tensor packed = pack();
        return Context.Copy(packed);
    }));

    /// <summary>A derived form of a constant as a factor of products, in 16 bits where those are asked for.</summary>
    /// <param name="form">Names the form.</param>
    /// <param name="pack">Makes its float32 elements.</param>
    internal ClFactor Factor(Tensor constant, string form, Func<Tensor> pack)
    {
        if (!KeepsShort) return Derived(constant, form, pack);
        if (IsSketch) return ClFactor.Short(ClArg.Weight(null), 1);
        int top = ClFactor.TopExponentFor(MultipliesInHalf);
        return Weights.GetOrAdd(constant, $"context {Context.Number}: {form}, short up to exponent {top}", () =>
        {
            using Tensor packed = pack();
            return new ClWeights(Context, packed, top);
        }).Factor;
    }

    /// <summary>A constant as it is in the device's memory, made once for the model.</summary>
    internal ClBuffer Weight(Tensor constant) => Weights.GetOrAdd(constant, $"context {Context.Number}", () => Context.Copy(constant));
}
