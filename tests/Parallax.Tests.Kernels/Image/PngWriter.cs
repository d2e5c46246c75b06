using System.Buffers.Binary;
using System.IO.Compression;

namespace Parallax.Tests.Kernels.Image;

/// <summary>Writes PNG files of any colour type and depth from samples, with a filter of its own for each row; checksums are left zero.</summary>
internal sealed class PngWriter(int width, int height, int depth, int colourType, bool interlaced)
{
    private static readonly int[][] Adam7 = [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]];

    public int Samples { get; } = colourType switch { 2 => 3, 4 => 2, 6 => 4, _ => 1 };

    public byte[]? Palette { get; init; }

    public byte[]? Transparency { get; init; }

    /// <param name="samples">Height x width x samples values of the given depth.</param>
    public byte[] Write(int[] samples)
    {
        using var file = new MemoryStream();
        file.Write([0x89, (byte)'P', (byte)'N', (byte)'G', 13, 10, 26, 10]);
        var header = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), height);
        (header[8], header[9], header[12]) = ((byte)depth, (byte)colourType, (byte)(interlaced ? 1 : 0));
        Chunk(file, "IHDR"u8, header);
        if (Palette is not null) Chunk(file, "PLTE"u8, Palette);
        if (Transparency is not null) Chunk(file, "tRNS"u8, Transparency);
        byte[] data = Compress(samples);
        Chunk(file, "IDAT"u8, data.AsSpan(0, data.Length / 2));
        Chunk(file, "IDAT"u8, data.AsSpan(data.Length / 2));
        Chunk(file, "IEND"u8, []);
        return file.ToArray();
    }

    private static void Chunk(Stream file, ReadOnlySpan<byte> name, ReadOnlySpan<byte> body)
    {
        var length = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(length, body.Length);
        file.Write(length);
        file.Write(name);
        file.Write(body);
        file.Write([0, 0, 0, 0]);
    }

    private byte[] Compress(int[] samples)
    {
        using var compressed = new MemoryStream();
        using (var zlib = new ZLibStream(compressed, CompressionLevel.Fastest, leaveOpen: true))
            foreach (int[] pass in interlaced ? Adam7 : [[0, 0, 1, 1]])
                WritePass(zlib, samples, pass[0], pass[1], pass[2], pass[3]);
        return compressed.ToArray();
    }

    private void WritePass(Stream stream, int[] samples, int x0, int y0, int stepX, int stepY)
    {
        if (x0 >= width) return;
        byte[]? above = null;
        for (int y = y0; y < height; y += stepY)
        {
            var values = new List<int>();
            for (int x = x0; x < width; x += stepX)
                for (int s = 0; s < Samples; s++) values.Add(samples[(y * width + x) * Samples + s]);
            byte[] row = Pack(values);
            int filter = y % 5;
            stream.WriteByte((byte)filter);
            stream.Write(Filter(filter, row, above ?? new byte[row.Length]));
            above = row;
        }
    }

    private byte[] Pack(List<int> values)
    {
        var row = new byte[(values.Count * depth + 7) / 8];
        for (int i = 0; i < values.Count; i++)
            for (int bit = 0; bit < depth; bit++)
                if ((values[i] >> (depth - 1 - bit) & 1) != 0) row[(i * depth + bit) / 8] |= (byte)(0x80 >> ((i * depth + bit) % 8));
        return row;
    }

    private byte[] Filter(int filter, byte[] row, byte[] above)
    {
        int step = Math.Max(1, Samples * depth / 8);
        var filtered = new byte[row.Length];
        for (int i = 0; i < row.Length; i++)
        {
            int left = i < step ? 0 : row[i - step], up = above[i], corner = i < step ? 0 : above[i - step], estimate = left + up - corner;
            int byDistance = new[] { (Math.Abs(estimate - left), 0, left), (Math.Abs(estimate - up), 1, up), (Math.Abs(estimate - corner), 2, corner) }.Min().Item3;
            filtered[i] = (byte)(row[i] - filter switch { 1 => left, 2 => up, 3 => (left + up) / 2, 4 => byDistance, _ => 0 });
        }
        return filtered;
    }
}
