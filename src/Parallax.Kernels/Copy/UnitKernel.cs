namespace Parallax.Kernels.Copy;

/// <summary>A kernel of one phase over independent units (rows, planes, slices) of about the same cost; a block takes neighbouring units.</summary>
public abstract class UnitKernel : Kernel
{
    private readonly long units, unitsPerBlock;

    /// <param name="unitBytes">Bytes that a unit writes, or, where it computes more than it writes, as many bytes as would take as long to copy.</param>
    protected UnitKernel(string name, long units, long unitBytes)
    {
        Name = name;
        this.units = units;
        unitsPerBlock = Math.Max(1, StridedCopy.BlockBytes / Math.Max(1, unitBytes));
    }

    public sealed override string Name { get; }

    public sealed override int BlockCount(int phase) => checked((int)((units + unitsPerBlock - 1) / unitsPerBlock));

    public sealed override void RunBlock(int phase, int block, in KernelArgs args)
    {
        long start = block * unitsPerBlock;
        RunUnits(start, Math.Min(units, start + unitsPerBlock), args);
    }

    /// <summary>Computes units from <paramref name="start"/> up to, not including, <paramref name="end"/>.</summary>
    protected abstract void RunUnits(long start, long end, in KernelArgs args);
}
