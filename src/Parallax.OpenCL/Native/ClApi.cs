using System.Runtime.InteropServices;

namespace Parallax.OpenCL.Native;

/// <summary>
/// The functions of OpenCL that are used here, looked up in a loader. Arguments and results are those of the specification; what a call returns is
/// checked by the caller. Thread-safe where OpenCL is: everywhere but in setting the arguments of one kernel.
/// </summary>
internal unsafe class ClApi(nint library)
{
    private readonly delegate* unmanaged<uint, nint*, uint*, int> getPlatformIDs = (delegate* unmanaged<uint, nint*, uint*, int>)NativeLibrary.GetExport(library, "clGetPlatformIDs");
    private readonly delegate* unmanaged<nint, uint, nuint, void*, nuint*, int> getPlatformInfo = (delegate* unmanaged<nint, uint, nuint, void*, nuint*, int>)NativeLibrary.GetExport(library, "clGetPlatformInfo");
    private readonly delegate* unmanaged<nint, ulong, uint, nint*, uint*, int> getDeviceIDs = (delegate* unmanaged<nint, ulong, uint, nint*, uint*, int>)NativeLibrary.GetExport(library, "clGetDeviceIDs");
    private readonly delegate* unmanaged<nint, uint, nuint, void*, nuint*, int> getDeviceInfo = (delegate* unmanaged<nint, uint, nuint, void*, nuint*, int>)NativeLibrary.GetExport(library, "clGetDeviceInfo");
    private readonly delegate* unmanaged<nint, int> releaseContext = (delegate* unmanaged<nint, int>)NativeLibrary.GetExport(library, "clReleaseContext");
    private readonly delegate* unmanaged<nint, int> releaseCommandQueue = (delegate* unmanaged<nint, int>)NativeLibrary.GetExport(library, "clReleaseCommandQueue");
    private readonly delegate* unmanaged<nint, int> releaseMemObject = (delegate* unmanaged<nint, int>)NativeLibrary.GetExport(library, "clReleaseMemObject");
    private readonly delegate* unmanaged<nint, uint, nint*, byte*, nint, nint, int> buildProgram = (delegate* unmanaged<nint, uint, nint*, byte*, nint, nint, int>)NativeLibrary.GetExport(library, "clBuildProgram");
    private readonly delegate* unmanaged<nint, uint, nuint, void*, nuint*, int> getProgramInfo = (delegate* unmanaged<nint, uint, nuint, void*, nuint*, int>)NativeLibrary.GetExport(library, "clGetProgramInfo");
    private readonly delegate* unmanaged<nint, nint, uint, nuint, void*, nuint*, int> getProgramBuildInfo = (delegate* unmanaged<nint, nint, uint, nuint, void*, nuint*, int>)NativeLibrary.GetExport(library, "clGetProgramBuildInfo");
    private readonly delegate* unmanaged<nint, int> releaseProgram = (delegate* unmanaged<nint, int>)NativeLibrary.GetExport(library, "clReleaseProgram");
    private readonly delegate* unmanaged<nint, int> releaseKernel = (delegate* unmanaged<nint, int>)NativeLibrary.GetExport(library, "clReleaseKernel");
    private readonly delegate* unmanaged<nint, uint, nuint, void*, int> setKernelArg = (delegate* unmanaged<nint, uint, nuint, void*, int>)NativeLibrary.GetExport(library, "clSetKernelArg");
    private readonly delegate* unmanaged<nint, nint, uint, nuint*, nuint*, nuint*, uint, nint*, nint*, int> enqueueNDRangeKernel = (delegate* unmanaged<nint, nint, uint, nuint*, nuint*, nuint*, uint, nint*, nint*, int>)NativeLibrary.GetExport(library, "clEnqueueNDRangeKernel");
    private readonly delegate* unmanaged<nint, uint, nint*, nint*, int> enqueueMarkerWithWaitList = (delegate* unmanaged<nint, uint, nint*, nint*, int>)NativeLibrary.GetExport(library, "clEnqueueMarkerWithWaitList");
    private readonly delegate* unmanaged<nint, nint, uint, nuint, nuint, void*, uint, nint*, nint*, int> enqueueWriteBuffer = (delegate* unmanaged<nint, nint, uint, nuint, nuint, void*, uint, nint*, nint*, int>)NativeLibrary.GetExport(library, "clEnqueueWriteBuffer");
    private readonly delegate* unmanaged<nint, nint, uint, nuint, nuint, void*, uint, nint*, nint*, int> enqueueReadBuffer = (delegate* unmanaged<nint, nint, uint, nuint, nuint, void*, uint, nint*, nint*, int>)NativeLibrary.GetExport(library, "clEnqueueReadBuffer");
    private readonly delegate* unmanaged<nint, nint, uint, nuint*, nuint*, nuint*, nuint, nuint, nuint, nuint, void*, uint, nint*, nint*, int> enqueueWriteBufferRect = (delegate* unmanaged<nint, nint, uint, nuint*, nuint*, nuint*, nuint, nuint, nuint, nuint, void*, uint, nint*, nint*, int>)NativeLibrary.GetExport(library, "clEnqueueWriteBufferRect");
    private readonly delegate* unmanaged<nint, nint, uint, nuint*, nuint*, nuint*, nuint, nuint, nuint, nuint, void*, uint, nint*, nint*, int> enqueueReadBufferRect = (delegate* unmanaged<nint, nint, uint, nuint*, nuint*, nuint*, nuint, nuint, nuint, nuint, void*, uint, nint*, nint*, int>)NativeLibrary.GetExport(library, "clEnqueueReadBufferRect");
    private readonly delegate* unmanaged<nint, int> flush = (delegate* unmanaged<nint, int>)NativeLibrary.GetExport(library, "clFlush");
    private readonly delegate* unmanaged<nint, int> finish = (delegate* unmanaged<nint, int>)NativeLibrary.GetExport(library, "clFinish");
    private readonly delegate* unmanaged<uint, nint*, int> waitForEvents = (delegate* unmanaged<uint, nint*, int>)NativeLibrary.GetExport(library, "clWaitForEvents");
    private readonly delegate* unmanaged<nint, uint, nuint, void*, nuint*, int> getEventInfo = (delegate* unmanaged<nint, uint, nuint, void*, nuint*, int>)NativeLibrary.GetExport(library, "clGetEventInfo");
    private readonly delegate* unmanaged<nint, int> releaseEvent = (delegate* unmanaged<nint, int>)NativeLibrary.GetExport(library, "clReleaseEvent");
    private readonly delegate* unmanaged<nint*, uint, nint*, nint, nint, int*, nint> createContext = (delegate* unmanaged<nint*, uint, nint*, nint, nint, int*, nint>)NativeLibrary.GetExport(library, "clCreateContext");
    private readonly delegate* unmanaged<nint, nint, ulong, int*, nint> createCommandQueue = (delegate* unmanaged<nint, nint, ulong, int*, nint>)NativeLibrary.GetExport(library, "clCreateCommandQueue");
    private readonly delegate* unmanaged<nint, ulong, nuint, void*, int*, nint> createBuffer = (delegate* unmanaged<nint, ulong, nuint, void*, int*, nint>)NativeLibrary.GetExport(library, "clCreateBuffer");
    private readonly delegate* unmanaged<nint, uint, byte**, nuint*, int*, nint> createProgramWithSource = (delegate* unmanaged<nint, uint, byte**, nuint*, int*, nint>)NativeLibrary.GetExport(library, "clCreateProgramWithSource");
    private readonly delegate* unmanaged<nint, uint, nint*, nuint*, byte**, int*, int*, nint> createProgramWithBinary = (delegate* unmanaged<nint, uint, nint*, nuint*, byte**, int*, int*, nint>)NativeLibrary.GetExport(library, "clCreateProgramWithBinary");
    private readonly delegate* unmanaged<nint, byte*, int*, nint> createKernel = (delegate* unmanaged<nint, byte*, int*, nint>)NativeLibrary.GetExport(library, "clCreateKernel");

