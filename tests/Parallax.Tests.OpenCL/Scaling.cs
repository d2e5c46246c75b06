using Parallax.Graphs.Ops;
using Parallax.Graphs;
using Parallax.OpenCL;
using Parallax.OpenCL.Bindings;
using Parallax.OpenCL.Calls;
using Parallax.Runtime.Cpu;
using Xunit;

namespace Parallax.Tests.OpenCL;

/// <summary>y = x + alpha where x is below -1/2, x - alpha above: the smallest whole use of a context, with an argument that tells calls apart.</summary>
internal sealed class Scaling(ClContext context, float alpha, int count) : IDisposable
{
    private readonly ClCall call = Prepare(context, alpha, count);
    private readonly ClBuffer memory = context.Allocate(2L * sizeof(float) * count);
    private readonly ClCompletion completion = new(context);
    private readonly float[] values = new float[count];

    internal ClCompletion Completion => completion;

    internal ClAddress Input => memory;

    internal ClAddress Output => new(memory, sizeof(float) * count);

    /// <summary>Everything that a run does. Allocates nothing.</summary>
    internal unsafe void Run()
    {
        Array.Fill(values, 1000f);
        fixed (float* x = values)
        {
            context.Write(Input, (nint)x, sizeof(float) * count);
            Start();
            completion.Wait();
            context.Read(Output, (nint)x, sizeof(float) * count);
        }
    }

    internal void Start()
    {
        ClAddress input = Input, output = Output;
        context.Enqueue(call, new ReadOnlySpan<ClAddress>(in input), new ReadOnlySpan<ClAddress>(in output));
        context.Signal(completion);
    }

    internal void AssertRight() => Assert.Equal(Enumerable.Repeat(1000f - alpha, count), values);

    private static ClCall Prepare(ClContext context, float alpha, int count)
    {
        var fact = new TensorFact(DType.Float32, [count]);
        var op = new Unary(UnaryFunction.Shrink, 0.5f, alpha);
        using var weights = new WeightCache();
        return ClBindings.Find(typeof(Unary))!.Prepare(op, new ClPrepareContext([fact], [fact], context, weights));
    }

    public void Dispose()
    {
        completion.Dispose();
        memory.Dispose();
    }
}
