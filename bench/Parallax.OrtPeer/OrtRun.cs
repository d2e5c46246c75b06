using static Parallax.OrtPeer.OrtApi;

namespace Parallax.OrtPeer;

/// <summary>The outputs of one run of ONNX Runtime, in its memory.</summary>
public sealed unsafe class OrtRun : IDisposable
{
    private readonly OrtApi api;
    private readonly IReadOnlyList<string> names;
    private readonly nint[] values;

    internal OrtRun(OrtApi api, IReadOnlyList<string> names, nint[] values) => (this.api, this.names, this.values) = (api, names, values);

    /// <summary>Copies of all outputs, by name.</summary>
    public Dictionary<string, Tensor> ToTensors()
    {
        var tensors = new Dictionary<string, Tensor>();
        for (int i = 0; i < values.Length; i++) tensors.Add(names[i], Copy(values[i]));
        return tensors;
    }

    public void Dispose()
    {
        foreach (nint value in values) api.Release(Function.ReleaseValue, value);
        Array.Clear(values);
    }

    private Tensor Copy(nint value)
    {
        nint info = api.Get(Function.GetTensorTypeAndShape, value);
        try
        {
            int type;
            api.Check(((delegate* unmanaged<nint, int*, nint>)api[Function.GetTensorElementType])(info, &type), "output type");
            var dims = new long[(int)api.Get(Function.GetDimensionsCount, info)];
            fixed (long* target = dims)
                api.Check(((delegate* unmanaged<nint, long*, nint, nint>)api[Function.GetDimensions])(info, target, dims.Length), "output shape");
            Tensor tensor = Tensor.Allocate((DType)type, dims); // the numbers of the types are ONNX's in both
            var source = (byte*)api.Get(Function.GetTensorMutableData, value);
            Buffer.MemoryCopy(source, (void*)tensor.Address, tensor.ByteCount, tensor.ByteCount);
            return tensor;
        }
        finally
        {
            api.Release(Function.ReleaseTensorTypeAndShapeInfo, info);
        }
    }
}
