namespace Parallax;

/// <summary>Base of everything that Parallax throws because of what it was given. The message is one line that names what, where and what was expected.</summary>
public abstract class ParallaxException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>The model file is damaged, or says something that cannot be true.</summary>
public sealed class InvalidModelException(string message, Exception? inner = null) : ParallaxException(message, inner);

/// <summary>The model is valid, but uses what this build does not support.</summary>
public sealed class UnsupportedModelException(string message, IReadOnlyList<string> unsupported) : ParallaxException(message)
{
    /// <summary>Every unsupported operator or feature of the model, one entry each.</summary>
    public IReadOnlyList<string> Unsupported { get; } = unsupported;
}

/// <summary>An input of a run, or an option of a session, has the wrong name, type, shape or value.</summary>
public sealed class InvalidInputException(string message, Exception? inner = null) : ParallaxException(message, inner);

/// <summary>The memory budget of a run is below what its narrowest plan needs.</summary>
public sealed class MemoryBudgetException(string message, long neededBytes, long budgetBytes) : ParallaxException(message)
{
    public long NeededBytes { get; } = neededBytes;

    public long BudgetBytes { get; } = budgetBytes;
}

/// <summary>A device failed, and the work could not be finished without it.</summary>
public sealed class DeviceException(string message, Exception? inner = null) : ParallaxException(message, inner);
