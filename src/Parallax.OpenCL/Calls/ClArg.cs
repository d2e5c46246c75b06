using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Parallax.OpenCL.Calls;

internal enum ClArgKind
{
    Input,
    Output,
    Scratch,
    Weight,
    Value,
    Local,
}

/// <summary>
/// One argument of a launch. A tensor (input, output, scratch, weight) is two arguments of the kernel, a base and a byte offset, as <c>TENSOR</c> of common.cl
/// declares them; everything else is one.
/// </summary>
internal readonly struct ClArg
{
    private readonly Words words;

    private ClArg(ClArgKind kind, int byteCount = 0) => (Kind, ByteCount) = (kind, byteCount);

    private ClArg(ReadOnlySpan<int> value)
    {
        Kind = ClArgKind.Value;
        ByteCount = value.Length * sizeof(int);
        value.CopyTo(words);
    }

    internal ClArgKind Kind { get; }

    /// <summary>Position of an input or output among those of the call.</summary>
    internal int Index { get; private init; }

    /// <summary>Where the tensor begins inside the input, output, scratch or weight.</summary>
    internal long ByteOffset { get; private init; }

    internal ClBuffer? Buffer { get; private init; }

    /// <summary>Bytes of a value or of local memory.</summary>
    internal int ByteCount { get; }

    /// <summary>The words of a value, low first; meaningful up to <see cref="ByteCount"/>.</summary>
    [UnscopedRef]
    internal ref readonly int Value => ref Unsafe.As<Words, int>(ref Unsafe.AsRef(in words));

    internal static ClArg Input(int index, long byteOffset = 0) => new(ClArgKind.Input) { Index = index, ByteOffset = byteOffset };

    internal static ClArg Output(int index, long byteOffset = 0) => new(ClArgKind.Output) { Index = index, ByteOffset = byteOffset };

    /// <summary>A part of the call's scratch memory.</summary>
    internal static ClArg Scratch(long byteOffset) => new(ClArgKind.Scratch) { ByteOffset = byteOffset };

    /// <summary>The tensor from so many bytes on.</summary>
    internal ClArg Behind(long byteCount) => this with { ByteOffset = ByteOffset + byteCount };

    /// <summary>Memory that belongs to the model, such as packed weights.</summary>
    /// <param name="buffer">Null in a call that is only looked at.</param>
    internal static ClArg Weight(ClBuffer? buffer, long byteOffset = 0) => new(ClArgKind.Weight) { Buffer = buffer, ByteOffset = byteOffset };

    /// <summary>A <c>const int</c>. Throws where the number does not fit.</summary>
    internal static ClArg Int(long value) => new([checked((int)value)]);

    /// <summary>A <c>const long</c>.</summary>
    internal static ClArg Long(long value) => new([(int)value, (int)(value >> 32)]);

    /// <summary>A <c>const float</c>.</summary>
    internal static ClArg Float(float value) => new([BitConverter.SingleToInt32Bits(value)]);

    /// <summary>A <c>const int2</c>, <c>int4</c> or <c>int8</c>. Throws where a number does not fit.</summary>
    internal static ClArg Ints(params ReadOnlySpan<long> values)
    {
        if (values.Length is not (2 or 4 or 8)) throw new ArgumentException($"there is no vector of {values.Length} integers", nameof(values));
        Span<int> words = stackalloc int[values.Length];
        for (int i = 0; i < words.Length; i++) words[i] = checked((int)values[i]);
        return new ClArg(words);
    }

    /// <summary>Local memory of so many bytes: a <c>__local</c> pointer.</summary>
    internal static ClArg Local(int byteCount) => new(ClArgKind.Local, byteCount);

    [InlineArray(8)]
    private struct Words
    {
        private int first;
    }
}
