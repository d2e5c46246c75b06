using System.Collections.Concurrent;

namespace Parallax.Cli.Output;

/// <summary>Files that appear whole or not at all: written under another name in the same folder, then moved.</summary>
internal static class AtomicFile
{
    private static readonly ConcurrentDictionary<string, bool> Unfinished = [];

    /// <exception cref="InvalidInputException">The file cannot be written there.</exception>
    internal static void Write(string path, Action<Stream> write)
    {
        string temporary = $"{path}.{Environment.ProcessId}.tmp";
        try
        {
            if (Directory.Exists(path)) throw new InvalidInputException($"{path}: is a folder, not a file");
            Unfinished[temporary] = true;
            using (FileStream stream = File.Create(temporary)) write(stream);
            File.Move(temporary, path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidInputException($"{path}: cannot be written: {e.Message}", e);
        }
        finally
        {
            Drop(temporary);
        }
    }

    /// <summary>Makes a folder where there is none.</summary>
    internal static void MakeFolder(string path)
    {
        try
        {
            Directory.CreateDirectory(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidInputException($"{path}: cannot be made a folder: {e.Message}", e);
        }
    }

    /// <summary>Removes what is being written, before the process ends in the middle of it.</summary>
    internal static void DropUnfinished()
    {
        foreach (string path in Unfinished.Keys) Drop(path);
    }

    private static void Drop(string temporary)
    {
        try
        {
            File.Delete(temporary);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The write has failed already, and said why.
        }
        Unfinished.TryRemove(temporary, out _);
    }
}
