using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Parallax.Kernels;
using Parallax.Onnx;

namespace Parallax.Bench;

/// <summary>
/// What a session adds to its kernels: a chain of Sigmoids run by a session of one thread, and the same kernels called one after another over two buffers, a few
/// runs of each in turn.
/// </summary>
internal static unsafe class ChainOverhead
{
    private const int Steps = 64, Rounds = 60, Turn = 5, WarmUpMs = 1000;
    private static readonly long[] Counts = [1 << 10, 1 << 13, 1 << 16, 1 << 20];

    internal static void Print(TextWriter output)
    {
        output.WriteLine($"{Steps} Sigmoids one after another, one thread; medians of {Rounds} turns of {Turn} runs");
        output.WriteLine("elements  kernels us  session us  overhead %  us per step");
        foreach (long count in Counts)
        {
            (double kernels, double session, double ratio) = Measure(count);
            output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{count,8}  {kernels,10:0.0}  {session,10:0.0}  {100 * (ratio - 1),10:0.00}  {kernels * (ratio - 1) / Steps,11:0.000}"));
        }
    }

    private static (double KernelsUs, double SessionUs, double Ratio) Measure(long count)
    {
        using var session = new InferenceSession(Chain(count), new SessionOptions { Threads = 1, DeviceProfile = "none" });
        Tensor x = Tensor.Allocate(DType.Float32, [count]), y = Tensor.Allocate(DType.Float32, [count]);
        x.Span<float>().Fill(0.5f);
        var inputs = new Dictionary<string, Datum> { ["x"] = x };
        var outputs = new Dictionary<string, Tensor> { ["y"] = y };
        using Kernel kernel = UnaryKernels.Create(UnaryFunction.Sigmoid, DType.Float32, count);
        void* first = NativeMemory.AlignedAlloc((nuint)count * sizeof(float), 64), second = NativeMemory.AlignedAlloc((nuint)count * sizeof(float), 64);
        try
        {
            Action bySession = () => session.Run(inputs, outputs), byKernels = () => RunKernels(kernel, x, y, first, second);
            for (var time = Stopwatch.StartNew(); time.ElapsedMilliseconds < WarmUpMs;)
            {
                bySession();
                byKernels();
            }
            double[] kernels = new double[Rounds], sessions = new double[Rounds];
            for (int round = 0; round < Rounds; round++)
            {
                kernels[round] = TurnUs(byKernels);
                sessions[round] = TurnUs(bySession);
            }
            return (Median(kernels), Median(sessions), Median([.. sessions.Zip(kernels, (s, k) => s / k)]));
        }
        finally
        {
            NativeMemory.AlignedFree(first);
            NativeMemory.AlignedFree(second);
        }
    }

    private static void RunKernels(Kernel kernel, Tensor x, Tensor y, void* first, void* second)
    {
        void** addresses = stackalloc void*[2];
        addresses[0] = (void*)x.Address;
        for (int step = 0; step < Steps; step++)
        {
            addresses[1] = step == Steps - 1 ? (void*)y.Address : step % 2 == 0 ? first : second;
            var args = new KernelArgs(addresses, 1, addresses + 1, 1, null, null);
            for (int phase = 0; phase < kernel.PhaseCount; phase++)
                for (int block = 0; block < kernel.BlockCount(phase); block++)
                    kernel.RunBlock(phase, block, args);
            addresses[0] = addresses[1];
        }
        GC.KeepAlive(x);
        GC.KeepAlive(y);
    }

    /// <summary>The median of a turn, after one run that brings its memory into the caches.</summary>
    private static double TurnUs(Action run)
    {
        run();
        Span<double> times = stackalloc double[Turn];
        foreach (ref double time in times)
        {
            long start = Stopwatch.GetTimestamp();
            run();
            time = Stopwatch.GetElapsedTime(start).TotalMicroseconds;
        }
        return Median(times);
    }

    private static double Median(Span<double> values)
    {
        values.Sort();
        return values[values.Length / 2];
    }

    private static byte[] Chain(long count)
    {
        DimensionProto[] dims = [count];
        return new ModelProto
        {
            IrVersion = 8,
            OpsetImport = [new OperatorSetId("", 17)],
            Graph = new GraphProto
            {
                Name = "chain",
                Inputs = [new ValueInfoProto("x", new TensorTypeProto(DType.Float32, dims))],
                Outputs = [new ValueInfoProto("y", new TensorTypeProto(DType.Float32, dims))],
                Nodes = [.. Enumerable.Range(0, Steps).Select(i => new NodeProto { OpType = "Sigmoid", Inputs = [i == 0 ? "x" : $"v{i}"], Outputs = [i == Steps - 1 ? "y" : $"v{i + 1}"] })],
            },
        }.ToBytes();
    }
}