    // Shared virtual memory came with OpenCL 2.0.
    private readonly delegate* unmanaged<nint, ulong, nuint, uint, void*> svmAlloc = (delegate* unmanaged<nint, ulong, nuint, uint, void*>)Optional(library, "clSVMAlloc");
    private readonly delegate* unmanaged<nint, void*, void> svmFree = (delegate* unmanaged<nint, void*, void>)Optional(library, "clSVMFree");
    private readonly delegate* unmanaged<nint, uint, void*, int> setKernelArgSvmPointer = (delegate* unmanaged<nint, uint, void*, int>)Optional(library, "clSetKernelArgSVMPointer");

    private int liveObjects;

    /// <summary>Contexts, queues, programs, kernels, buffers and events that were made and not released yet.</summary>
    internal int LiveObjects => Volatile.Read(ref liveObjects);

    /// <summary>Whether the loader knows shared virtual memory; whether a device has it is another question.</summary>
    internal bool HasSvm => svmAlloc != null && svmFree != null && setKernelArgSvmPointer != null;

    /// <summary>Asked before every call, by the name of the call; what is not 0 is returned as the call's error, and the call is not made.</summary>
    private protected virtual int Fault(string call) => 0;

    internal void CountObject(int change) => Interlocked.Add(ref liveObjects, change);

