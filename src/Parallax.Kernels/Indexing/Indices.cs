namespace Parallax.Kernels.Indexing;

/// <summary>Integers that name positions, int32 or int64.</summary>
internal readonly unsafe struct Indices(byte* first, bool narrow)
{
    private readonly byte* first = first;
    private readonly bool narrow = narrow;

    internal long this[long i] => narrow ? ((int*)first)[i] : ((long*)first)[i];

    /// <summary>The position that index <paramref name="i"/> names; a negative one counts from the end.</summary>
    /// <exception cref="InvalidInputException">It lies outside of the axis.</exception>
    internal long Position(long i, long length)
    {
        long index = this[i];
        long position = index < 0 ? index + length : index;
        if ((ulong)position >= (ulong)length) ThrowOutside(index, length);
        return position;
    }

    private static void ThrowOutside(long index, long length) =>
        throw new InvalidInputException($"index {index} is out of range for an axis of length {length}");
}
