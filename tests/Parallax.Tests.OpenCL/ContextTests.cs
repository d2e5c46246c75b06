using Parallax.OpenCL;
using Parallax.OpenCL.Calls;
using Parallax.OpenCL.Native;
using Xunit;

namespace Parallax.Tests.OpenCL;

/// <summary>Contexts, buffers and queues: what they refuse, what they leave behind, many threads.</summary>
public sealed class ContextTests
{
    private const string Negation = "-DUNARY=UNARY_neg -DIN=float -DOUT=float";

    public static TheoryData<ClSharing> SharingModes => [.. Enum.GetValues<ClSharing>()];

    [ClTheory]
    [MemberData(nameof(SharingModes))]
    public void Eight_threads_share_a_queue(ClSharing sharing)
    {
        ClContext context = ContextOf(sharing);
        Parallel.For(0, 8, new ParallelOptions { MaxDegreeOfParallelism = 8 }, thread =>
        {
            using var scaling = new Scaling(context, thread, 100 + thread);
            for (int i = 0; i < 100; i++)
            {
                scaling.Run();
                scaling.AssertRight();
            }
        });
    }

    [ClTheory]
    [MemberData(nameof(SharingModes))]
    public void A_run_allocates_nothing(ClSharing sharing)
    {
        using var scaling = new Scaling(ContextOf(sharing), 3, 1000);
        // Until the code has its final form it may allocate what optimization leaves out: the compiler works beside the test, in its own time.
        long allocated = long.MaxValue;
        for (int round = 0; round < 50 && allocated > 0; round++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 50; i++) scaling.Run();
            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            if (allocated > 0) Thread.Sleep(100);
        }
        Assert.Equal(0, allocated);
        scaling.AssertRight();
    }

    [ClTheory]
    [MemberData(nameof(SharingModes))]
    public void Sizes_and_places_are_checked(ClSharing sharing)
    {
        ClContext context = ContextOf(sharing);
        using ClBuffer buffer = context.Allocate(64);
        Assert.Throws<ArgumentOutOfRangeException>(() => context.Allocate(-1));
        Assert.Contains(context.Device.Name, Assert.Throws<DeviceException>(() => context.Allocate(1L << 50)).Message);
        Assert.Throws<ArgumentOutOfRangeException>(() => context.Write(new ClAddress(buffer, 32), 0, 33));
        Assert.Throws<ArgumentOutOfRangeException>(() => context.Read(buffer, 0, 65));
        using (ClBuffer nothing = context.Allocate(0)) context.Read(nothing, 0, 0);

        Assert.Contains("has no memory", Refusal(context, buffer, default));
        Assert.Contains(sharing == ClSharing.Copied ? "means nothing" : "outside of shared memory", Refusal(context, buffer, (nint)4096));
        if (sharing != ClSharing.Copied)
        {
            Assert.Contains("outside of shared memory", Refusal(context, buffer, buffer.Address + 64));
            Launch(context, buffer, buffer.Address + 32);
        }
        using var other = new ClContext(context.Device, sharing);
        using ClBuffer foreign = other.Allocate(64);
        Assert.Contains("another context", Refusal(context, buffer, foreign));
        Assert.Throws<ObjectDisposedException>(() =>
        {
            ClBuffer gone = context.Allocate(64);
            gone.Dispose();
            Launch(context, buffer, gone);
        });
    }

    [ClFact]
    public void A_sharing_that_the_device_lacks_is_refused()
    {
        var api = new FaultyApi();
        for (int n = 0; ; n++)
        {
            int at = 0, failing = n;
            api.Reset(call => call == "clGetDeviceInfo" && at++ == failing ? -30 : 0);
            if (ClDiscovery.Devices(api) is not [{ Svm: ClSvmCapabilities.None } device, ..]) continue; // until the question about shared memory is the one that fails
            api.Reset();
            Assert.Equal(ClSharing.Copied, device.BestSharing);
            Assert.Contains("cannot share memory as FineGrained", Assert.Throws<DeviceException>(() => new ClContext(device, ClSharing.FineGrained)).Message);
            using var context = new ClContext(device);
            Assert.Equal(ClSharing.Copied, context.Sharing);
            return;
        }
    }

    [ClFact]
    public void Launches_that_a_driver_refuses_are_errors()
    {
        ClContext context = ContextOf(ClSharing.Copied);
        ClKernel kernel = context.Program("elementwise", Negation).Kernel("unary");
        using ClBuffer buffer = context.Allocate(64);
        ClArg[] args = [ClArg.Weight(buffer), ClArg.Weight(buffer), ClArg.Int(1), ClArg.Float(0), ClArg.Float(0)];
        int tooMany = context.Device.MaxWorkGroup * 2;
        Assert.Contains("clEnqueueNDRangeKernel(unary) failed with CL_INVALID_WORK_GROUP_SIZE (-54)", Refused(ClGrid.Of(1, 1, 1, tooMany, 1, 1), args));
        Assert.Contains("clSetKernelArg(unary, 4) failed with CL_INVALID_ARG_SIZE (-51)", Refused(ClGrid.Of(1, 1, 1, 1, 1, 1), [.. args[..2], ClArg.Long(1)]));
        Assert.Contains("clSetKernelArg(unary, 7) failed with CL_INVALID_ARG_INDEX (-49)", Refused(ClGrid.Of(1, 1, 1, 1, 1, 1), [.. args, ClArg.Int(1)]));
        Assert.Contains("clCreateKernel(unary_fish) failed", Assert.Throws<DeviceException>(() => context.Program("elementwise").Kernel("unary_fish")).Message);

        string Refused(ClGrid grid, ClArg[] arguments) =>
            Assert.Throws<DeviceException>(() => context.Enqueue(ClCall.Of(new ClLaunch(kernel, grid, [.. arguments])), [], [])).Message;
    }

    private static ClContext ContextOf(ClSharing sharing) => ClHarness.Contexts.Single(c => c.Sharing == sharing);

    private static string Refusal(ClContext context, ClBuffer input, ClAddress output) =>
        Assert.Throws<ArgumentException>(() => Launch(context, input, output)).Message;

    private static void Launch(ClContext context, ClBuffer input, ClAddress output)
    {
        ClKernel kernel = context.Program("elementwise", Negation).Kernel("unary");
        context.Enqueue(new ClCall([new ClLaunch(kernel, ClGrid.Of(1, 1, 1, 1, 1, 1), [ClArg.Input(0), ClArg.Output(0), ClArg.Int(1), ClArg.Float(0), ClArg.Float(0)])]), [input], [output]);
        context.Finish();
    }
}