    private static nint Optional(nint library, string name) => NativeLibrary.TryGetExport(library, name, out nint address) ? address : 0;

    internal int GetPlatformIDs(uint count, nint* platforms, uint* found) =>
        Fault("clGetPlatformIDs") is var fault and not 0 ? fault : getPlatformIDs(count, platforms, found);

    internal int GetPlatformInfo(nint platform, uint what, nuint bytes, void* value, nuint* needed) =>
        Fault("clGetPlatformInfo") is var fault and not 0 ? fault : getPlatformInfo(platform, what, bytes, value, needed);

    internal int GetDeviceIDs(nint platform, ulong type, uint count, nint* devices, uint* found) =>
        Fault("clGetDeviceIDs") is var fault and not 0 ? fault : getDeviceIDs(platform, type, count, devices, found);

    internal virtual int GetDeviceInfo(nint device, uint what, nuint bytes, void* value, nuint* needed) =>
        Fault("clGetDeviceInfo") is var fault and not 0 ? fault : getDeviceInfo(device, what, bytes, value, needed);

    internal int ReleaseContext(nint context) =>
        Fault("clReleaseContext") is var fault and not 0 ? fault : releaseContext(context);

    internal int ReleaseCommandQueue(nint queue) =>
        Fault("clReleaseCommandQueue") is var fault and not 0 ? fault : releaseCommandQueue(queue);

    internal int ReleaseMemObject(nint memory) =>
        Fault("clReleaseMemObject") is var fault and not 0 ? fault : releaseMemObject(memory);

    internal int BuildProgram(nint program, uint count, nint* devices, byte* options, nint notify, nint userData) =>
        Fault("clBuildProgram") is var fault and not 0 ? fault : buildProgram(program, count, devices, options, notify, userData);

    internal int GetProgramInfo(nint program, uint what, nuint bytes, void* value, nuint* needed) =>
        Fault("clGetProgramInfo") is var fault and not 0 ? fault : getProgramInfo(program, what, bytes, value, needed);

    internal int GetProgramBuildInfo(nint program, nint device, uint what, nuint bytes, void* value, nuint* needed) =>
        Fault("clGetProgramBuildInfo") is var fault and not 0 ? fault : getProgramBuildInfo(program, device, what, bytes, value, needed);

    internal int ReleaseProgram(nint program) =>
        Fault("clReleaseProgram") is var fault and not 0 ? fault : releaseProgram(program);

    internal int ReleaseKernel(nint kernel) =>
        Fault("clReleaseKernel") is var fault and not 0 ? fault : releaseKernel(kernel);

    internal int SetKernelArg(nint kernel, uint index, nuint bytes, void* value) =>
        Fault("clSetKernelArg") is var fault and not 0 ? fault : setKernelArg(kernel, index, bytes, value);

    internal int EnqueueNDRangeKernel(nint queue, nint kernel, uint dims, nuint* offset, nuint* global, nuint* local, uint waits, nint* waitList, nint* done) =>
        Fault("clEnqueueNDRangeKernel") is var fault and not 0 ? fault : enqueueNDRangeKernel(queue, kernel, dims, offset, global, local, waits, waitList, done);

    internal int EnqueueMarkerWithWaitList(nint queue, uint waits, nint* waitList, nint* done) =>
        Fault("clEnqueueMarkerWithWaitList") is var fault and not 0 ? fault : enqueueMarkerWithWaitList(queue, waits, waitList, done);

    internal int EnqueueWriteBuffer(nint queue, nint memory, uint blocking, nuint offset, nuint bytes, void* host) =>
        Fault("clEnqueueWriteBuffer") is var fault and not 0 ? fault : enqueueWriteBuffer(queue, memory, blocking, offset, bytes, host, 0, null, null);

