using System.Collections.Immutable;
using System.Diagnostics;
using System.Globalization;
using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Parallax.Kernels;
using Parallax.OpenCL;
using Parallax.OpenCL.Bindings;
using Parallax.OpenCL.Calls;
using Parallax.Runtime;
using Parallax.Runtime.Cpu;

namespace Parallax.Bench;

/// <summary>
/// Operators on the first OpenCL device and on one thread of the CPU, in turns, so that both meet the same machine: the shortest time of each. Where the device is
/// the processor itself, times are processor time of this process, which other processes change less; POCL_MAX_PTHREAD_COUNT=1 gives it one unit.
/// </summary>
internal static class DeviceComparison
{
    private const int Turns = 15;

    /// <param name="Constants">Positions of the inputs that are constants of the model.</param>
    /// <param name="Work">Operations of one run; 0: the bytes of the operands are what counts.</param>
    private sealed record Problem(string Name, Op Op, long[][] Inputs, int[] Constants, double Work);

    internal static void Run(string? filter)
    {
        if (ClDevice.All.IsEmpty) throw new DeviceException("no OpenCL device here");
        using var context = new ClContext(ClDevice.All[0]);
        Console.WriteLine($"{context.Device}, {context.Device.ComputeUnits} units, {context.Sharing}");
        foreach (Problem problem in Problems())
            if (filter is null || problem.Name.Contains(filter, StringComparison.OrdinalIgnoreCase)) Compare(problem, context);
    }

    private static IEnumerable<Problem> Problems()
    {
        foreach ((long m, long n, long k) in ((long, long, long)[])[(512, 512, 512), (1500, 384, 1536), (1500, 1536, 384), (128, 3072, 768), (77, 2048, 512), (1, 3072, 768)])
            yield return new Problem($"MatMul {m}x{n}x{k}", new MatMul(), [[m, k], [k, n]], [1], 2.0 * m * n * k);
        foreach ((string name, long groups, long inputs, long outputs, long size, long kernel, long stride) in ((string, long, long, long, long, long, long)[])
            [("Conv stem 3x3/2", 1, 3, 16, 320, 3, 2), ("Conv 3x3 wide", 1, 32, 32, 160, 3, 1), ("Conv 3x3", 1, 64, 64, 80, 3, 1), ("Conv 3x3 of 128", 1, 128, 128, 40, 3, 1), ("Conv 3x3 of 256", 1, 256, 256, 20, 3, 1),
             ("Conv 3x3/2", 1, 64, 128, 80, 3, 2), ("Conv 1x1", 1, 128, 128, 40, 1, 1), ("Conv 1x1 wide", 1, 48, 32, 160, 1, 1), ("Conv depthwise 3x3", 128, 128, 128, 40, 3, 1)])
        {
            var window = new SpatialWindow([], [stride, stride], [], [.. Enumerable.Repeat(kernel / 2, 4)]);
            yield return new Problem(name, new Graphs.Ops.Conv(window, groups), [[1, inputs, size, size], [outputs, inputs / groups, kernel, kernel], [outputs]], [1, 2],
                2.0 * outputs * (inputs / groups) * kernel * kernel * (size / stride) * (size / stride));
        }
        yield return new Problem("Attention 6x1500x64", new Attention(), [[1, 6, 1500, 64], [1, 6, 1500, 64], [1, 6, 1500, 64]], [], 4.0 * 6 * 1500 * 1500 * 64);
        long[] data = [1500, 384];
        foreach (UnaryFunction function in (UnaryFunction[])[UnaryFunction.Relu, UnaryFunction.Sigmoid, UnaryFunction.Exp, UnaryFunction.Gelu, UnaryFunction.Tanh])
            yield return new Problem($"{function}", new Unary(function), [data], [], 0);
        yield return new Problem("Add", new Binary(BinaryFunction.Add), [data, data], [], 0);
        yield return new Problem("Add a row", new Binary(BinaryFunction.Add), [data, [384]], [], 0);
        yield return new Problem("Transpose", new Transpose(), [data], [], 0);
        yield return new Problem("Transpose NCHW", new Transpose([0, 2, 3, 1]), [[1, 64, 80, 80]], [], 0);
        yield return new Problem("Softmax", new Softmax(SoftmaxKind.Softmax), [data], [], 0);
        yield return new Problem("Softmax 49", new Softmax(SoftmaxKind.Softmax), [[3072, 49]], [], 0);
        yield return new Problem("Softmax of columns", new Softmax(SoftmaxKind.Softmax, Axis: 0), [data], [], 0);
        yield return new Problem("LayerNormalization", new LayerNormalization(), [data, [384], [384]], [1, 2], 0);
        yield return new Problem("ReduceMean", new Reduce(ReduceKind.Mean), [data, [1]], [1], 0);
        yield return new Problem("MaxPool 5x5", new Pool(PoolKind.Max, new SpatialWindow([5, 5], [1, 1], [], [2, 2, 2, 2])), [[1, 128, 20, 20]], [], 0);
        yield return new Problem("Resize x2", new Resize(ResizeMode.Nearest) { Coordinates = ResizeCoordinates.Asymmetric, Rounding = ResizeRounding.Floor },
            [[1, 128, 40, 40], [0], [4]], [2], 0);
        yield return new Problem("Resize x2 linear", new Resize(ResizeMode.Linear), [[1, 128, 40, 40], [0], [4]], [2], 0);
    }

