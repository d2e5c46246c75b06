using Parallax.Runtime;

namespace Parallax.OpenCL.Regions;

/// <summary>A region in the memory of a run: in its arena where the device sees that, else in a mirror, to which inputs and from which outputs are copied.</summary>
internal sealed class ClRegionCall : IRegionCall
{
    private readonly ClContext context;
    private readonly ClRegion region;
    private readonly Storage arena; // kept alive: the device works on it
    private readonly ClMirror? mirror;
    private readonly ClAddress[][] inputs, outputs;
    private readonly RegionTransfer[] copiesIn = [], copiesOut = []; // what the region uses
    private readonly ClCompletion completion;
    private readonly ClBuffer? scratch;
    private bool isFetched;

    /// <param name="mirror">Null where the arena is memory of the context.</param>
    internal ClRegionCall(ClContext context, ClRegion region, Storage arena, ReadOnlySpan<long> offsets, ClMirror? mirror)
    {
        this.context = context;
        this.region = region;
        this.arena = arena;
        this.mirror = mirror;
        long[] places = offsets.ToArray();
        inputs = [.. region.Steps.Select(s => s.Inputs.Select((place, i) => s.Constants[i] is { } constant ? constant : At(place)).ToArray())];
        outputs = [.. region.Steps.Select(s => s.Outputs.Select(At).ToArray())];
        if (mirror is not null)
        {
            copiesIn = [.. Enumerable.Range(0, places.Length).Where(p => region.Places[p].IsInput).Select(Transfer)];
            copiesOut = [.. Enumerable.Range(0, places.Length).Where(p => region.Places[p].IsOutput).Select(Transfer)];
        }
        scratch = region.ScratchBytes > 0 ? context.Allocate(region.ScratchBytes) : null;
        completion = new ClCompletion(context);

        ClAddress At(int place) => place < 0 ? default : mirror is null ? arena.Address + (nint)places[place] : new ClAddress(mirror.Buffer, places[place]);

        RegionTransfer Transfer(int place) => new(At(place), arena.Address + (nint)places[place], region.Places[place].Used);
    }

    /// <summary>Whether copies are commands of the list; else the CPU makes them, before and after.</summary>
    private bool CopiesAreCommands => context.Sharing == ClSharing.Copied;

    public void Enqueue()
    {
        isFetched = CopiesAreCommands;
        try
        {
            foreach (RegionTransfer copy in copiesIn) context.Write(copy.Device, copy.Host, copy.Rows, wait: false);
            using Lock.Scope _ = context.Hold();
            for (int i = 0; i < region.Steps.Length; i++) context.Enqueue(region.Steps[i].Call, inputs[i], outputs[i], scratch is null ? default(ClAddress) : scratch);
            if (CopiesAreCommands) CopyOut();
            context.Signal(completion);
        }
        catch (DeviceException)
        {
            context.Drain();
            throw;
        }
    }

    public bool IsDone
    {
        get
        {
            try
            {
                if (!completion.IsDone) return false;
            }
            catch (DeviceException)
            {
                context.Drain();
                throw;
            }
            if (!isFetched) CopyOut();
            isFetched = true;
            return true;
        }
    }

    public void Wait()
    {
        try
        {
            completion.Sleep();
        }
        catch (DeviceException)
        {
            context.Drain();
            throw;
        }
    }

    private void CopyOut()
    {
        foreach (RegionTransfer copy in copiesOut) context.Read(copy.Device, copy.Host, copy.Rows, wait: false);
    }

    public void Dispose()
    {
        completion.Dispose();
        scratch?.Dispose();
        mirror?.Dispose();
        GC.KeepAlive(arena);
    }
}

/// <summary>Rows of bytes that are both in the device's memory and in the host's.</summary>
internal readonly record struct RegionTransfer(ClAddress Device, nint Host, ByteRows Rows);