    internal int EnqueueReadBuffer(nint queue, nint memory, uint blocking, nuint offset, nuint bytes, void* host) =>
        Fault("clEnqueueReadBuffer") is var fault and not 0 ? fault : enqueueReadBuffer(queue, memory, blocking, offset, bytes, host, 0, null, null);

    /// <param name="from">Origin in the buffer: bytes, rows, slices; likewise <paramref name="to"/> at the host, and <paramref name="extent"/>.</param>
    internal int EnqueueReadBufferRect(nint queue, nint memory, uint blocking, nuint* from, nuint* to, nuint* extent, nuint pitch, nuint hostPitch, void* host) =>
        Fault("clEnqueueReadBufferRect") is var fault and not 0 ? fault : enqueueReadBufferRect(queue, memory, blocking, from, to, extent, pitch, 0, hostPitch, 0, host, 0, null, null);

    /// <param name="to">Origin in the buffer: bytes, rows, slices; likewise <paramref name="from"/> at the host, and <paramref name="extent"/>.</param>
    internal int EnqueueWriteBufferRect(nint queue, nint memory, uint blocking, nuint* to, nuint* from, nuint* extent, nuint pitch, nuint hostPitch, void* host) =>
        Fault("clEnqueueWriteBufferRect") is var fault and not 0 ? fault : enqueueWriteBufferRect(queue, memory, blocking, to, from, extent, pitch, 0, hostPitch, 0, host, 0, null, null);

    internal int Flush(nint queue) =>
        Fault("clFlush") is var fault and not 0 ? fault : flush(queue);

    internal int Finish(nint queue) =>
        Fault("clFinish") is var fault and not 0 ? fault : finish(queue);

    internal int WaitForEvents(uint count, nint* events) =>
        Fault("clWaitForEvents") is var fault and not 0 ? fault : waitForEvents(count, events);

    internal int GetEventInfo(nint wanted, uint what, nuint bytes, void* value, nuint* needed) =>
        Fault("clGetEventInfo") is var fault and not 0 ? fault : getEventInfo(wanted, what, bytes, value, needed);

    internal int ReleaseEvent(nint wanted) =>
        Fault("clReleaseEvent") is var fault and not 0 ? fault : releaseEvent(wanted);

    internal nint CreateContext(nint* properties, uint count, nint* devices, nint notify, nint userData, int* error) =>
        (*error = Fault("clCreateContext")) != 0 ? 0 : createContext(properties, count, devices, notify, userData, error);

    internal nint CreateCommandQueue(nint context, nint device, ulong properties, int* error) =>
        (*error = Fault("clCreateCommandQueue")) != 0 ? 0 : createCommandQueue(context, device, properties, error);

    internal nint CreateBuffer(nint context, ulong flags, nuint bytes, void* host, int* error) =>
        (*error = Fault("clCreateBuffer")) != 0 ? 0 : createBuffer(context, flags, bytes, host, error);

    internal virtual nint CreateProgramWithSource(nint context, uint count, byte** sources, nuint* lengths, int* error) =>
        (*error = Fault("clCreateProgramWithSource")) != 0 ? 0 : createProgramWithSource(context, count, sources, lengths, error);

    internal nint CreateProgramWithBinary(nint context, uint count, nint* devices, nuint* lengths, byte** binaries, int* status, int* error) =>
        (*error = Fault("clCreateProgramWithBinary")) != 0 ? 0 : createProgramWithBinary(context, count, devices, lengths, binaries, status, error);

    internal nint CreateKernel(nint program, byte* name, int* error) =>
        (*error = Fault("clCreateKernel")) != 0 ? 0 : createKernel(program, name, error);

    internal void* SvmAlloc(nint context, ulong flags, nuint bytes, uint alignment) =>
        Fault("clSVMAlloc") != 0 || !HasSvm ? null : svmAlloc(context, flags, bytes, alignment);

    internal void SvmFree(nint context, void* memory) => svmFree(context, memory);

    internal int SetKernelArgSvmPointer(nint kernel, uint index, void* value) =>
        Fault("clSetKernelArgSVMPointer") is var fault and not 0 ? fault : setKernelArgSvmPointer(kernel, index, value);
}
