using System.Collections;
using System.Diagnostics.CodeAnalysis;

namespace Parallax;

/// <summary>
/// The outputs of one run, by name, in the model's order, valid for as long as they are held, also when the session is disposed. Disposing a result gives their memory
/// back, which outputs of later runs may then get: read them before. Of such memory a session keeps 32 MiB at most; that of a forgotten result is freed when it is collected.
/// </summary>
public sealed class RunResult : IReadOnlyList<KeyValuePair<string, Datum>>, IDisposable
{
    private readonly string[] names;
    private readonly Datum[] data;

    internal RunResult(string[] names, Datum[] data)
    {
        this.names = names;
        this.data = data;
    }

    /// <summary>A tensor output.</summary>
    /// <exception cref="InvalidInputException">No such output, or it is not a tensor.</exception>
    public Tensor this[string name] => Datum(name) as Tensor
        ?? throw new InvalidInputException($"output '{name}' is no tensor but a {Datum(name)}");

    /// <summary>An output of any kind.</summary>
    public Datum Datum(string name) => TryGet(name, out Datum? datum)
        ? datum
        : throw new InvalidInputException($"no output '{name}'; the model's outputs are {string.Join(", ", names.Select(n => $"'{n}'"))}");

    public bool TryGet(string name, [NotNullWhen(true)] out Datum? datum)
    {
        int index = Array.IndexOf(names, name);
        datum = index < 0 ? null : data[index];
        return index >= 0;
    }

    public int Count => names.Length;

    public KeyValuePair<string, Datum> this[int index] => new(names[index], data[index]);

    public IEnumerator<KeyValuePair<string, Datum>> GetEnumerator()
    {
        for (int i = 0; i < names.Length; i++) yield return this[i];
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    public void Dispose()
    {
        foreach (Datum datum in data) (datum as Tensor)?.Dispose();
    }
}
