namespace Parallax.Kernels.Copy;

/// <summary>One strided copy of a <see cref="CopyKernel"/>: from an input of the node to an output.</summary>
public readonly record struct CopyPart(int Input, int Output, StridedCopy Copy);

/// <summary>Several strided copies that write disjoint bytes, e.g. the operands of a Concat. Small ones share a block.</summary>
public sealed unsafe class CopyKernel : Kernel
{
    private readonly string family;
    private readonly CopyPart[] parts;
    private readonly (int Part, int Block)[] pieces;
    private readonly int[] starts; // of each block among the pieces; one more than blocks

    public CopyKernel(string name, params ReadOnlySpan<CopyPart> copies)
    {
        family = name;
        parts = copies.ToArray();
        Name = parts.Length == 1 ? $"{name}_{parts[0].Copy.Variant}" : name;
        var all = new List<(int, int)>();
        var begin = new List<int> { 0 };
        long bytes = 0;
        for (int part = 0; part < parts.Length; part++)
        {
            StridedCopy copy = parts[part].Copy;
            int blocks = copy.BlockCount;
            for (int block = 0; block < blocks; block++)
            {
                if (bytes >= StridedCopy.BlockBytes / 2)
                {
                    begin.Add(all.Count);
                    bytes = 0;
                }
                all.Add((part, block));
                bytes += copy.TotalBytes / blocks;
            }
        }
        begin.Add(all.Count);
        pieces = [.. all];
        starts = [.. begin];
    }

    /// <summary>Copies all bytes of input 0 to output 0.</summary>
    public static CopyKernel Bytes(long count) => new("copy", new CopyPart(0, 0, StridedCopy.Bytes(count)));

    public override string Name { get; }

    public ReadOnlySpan<CopyPart> Parts => parts;

    /// <summary>A kernel of the same name that makes some of the copies.</summary>
    public CopyKernel Only(IReadOnlyCollection<CopyPart> some) => new(family, [.. some]);

    public override int BlockCount(int phase) => pieces.Length == 0 ? 0 : starts.Length - 1;

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        for (int i = starts[block]; i < starts[block + 1]; i++)
        {
            (int index, int copyBlock) = pieces[i];
            CopyPart part = parts[index];
            byte* source = args.Input<byte>(part.Input), target = args.Output<byte>(part.Output);
            if (target is not null) part.Copy.RunBlock(copyBlock, source, target);
        }
    }
}
