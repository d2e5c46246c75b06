using Microsoft.Win32.SafeHandles;

namespace Parallax.OpenCL.Native;

/// <summary>Owns an object of OpenCL: released when disposed or, if forgotten, when collected.</summary>
internal abstract class ClHandle : SafeHandleZeroOrMinusOneIsInvalid
{
    private protected ClHandle(ClApi api, nint handle) : base(ownsHandle: true)
    {
        Api = api;
        SetHandle(handle);
        api.CountObject(1);
    }

    internal ClApi Api { get; }

    internal nint Value => IsClosed ? throw new ObjectDisposedException(GetType().Name) : handle;

    protected sealed override bool ReleaseHandle()
    {
        Api.CountObject(-1);
        return Release() == ClConstants.Success;
    }

    private protected abstract int Release();
}

internal sealed class ClContextHandle(ClApi api, nint handle) : ClHandle(api, handle)
{
    private protected override int Release() => Api.ReleaseContext(handle);
}

internal sealed class ClQueueHandle(ClApi api, nint handle) : ClHandle(api, handle)
{
    private protected override int Release() => Api.ReleaseCommandQueue(handle);
}

internal sealed class ClProgramHandle(ClApi api, nint handle) : ClHandle(api, handle)
{
    private protected override int Release() => Api.ReleaseProgram(handle);
}

internal sealed class ClKernelHandle(ClApi api, nint handle) : ClHandle(api, handle)
{
    private protected override int Release() => Api.ReleaseKernel(handle);
}

internal sealed class ClMemoryHandle(ClApi api, nint handle) : ClHandle(api, handle)
{
    private protected override int Release() => Api.ReleaseMemObject(handle);
}

/// <summary>An allocation of shared virtual memory. It keeps its context alive: freeing needs it.</summary>
internal sealed unsafe class ClSvmHandle : ClHandle
{
    private readonly ClContextHandle context;

    internal ClSvmHandle(ClApi api, nint address, ClContextHandle context) : base(api, address)
    {
        this.context = context;
        bool added = false;
        context.DangerousAddRef(ref added);
    }

    private protected override int Release()
    {
        Api.SvmFree(context.DangerousGetHandle(), (void*)handle);
        context.DangerousRelease();
        return ClConstants.Success;
    }
}

/// <summary>The place of one event after another.</summary>
internal sealed class ClEventHandle(ClApi api) : SafeHandleZeroOrMinusOneIsInvalid(ownsHandle: true)
{
    internal nint Value => IsInvalid ? throw new InvalidOperationException("nothing was signalled") : handle;

    /// <summary>Takes an event over and releases the one before.</summary>
    internal void Replace(nint next)
    {
        if (!IsInvalid) ReleaseHandle();
        SetHandle(next);
        api.CountObject(1);
    }

    protected override bool ReleaseHandle()
    {
        api.CountObject(-1);
        return api.ReleaseEvent(handle) == ClConstants.Success;
    }
}
