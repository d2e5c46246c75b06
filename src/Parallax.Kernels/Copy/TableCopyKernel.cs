using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Parallax.Kernels.Copy;

/// <summary>
/// <c>target[i, j, ..] = source[a[i] + b[j] + ..]</c> with a table of source offsets per axis, or a fill value where a table says
/// <see cref="Outside"/>: pads of every mode, crops, nearest-neighbour resampling. Input 0 is the source.
/// </summary>
public sealed unsafe class TableCopyKernel : UnitKernel
{
    /// <summary>The entry of a table that takes the fill value.</summary>
    public const long Outside = -1;

    private readonly record struct Run(long Target, long Count, long Source);

    private readonly long[][] outer; // source offsets in bytes
    private readonly Run[] runs;
    private readonly bool runsAreShort;
    private readonly long[] columns;
    private readonly long start, itemBytes, rowBytes;
    private readonly int elementBytes, fillInput;
    private readonly byte[] fillValue;
    private readonly bool columnsTwice;

    private TableCopyKernel(string name, int elementBytes, int fillInput, byte[]? fillValue, long[][] tables, long start, long itemBytes)
        : base(name, tables.AsSpan(0, tables.Length - 1).ToArray().Aggregate(1L, (n, t) => n * t.Length) * (tables[^1].Length == 0 ? 0 : 1), tables[^1].Length * itemBytes)
    {
        (this.elementBytes, this.fillInput, this.start, this.itemBytes) = (elementBytes, fillInput, start, itemBytes);
        this.fillValue = fillValue ?? new byte[elementBytes];
        outer = tables[..^1];
        columns = tables[^1];
        rowBytes = columns.Length * itemBytes;
        runs = RunsOf(columns, itemBytes);
        runsAreShort = runs.Length * 4L > columns.Length && itemBytes is 1 or 2 or 4 or 8 or 16;
        columnsTwice = itemBytes == 4 && columns.Length % 2 == 0 && IsTwice(columns);
    }

    /// <param name="tables">Per axis of the target: offsets into the source in elements, or <see cref="Outside"/>.</param>
    /// <param name="fillInput">The input that holds the fill value, which the node must have; -1 for <paramref name="fillValue"/>.</param>
    /// <param name="fillValue">The bytes of one element; zero by default.</param>
    public static TableCopyKernel Create(string name, int elementBytes, IReadOnlyList<long[]> tables, int fillInput = -1, byte[]? fillValue = null)
    {
        List<long[]> axes = [.. tables.Select(t => Array.ConvertAll(t, at => at == Outside ? Outside : at * elementBytes))];
        if (axes.Count == 0) axes.Add([0]);
        long start = 0, itemBytes = elementBytes;
        while (axes.Count > 1 && IsContiguous(axes[^1], itemBytes))
        {
            start += axes[^1][0];
            itemBytes *= axes[^1].Length;
            axes.RemoveAt(axes.Count - 1);
        }
        return new TableCopyKernel(name, elementBytes, fillInput, fillValue, [.. axes], start, itemBytes);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    protected override void RunUnits(long first, long end, in KernelArgs args)
    {
        byte* source = args.Input<byte>(0) + start, target = args.Output<byte>(0) + first * rowBytes;
        fixed (byte* constant = fillValue)
        {
            byte* fill = fillInput >= 0 ? args.Input<byte>(fillInput) : constant;
            long previous = long.MinValue;
            for (long row = first; row < end; row++, target += rowBytes)
            {
                long offset = Offset(row);
                if (offset == previous) NativeMemory.Copy(target - rowBytes, target, (nuint)rowBytes);
                else if (offset < 0) Fill(fill, target, columns.Length);
                else if (columnsTwice) Twice((uint*)(source + offset), (ulong*)target, columns.Length / 2);
                else if (runsAreShort) Gather(source + offset, fill, target);
                else CopyRuns(source + offset, fill, target);
                previous = offset;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private long Offset(long row)
    {
        long offset = 0;
        for (int axis = outer.Length - 1; axis >= 0; axis--)
        {
            (row, long at) = Math.DivRem(row, outer[axis].Length);
            long step = outer[axis][at];
            if (step == Outside) return Outside;
            offset += step;
        }
        return offset;
    }

    private void Fill(byte* value, byte* target, long items) => ElementMoves.Fill(elementBytes, value, target, items * (itemBytes / elementBytes));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void CopyRuns(byte* source, byte* fill, byte* target)
    {
        foreach (Run run in runs)
        {
            byte* to = target + run.Target * itemBytes;
            if (run.Source == Outside) Fill(fill, to, run.Count);
            else NativeMemory.Copy(source + run.Source, to, (nuint)(run.Count * itemBytes));
        }
    }

    private void Gather(byte* source, byte* fill, byte* target)
    {
        switch (itemBytes)
        {
            case 1: GatherOf<byte>(source, fill, target); break;
            case 2: GatherOf<ushort>(source, fill, target); break;
            case 4: GatherOf<uint>(source, fill, target); break;
            case 8: GatherOf<ulong>(source, fill, target); break;
            default: GatherOf<UInt128>(source, fill, target); break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void GatherOf<T>(byte* source, byte* fill, byte* target) where T : unmanaged
    {
        for (int i = 0; i < columns.Length; i++)
        {
            long at = columns[i];
            if (at == Outside) Fill(fill, (byte*)((T*)target + i), 1);
            else ((T*)target)[i] = *(T*)(source + at);
        }
    }

    /// <summary>Writes each element two times: the rows of a twofold enlargement.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Twice(uint* source, ulong* target, long count)
    {
        long i = 0;
        for (; i + Vector256<uint>.Count <= count; i += Vector256<uint>.Count)
        {
            (Vector256<ulong> low, Vector256<ulong> high) = Vector256.Widen(Vector256.Load(source + i));
            (low | (low << 32)).Store(target + i);
            (high | (high << 32)).Store(target + i + Vector256<ulong>.Count);
        }
        for (; i < count; i++) target[i] = source[i] | (ulong)source[i] << 32;
    }

    private static bool IsTwice(long[] table)
    {
        for (int i = 0; i < table.Length; i++)
            if (table[i] != i / 2 * 4) return false;
        return true;
    }

    private static bool IsContiguous(long[] table, long itemBytes)
    {
        if (table.Length == 0 || table[0] == Outside) return false;
        for (int i = 1; i < table.Length; i++)
            if (table[i] != table[0] + i * itemBytes) return false;
        return true;
    }

    private static Run[] RunsOf(long[] table, long itemBytes)
    {
        var result = new List<Run>();
        for (int i = 0; i < table.Length; i++)
        {
            bool continues = i > 0 && (table[i] == Outside ? table[i - 1] == Outside : table[i - 1] != Outside && table[i] == table[i - 1] + itemBytes);
            if (continues) result[^1] = result[^1] with { Count = result[^1].Count + 1 };
            else result.Add(new Run(i, 1, table[i]));
        }
        return [.. result];
    }
}
