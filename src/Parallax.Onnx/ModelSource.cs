namespace Parallax.Onnx;

/// <summary>
/// Where the bytes of a model come from: the main file and, for models whose weights lie beside it, the files that it names.
/// Each file is opened once. Tensors of the model lie over these bytes: dispose the source after the last use of them.
/// Opening external files from several threads is safe.
/// </summary>
public sealed class ModelSource : IDisposable
{
    private readonly string? folder;
    private readonly Func<string, Storage> open;
    private readonly Dictionary<string, Storage> external = new(StringComparer.Ordinal);

    /// <param name="name">Name of the model, for messages; usually the file's.</param>
    /// <param name="main">The model's bytes; disposed with the source.</param>
    /// <param name="folder">Where external files must lie; null where there are none.</param>
    /// <param name="open">Opens a file by its full path; by default it is read into memory.</param>
    public ModelSource(string name, Storage main, string? folder = null, Func<string, Storage>? open = null)
    {
        Name = name;
        Main = main;
        this.folder = folder;
        this.open = open ?? ReadFile;
    }

    public string Name { get; }

    /// <summary>The bytes of the model's own file.</summary>
    public Storage Main { get; }

    /// <summary>A model in memory, copied from <paramref name="bytes"/>; without external files unless <paramref name="folder"/> is given.</summary>
    public static ModelSource FromBytes(ReadOnlySpan<byte> bytes, string name = "model", string? folder = null)
    {
        Storage storage = Storage.AllocateUninitialized(bytes.Length);
        bytes.CopyTo(storage.Slice(0, bytes.Length));
        return new ModelSource(name, storage, folder);
    }

    /// <summary>A model read from <paramref name="stream"/> to its end; at most 2 GiB where the stream does not know its length.</summary>
    public static ModelSource FromStream(Stream stream, string name = "model", string? folder = null)
    {
        if (stream.CanSeek) return new ModelSource(name, Read(stream, name), folder);
        using var copy = new MemoryStream();
        stream.CopyTo(copy);
        return FromBytes(copy.GetBuffer().AsSpan(0, (int)copy.Length), name, folder);
    }

    /// <summary>A model file; external files are found in its folder.</summary>
    /// <param name="open">Opens a file by its full path; by default it is read into memory.</param>
    /// <exception cref="InvalidModelException">The file is missing, empty or not readable.</exception>
    public static ModelSource FromFile(string path, Func<string, Storage>? open = null)
    {
        if (path.Length == 0 || path.Contains('\0')) throw new InvalidModelException($"expected the path of a model file, got '{path.Replace('\0', '?')}'");
        string full = Path.GetFullPath(path);
        return new ModelSource(path, (open ?? ReadFile)(full), Path.GetDirectoryName(full), open);
    }

    /// <summary>The bytes of an external file; the same storage on every call.</summary>
    /// <param name="location">The path as the model states it, relative to the model's folder.</param>
    /// <param name="what">Whose data are wanted, for messages.</param>
    /// <exception cref="InvalidModelException">The path leaves the model's folder, or the file is missing, empty or not readable.</exception>
    public Storage OpenExternal(string location, string what)
    {
        if (folder is null) throw new InvalidModelException($"{what}: lies in external file '{location}', but '{Name}' was not loaded from a folder");
        string path = ExternalPath.Resolve(folder, location, what);
        lock (external)
        {
            if (!external.TryGetValue(path, out Storage? storage)) external.Add(path, storage = OpenNamed(path, what));
            return storage;
        }
    }

    public void Dispose()
    {
        Main.Dispose();
        lock (external)
        {
            foreach (Storage storage in external.Values) storage.Dispose();
            external.Clear();
        }
    }

    /// <summary>Opens a file that must exist and hold something.</summary>
    /// <exception cref="InvalidModelException">It does not; the message names the path.</exception>
    public static FileStream OpenStream(string path)
    {
        if (Directory.Exists(path)) throw new InvalidModelException($"{path}: expected a file, but this is a folder");
        FileStream stream;
        try
        {
            stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new InvalidModelException($"{path}: no such file", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new InvalidModelException($"{path}: cannot be read ({error.Message})", error);
        }
        if (stream.CanSeek && stream.Length > 0) return stream;
        stream.Dispose();
        throw new InvalidModelException($"{path}: expected a model's data, but the file is empty");
    }

    /// <summary>A whole file, read into memory.</summary>
    /// <inheritdoc cref="OpenStream"/>
    public static Storage ReadFile(string path)
    {
        using FileStream stream = OpenStream(path);
        return Read(stream, path);
    }

    private Storage OpenNamed(string path, string what)
    {
        try
        {
            return open(path);
        }
        catch (InvalidModelException error)
        {
            throw new InvalidModelException($"{what}: {error.Message}", error);
        }
    }

    private static Storage Read(Stream stream, string name)
    {
        long length = stream.Length - stream.Position;
        Storage storage = Storage.AllocateUninitialized(length);
        const int step = 1 << 24;
        try
        {
            for (long at = 0; at < length; at += step) stream.ReadExactly(storage.Slice(at, (int)Math.Min(step, length - at)));
        }
        catch (IOException error)
        {
            throw new InvalidModelException($"{name}: cannot be read ({error.Message})", error);
        }
        return storage;
    }
}
