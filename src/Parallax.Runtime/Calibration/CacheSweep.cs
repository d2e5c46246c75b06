using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Kernels;
using Parallax.Planning;
using Parallax.Runtime.Execution;
using Parallax.Runtime.Memory;

namespace Parallax.Runtime.Calibration;

/// <summary>Moves so much memory that little else stays in the caches of the workers, and of a device where there is one. Not thread-safe.</summary>
internal sealed unsafe class CacheSweep : IDisposable
{
    /// <summary>Fewer bytes of constants take no time worth the trouble.</summary>
    private const long ColdFrom = 1 << 16;

    /// <summary>Elements that the device reads, and as many that it writes: more than the caches of its own have, while the CPU sweeps what both share.</summary>
    private const long DeviceElements = 1 << 21;

    private const int LineBytes = 64;

    private readonly Reading kernel = new();
    private readonly BlockJob job = new();
    private readonly TimedRegion? onDevice;

    /// <param name="backend">Swept too; null where there is none.</param>
    internal CacheSweep(IBackend? backend) => onDevice = backend is null ? null : TimedRegion.TryCompile(backend, Copying());

    /// <summary>Whether an operator's constants are so many that it matters whether they come from a cache.</summary>
    internal static bool Matters(in StepWork work) => work.ColdBytes >= ColdFrom;

    /// <param name="workers">Of the CPU.</param>
    internal void Run(int workers)
    {
        onDevice?.Begin();
        WorkerPool.Shared.Run(kernel, default, workers, job);
        onDevice?.End();
    }

    /// <summary>Brings bytes into the cache of the calling thread.</summary>
    internal static void Touch(nint address, long bytes)
    {
        int sum = 0;
        for (long i = 0; i < bytes; i += LineBytes) sum += ((byte*)address)[i];
        Volatile.Write(ref sink, sum);
    }

    /// <summary>Makes the reads worth something to the compiler.</summary>
    private static int sink;

    private static Graph Copying()
    {
        var builder = new GraphBuilder("sweep");
        builder.Output("y", builder.Add("node", new Unary(UnaryFunction.Neg), builder.Input("x", new TensorFact(DType.Float32, [1, DeviceElements]))));
        return builder.Build();
    }

    public void Dispose()
    {
        onDevice?.Dispose();
        kernel.Dispose();
    }

    private sealed class Reading : Kernel
    {
        private const int Blocks = 64, BlockBytes = 1 << 19;

        private readonly NativeStorage memory = new((long)Blocks * BlockBytes);

        internal Reading() => System.Runtime.InteropServices.NativeMemory.Clear((void*)memory.Address, (nuint)memory.ByteCount);

        public override string Name => "sweep";

        public override int BlockCount(int phase) => Blocks;

        public override void RunBlock(int phase, int block, in KernelArgs args) => Touch(memory.Address + (nint)block * BlockBytes, BlockBytes);

        public override void Dispose()
        {
            memory.Dispose();
            base.Dispose();
        }
    }
}
