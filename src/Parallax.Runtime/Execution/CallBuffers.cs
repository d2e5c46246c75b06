namespace Parallax.Runtime.Execution;

/// <summary>The input and output lists of one call, reused by later calls of the same thread so that a run allocates nothing.</summary>
internal sealed class CallBuffers
{
    [ThreadStatic]
    private static CallBuffers? cached;

    internal Datum?[] Inputs = [], Outputs = [];

    internal static CallBuffers Rent(int inputs, int outputs)
    {
        CallBuffers buffers = cached ?? new CallBuffers();
        cached = null;
        if (buffers.Inputs.Length != inputs) buffers.Inputs = new Datum?[inputs];
        if (buffers.Outputs.Length != outputs) buffers.Outputs = new Datum?[outputs];
        return buffers;
    }

    internal static void Return(CallBuffers buffers)
    {
        Array.Clear(buffers.Inputs);
        Array.Clear(buffers.Outputs);
        cached = buffers;
    }
}
