namespace Parallax.Runtime.Execution;

/// <summary>Where a value of a plan lives while a run goes on.</summary>
internal enum SlotKind
{
    /// <summary>A constant of the model, at one address for ever.</summary>
    Constant,

    /// <summary>An input of the run, in the caller's memory.</summary>
    Input,

    /// <summary>A value of known size, at an offset of the run's arena.</summary>
    Arena,

    /// <summary>A graph output of known size, in the caller's buffer or in memory that the result owns.</summary>
    Output,

    /// <summary>A whole datum that a step hands over: its size is known only when it is there, or it is no tensor.</summary>
    Datum,
}

/// <summary>A place in which values of a plan live. Views are in the slot of what they view, under dims of their own, and may be a part of it.</summary>
internal sealed class Slot(int index, SlotKind kind)
{
    internal int Index { get; } = index;

    internal SlotKind Kind { get; } = kind;

    /// <summary>Constant: its tensor.</summary>
    internal Tensor? Constant { get; init; }

    /// <summary>Input: position among the graph's inputs. Output: position among its outputs.</summary>
    internal int Position { get; init; } = -1;

    /// <summary>Arena: position among the buffers of the memory problem.</summary>
    internal int Buffer { get; init; } = -1;

    /// <summary>Arena and output: size in bytes.</summary>
    internal long ByteCount { get; init; }

    /// <summary>Arena: whether a device works on it, so that it must lie in the memory that the device sees.</summary>
    internal bool IsOnDevice { get; set; }

    /// <summary>Entries of the pointer table that hold this slot's address, and by how many bytes each lies behind it.</summary>
    internal List<(int Position, long Offset)> TablePositions { get; } = [];

    /// <summary>Datum: how often steps read it; it is let go after the last time. 0 where it stays to the end.</summary>
    internal int Uses { get; set; }
}

/// <summary>A value as a step sees it: a slot, and the type and dims under which the step reads or writes it (null where they are known only at run time).</summary>
/// <param name="Offset">Where in the slot the value begins, in bytes.</param>
internal readonly record struct Operand(Slot Slot, DType Type, long[]? Dims, long Offset = 0)
{
    internal bool IsStatic => Dims is not null;
}
