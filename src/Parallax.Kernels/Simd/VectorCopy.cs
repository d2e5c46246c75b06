using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Parallax.Kernels;

/// <summary>Copies of short runs, for which a call into the runtime costs more than the copy.</summary>
internal static unsafe class VectorCopy
{
    /// <summary>Copies elements that do not overlap; touches nothing else.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Copy(float* from, float* to, int count)
    {
        if (count >= 8)
        {
            int last = count - 8;
            for (int i = 0; i < last; i += 8) Vector256.Store(Vector256.Load(from + i), to + i);
            Vector256.Store(Vector256.Load(from + last), to + last);
        }
        else if (count >= 4)
        {
            Vector128<float> head = Vector128.Load(from), tail = Vector128.Load(from + count - 4);
            Vector128.Store(head, to);
            Vector128.Store(tail, to + count - 4);
        }
        else
            for (int i = 0; i < count; i++) to[i] = from[i];
    }
}
