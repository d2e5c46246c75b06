using System.Buffers.Text;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Parallax.Runtime.Memory;

/// <summary>
/// How much memory the process could still take: the smaller of what the operating system calls available and the room in the control groups above
/// the process. Cheap enough to ask at every run: files stay open, answers are kept for some milliseconds, nothing is allocated. Thread-safe.
/// </summary>
internal static class FreeMemory
{
    private const int KeepMs = 20;

    private static readonly SafeFileHandle? MemInfo = Open("/proc/meminfo");
    private static readonly ControlGroup[] Groups = OperatingSystem.IsLinux() ? ControlGroup.OfThisProcess() : [];
    private static long askedAt = long.MinValue / 2, answer;

    internal static long Bytes()
    {
        long now = Environment.TickCount64;
        if (now - Volatile.Read(ref askedAt) < KeepMs) return Volatile.Read(ref answer);
        long free = OperatingSystemFree();
        foreach (ControlGroup group in Groups) free = Math.Min(free, group.Room());
        Volatile.Write(ref answer, Math.Max(0, free));
        Volatile.Write(ref askedAt, now);
        return Math.Max(0, free);
    }

    private static long OperatingSystemFree()
    {
        if (MemInfo is not null && TryReadField(MemInfo, "MemAvailable:"u8, out long kilobytes)) return kilobytes * 1024;
        if (OperatingSystem.IsWindows())
        {
            var status = new MemoryStatus { Length = (uint)Marshal.SizeOf<MemoryStatus>() };
            if (GlobalMemoryStatusEx(ref status)) return (long)status.AvailablePhysical;
        }
        GCMemoryInfo info = GC.GetGCMemoryInfo();
        return info.TotalAvailableMemoryBytes - info.MemoryLoadBytes;
    }

    private static SafeFileHandle? Open(string path)
    {
        try
        {
            return File.Exists(path) ? File.OpenHandle(path) : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null; // not to be read here: the other sources decide
        }
    }

    /// <summary>The number behind a label, or the first number of the file where the label is empty. False where there is none (<c>max</c>).</summary>
    private static bool TryReadField(SafeFileHandle file, ReadOnlySpan<byte> label, out long value)
    {
        value = 0;
        Span<byte> buffer = stackalloc byte[4096];
        int length;
        try
        {
            length = RandomAccess.Read(file, buffer, 0);
        }
        catch (IOException)
        {
            return false; // the group is gone
        }
        ReadOnlySpan<byte> text = buffer[..length];
        int at = label.IsEmpty ? 0 : text.IndexOf(label);
        if (at < 0) return false;
        text = text[(at + label.Length)..].TrimStart((byte)' ');
        return Utf8Parser.TryParse(text, out value, out int used) && used > 0;
    }

    [DllImport("kernel32.dll", SetLastError = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static extern bool GlobalMemoryStatusEx(ref MemoryStatus status);

    [StructLayout(LayoutKind.Sequential)]
    private struct MemoryStatus
    {
        internal uint Length, Load;
        internal ulong TotalPhysical, AvailablePhysical, TotalPageFile, AvailablePageFile, TotalVirtual, AvailableVirtual, AvailableExtendedVirtual;
    }

    /// <summary>One control group with a memory limit.</summary>
    private sealed class ControlGroup(SafeFileHandle limit, SafeFileHandle usage, SafeFileHandle? statistics)
    {
        internal static ControlGroup[] OfThisProcess()
        {
            var groups = new List<ControlGroup>();
            try
            {
                foreach (string line in File.ReadLines("/proc/self/cgroup"))
                {
                    string[] parts = line.Split(':', 3);
                    if (parts.Length < 3) continue;
                    if (parts[0] == "0") AddChain(groups, "/sys/fs/cgroup", parts[2], "memory.max", "memory.current");
                    else if (parts[1].Split(',').Contains("memory")) AddChain(groups, "/sys/fs/cgroup/memory", parts[2], "memory.limit_in_bytes", "memory.usage_in_bytes");
                }
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                return []; // no control groups to be read: none limits us that we know of
            }
            return [.. groups];
        }

        /// <summary>The group and every group above it: each may set a limit.</summary>
        private static void AddChain(List<ControlGroup> groups, string mount, string path, string limitFile, string usageFile)
        {
            for (string? at = path.TrimEnd('/'); at is not null; at = at.Length == 0 ? null : at[..at.LastIndexOf('/')])
                if (Open($"{mount}{at}/{limitFile}") is { } limit && Open($"{mount}{at}/{usageFile}") is { } usage)
                    groups.Add(new ControlGroup(limit, usage, Open($"{mount}{at}/memory.stat")));
        }

        /// <summary>The limit less what is used; file pages that were not used lately do not count, the kernel drops them first.</summary>
        internal long Room()
        {
            if (!TryReadField(limit, default, out long most) || !TryReadField(usage, default, out long used)) return long.MaxValue;
            if (statistics is not null && TryReadField(statistics, "inactive_file "u8, out long droppable)) used -= droppable;
            return most - used;
        }
    }
}
