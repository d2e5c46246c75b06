using System.Runtime.InteropServices;
using BenchmarkDotNet.Attributes;
using Parallax.Kernels;

namespace Parallax.Bench;

/// <summary>A kernel on one problem.</summary>
/// <param name="Inputs">Elements of each float32 input, by position.</param>
/// <param name="Work">Operations or bytes of one run, by <paramref name="Unit"/>.</param>
public sealed record KernelCase(string Name, Func<Kernel> Create, long[] Inputs, long Output, double Work, string Unit)
{
    public const string Operations = "GFLOP/s", Bytes = "GB/s";

    /// <summary>A case that moves as many bytes as its operands have.</summary>
    internal static KernelCase Moving(string name, Func<Kernel> create, long[] inputs, long output) =>
        new(name, create, inputs, output, sizeof(float) * (inputs.Sum() + output), Bytes);

    /// <summary>Seeded numbers for operands that are known when a kernel is prepared.</summary>
    internal static float[] Numbers(long count)
    {
        var random = new Random(2);
        return [.. Enumerable.Range(0, checked((int)count)).Select(_ => random.NextSingle() - 0.5f)];
    }

    public override string ToString() => Name;
}

/// <summary>A kernel family: each case is run on this thread, on seeded numbers.</summary>
public abstract unsafe class KernelBenchmark
{
    private const nuint Alignment = 64;
    private readonly List<nint> memory = [];
    private Kernel kernel = null!;
    private void** addresses;
    private byte* scratch, workerScratch;

    [ParamsSource(nameof(Cases))]
    public KernelCase Case { get; set; } = null!;

    public IEnumerable<KernelCase> Cases => Enumerate();

    protected abstract IEnumerable<KernelCase> Enumerate();

    [GlobalSetup]
    public void Prepare()
    {
        kernel = Case.Create();
        scratch = (byte*)Allocate(kernel.ScratchBytes);
        workerScratch = (byte*)Allocate(kernel.WorkerScratchBytes);
        addresses = (void**)Allocate((Case.Inputs.Length + 1) * sizeof(void*));
        var random = new Random(1);
        for (int i = 0; i < Case.Inputs.Length; i++)
        {
            addresses[i] = (void*)Allocate(Case.Inputs[i] * sizeof(float));
            foreach (ref float element in new Span<float>(addresses[i], checked((int)Case.Inputs[i]))) element = random.NextSingle() + 0.1f;
        }
        addresses[Case.Inputs.Length] = (void*)Allocate(Case.Output * sizeof(float));
    }

    [Benchmark]
    public void Run()
    {
        int inputs = Case.Inputs.Length;
        var args = new KernelArgs(addresses, inputs, addresses + inputs, 1, scratch, workerScratch);
        for (int phase = 0; phase < kernel.PhaseCount; phase++)
            for (int block = 0; block < kernel.BlockCount(phase); block++)
                kernel.RunBlock(phase, block, args);
    }

    [GlobalCleanup]
    public void Release()
    {
        kernel.Dispose();
        foreach (nint block in memory) NativeMemory.AlignedFree((void*)block);
        memory.Clear();
    }

    private nint Allocate(long bytes)
    {
        memory.Add((nint)NativeMemory.AlignedAlloc((nuint)Math.Max(bytes, 1), Alignment));
        return memory[^1];
    }
}
