using System.Runtime.CompilerServices;

namespace Parallax.Kernels;

/// <summary>
/// The loop nest of up to three dense operands that NumPy's rules broadcast to one dense result. Neighbouring dims that all operands walk alike
/// are joined, so that the innermost dim is as long as it can be; along it an operand advances by one element or stands still.
/// </summary>
public sealed class Broadcast
{
    /// <summary>Dims that are left after joining are at most this many.</summary>
    public const int MaxRank = 16;

    private const int BlockElements = 16384;

    private readonly long[] dims; // outermost first; the innermost dim is InnerLength
    private readonly long[][] strides; // of each operand, in elements, along dims and then along the innermost dim

    /// <param name="result">Dims of the result; every operand must broadcast to them.</param>
    public Broadcast(ReadOnlySpan<long> result, params ReadOnlySpan<long[]> operands)
    {
        if (operands.Length > 3) throw new ArgumentException("at most three operands", nameof(operands));
        ElementCount = Shape.Count(result);
        var joined = new List<long>();
        var steps = new List<long[]>();
        var open = new long[operands.Length]; // row-major stride of each operand at the dim at hand
        Array.Fill(open, 1);
        for (int axis = result.Length - 1; axis >= 0; axis--)
        {
            var step = new long[operands.Length];
            for (int i = 0; i < operands.Length; i++)
            {
                int own = axis - (result.Length - operands[i].Length);
                long dim = own < 0 ? 1 : operands[i][own];
                if (dim != 1 && dim != result[axis]) throw new ArgumentException($"{Shape.ToString(operands[i])} does not broadcast to {Shape.ToString(result)}");
                step[i] = dim == 1 ? 0 : open[i];
                open[i] *= dim;
            }
            if (result[axis] == 1) continue;
            if (joined.Count > 0 && Continues(step, steps[^1], joined[^1])) joined[^1] *= result[axis];
            else
            {
                joined.Add(result[axis]);
                steps.Add(step);
            }
        }
        if (joined.Count == 0)
        {
            joined.Add(1);
            steps.Add(new long[operands.Length]);
        }
        if (joined.Count > MaxRank) throw new UnsupportedModelException($"broadcasting to {Shape.ToString(result)} alternates over more than {MaxRank} dims", ["broadcasting"]);
        InnerLength = joined[0];
        joined.Reverse();
        steps.Reverse();
        dims = [.. joined];
        strides = new long[operands.Length][];
        for (int i = 0; i < operands.Length; i++) strides[i] = [.. steps.Select(step => step[i])];
    }

    public long ElementCount { get; }

    /// <summary>Elements of one run along the innermost dim.</summary>
    public long InnerLength { get; }

    /// <summary>Dims that are left after joining, outermost first; the last is <see cref="InnerLength"/>.</summary>
    public ReadOnlySpan<long> Dims => dims;

    /// <summary>Steps of an operand along <see cref="Dims"/>, in elements; 0 where it stands still.</summary>
    public ReadOnlySpan<long> Strides(int operand) => strides[operand];

    public int BlockCount => checked((int)((ElementCount + BlockElements - 1) / BlockElements));

    /// <summary>Whether an operand advances with the result, element by element, everywhere.</summary>
    public bool IsWhole(int operand) => dims.Length == 1 && (strides[operand][0] == 1 || ElementCount == 1);

    /// <summary>Whether an operand advances along the innermost dim.</summary>
    public bool Advances(int operand) => strides[operand][^1] != 0;

    /// <summary>Walks the runs of one block: <c>for (var run = b.Block(i); run.Next();)</c>.</summary>
    public Runs Block(int block)
    {
        long start = (long)block * BlockElements;
        return new Runs(this, start, Math.Min(start + BlockElements, ElementCount));
    }

    private static bool Continues(long[] outer, long[] inner, long innerDim)
    {
        for (int i = 0; i < outer.Length; i++)
            if (outer[i] != inner[i] * innerDim) return false;
        return true;
    }

    [InlineArray(MaxRank)]
    private struct Index
    {
        private long first;
    }

    [InlineArray(3)]
    private struct Offsets
    {
        private long first;
    }

    /// <summary>Cursor over the runs of a block: pieces of the result along the innermost dim.</summary>
    public struct Runs
    {
        private readonly Broadcast loop;
        private readonly long end;
        private long next;
        private Index index;
        private Offsets row; // element of each operand at the start of the innermost dim
        private long inner;

        internal Runs(Broadcast loop, long start, long end)
        {
            this.loop = loop;
            this.end = end;
            next = start;
            inner = start % loop.InnerLength;
            long rest = start / loop.InnerLength;
            for (int axis = loop.dims.Length - 2; axis >= 0; axis--)
            {
                index[axis] = rest % loop.dims[axis];
                rest /= loop.dims[axis];
                for (int i = 0; i < loop.strides.Length; i++) row[i] += index[axis] * loop.strides[i][axis];
            }
        }

        /// <summary>First element of the result in this run.</summary>
        public long Start { get; private set; }

        /// <summary>Elements of this run.</summary>
        public int Count { get; private set; }

        /// <summary>First element of each operand in this run.</summary>
        public long First { get; private set; }

        public long Second { get; private set; }

        public long Third { get; private set; }

        public bool Next()
        {
            if (next >= end) return false;
            if (inner == loop.InnerLength) NextRow();
            Start = next;
            Count = (int)Math.Min(loop.InnerLength - inner, end - next);
            long[][] strides = loop.strides;
            First = row[0] + inner * strides[0][^1];
            if (strides.Length > 1) Second = row[1] + inner * strides[1][^1];
            if (strides.Length > 2) Third = row[2] + inner * strides[2][^1];
            inner += Count;
            next += Count;
            return true;
        }

        private void NextRow()
        {
            inner = 0;
            long[] dims = loop.dims;
            for (int axis = dims.Length - 2; axis >= 0; axis--)
            {
                bool wraps = ++index[axis] == dims[axis];
                long steps = wraps ? 1 - dims[axis] : 1;
                for (int i = 0; i < loop.strides.Length; i++) row[i] += steps * loop.strides[i][axis];
                if (!wraps) return;
                index[axis] = 0;
            }
        }
    }
}