    private static void Compare(Problem problem, ClContext context)
    {
        using var weights = new WeightCache(Precision.Standard);
        var random = new Random(1);
        Tensor[] inputs = [.. problem.Inputs.Select((dims, i) => problem.Op is Reduce && i == 1 ? Tensor.From<long>([-1], dims) : problem.Op is Resize && i == 2 ? Tensor.From([1f, 1, 2, 2], dims) : Random(random, dims))];
        ImmutableArray<TensorFact?> facts = [.. inputs.Select((t, i) => problem.Constants.Contains(i) ? TensorFact.Of(t) : new TensorFact(t.DType, t.Shape))];
        var result = (TensorFact)problem.Op.Infer(new InferContext([.. facts], 1))[0];
        Tensor output = Tensor.Allocate(result.Type, result.Shape!.Value.ToArray());
        using Kernel kernel = CpuBindings.Find(problem.Op.GetType())!.Prepare!(problem.Op, new PrepareContext(facts, [result.WithoutContents()], weights));
        using var cpu = new CpuRun(kernel, inputs, output);
        using var device = new DeviceRun(context, problem.Op, facts, result.WithoutContents(), inputs, output, weights);
        double cpuTime = double.PositiveInfinity, deviceTime = double.PositiveInfinity;
        for (int turn = 0; turn < Turns; turn++)
        {
            cpuTime = Math.Min(cpuTime, Time(cpu.Run, context.Device));
            deviceTime = Math.Min(deviceTime, Time(device.Run, context.Device));
        }
        double work = problem.Work > 0 ? problem.Work : inputs.Sum(t => t.ByteCount) + output.ByteCount;
        string unit = problem.Work > 0 ? KernelCase.Operations : KernelCase.Bytes;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{problem.Name,-22} CPU {work / cpuTime * 1e-9,7:0.0}  device {work / deviceTime * 1e-9,7:0.0} {unit,-8} device / CPU {cpuTime / deviceTime,5:0.00}   {kernel.Name}"));
    }

    private static Tensor Random(Random random, long[] dims)
    {
        Tensor tensor = Tensor.Allocate(DType.Float32, dims);
        foreach (ref float element in tensor.Span<float>()) element = random.NextSingle() - 0.5f;
        return tensor;
    }

    private static double Time(Action run, ClDevice device)
    {
        if (device.Kind != ClDeviceKind.Cpu)
        {
            long start = Stopwatch.GetTimestamp();
            run();
            return Stopwatch.GetElapsedTime(start).TotalSeconds;
        }
        TimeSpan before = Environment.CpuUsage.TotalTime;
        run();
        Thread.Sleep(1); // the time of a thread that has not gone to sleep yet is counted late
        return Math.Max(1e-6, (Environment.CpuUsage.TotalTime - before).TotalSeconds);
    }

    /// <summary>A kernel on this thread.</summary>
    private sealed unsafe class CpuRun(Kernel kernel, Tensor[] inputs, Tensor output) : IDisposable
    {
        private readonly Tensor scratch = Tensor.Allocate(DType.UInt8, [kernel.ScratchBytes]), workerScratch = Tensor.Allocate(DType.UInt8, [kernel.WorkerScratchBytes]);

        internal void Run()
        {
            void** addresses = stackalloc void*[inputs.Length + 1];
            for (int i = 0; i < inputs.Length; i++) addresses[i] = (void*)inputs[i].Address;
            addresses[inputs.Length] = (void*)output.Address;
            var args = new KernelArgs(addresses, inputs.Length, addresses + inputs.Length, 1, (byte*)scratch.Address, (byte*)workerScratch.Address);
            for (int phase = 0; phase < kernel.PhaseCount; phase++)
                for (int block = 0; block < kernel.BlockCount(phase); block++) kernel.RunBlock(phase, block, args);
        }

        public void Dispose()
        {
            scratch.Dispose();
            workerScratch.Dispose();
        }
    }

    /// <summary>A call on the device, in memory of its own.</summary>
    private sealed class DeviceRun : IDisposable
    {
        private readonly ClContext context;
        private readonly ClCall call;
        private readonly ClBuffer[] memory;
        private readonly ClAddress[] addresses;

        internal DeviceRun(ClContext context, Op op, ImmutableArray<TensorFact?> facts, TensorFact result, Tensor[] inputs, Tensor output, WeightCache weights)
        {
            this.context = context;
            call = ClBindings.Find(op.GetType())!.Prepare(op, new ClPrepareContext(facts, [result], context, weights));
            memory = [.. inputs.Append(output).Select(t => context.Allocate(t.ByteCount)), context.Allocate(call.ScratchBytes)];
            addresses = [.. memory.Select(buffer => (ClAddress)buffer)];
            for (int i = 0; i < inputs.Length; i++) context.Write(memory[i], inputs[i].Address, inputs[i].ByteCount);
        }

        internal void Run()
        {
            context.Enqueue(call, addresses.AsSpan(..^2), addresses.AsSpan(^2..^1), addresses[^1]);
            context.Finish();
        }

        public void Dispose()
        {
            foreach (ClBuffer buffer in memory) buffer.Dispose();
        }
    }
}
