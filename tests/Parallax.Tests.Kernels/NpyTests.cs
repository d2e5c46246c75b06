using System.Numerics;
using System.Text;
using Xunit;

namespace Parallax.Tests.Kernels;

public sealed class NpyTests
{
    private static byte[] File(string header, byte[] body, byte version = 1)
    {
        byte[] text = Encoding.UTF8.GetBytes(header + "\n");
        byte[] size = version == 1 ? [(byte)text.Length, (byte)(text.Length >> 8)] : [(byte)text.Length, (byte)(text.Length >> 8), 0, 0];
        return [0x93, .. "NUMPY"u8, version, 0, .. size, .. text, .. body];
    }

    private static string Header(string type, string shape, bool fortran = false) =>
        $"{{'descr': '{type}', 'fortran_order': {(fortran ? "True" : "False")}, 'shape': {shape}, }}";

    private static Tensor Read(byte[] file) => Npy.Read(new MemoryStream(file), "test");

    public static TheoryData<DType> NumPyTypes =>
    [
        DType.Bool, DType.Int8, DType.Int16, DType.Int32, DType.Int64, DType.UInt8, DType.UInt16, DType.UInt32, DType.UInt64,
        DType.Float16, DType.Float32, DType.Float64, DType.Complex64, DType.Complex128,
    ];

    [Theory]
    [MemberData(nameof(NumPyTypes))]
    public void WhatIsWrittenIsReadBack(DType type)
    {
        foreach (long[] dims in (long[][])[[], [0], [7], [2, 3], [4, 0, 5], [2, 3, 1, 5]])
        {
            Tensor tensor = Tensor.Zeros(type, dims);
            for (int i = 0; i < tensor.Bytes.Length; i++) tensor.Bytes[i] = (byte)(type == DType.Bool ? i & 1 : 37 * i + 11);
            using var stream = new MemoryStream();
            Npy.Write(stream, tensor);
            stream.Position = 0;
            Tensor back = Npy.Read(stream);
            Assert.Equal((type, Shape.ToString(dims)), (back.DType, Shape.ToString(back.Dims)));
            Assert.True(tensor.Bytes.SequenceEqual(back.Bytes));
            Assert.Equal(stream.Length, stream.Position);
            Assert.Equal(0, (stream.Length - tensor.ByteCount) % 64);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void VersionsAndSpellingsAreRead(byte version)
    {
        Tensor tensor = Read(File("{\"shape\"".Replace('"', '\'') + ":(2,) ,'fortran_order':False,  'descr':'<i2'}", [1, 0, 0xFF, 0xFF], version));
        Assert.Equal([1, -1], tensor.Span<short>().ToArray());
    }

    [Fact]
    public void BigEndianIsTurnedRound()
    {
        Assert.Equal([0x01020304, -2], Read(File(Header(">i4", "(2,)"), [1, 2, 3, 4, 0xFF, 0xFF, 0xFF, 0xFE])).Span<int>().ToArray());
        Assert.Equal(new Complex64(1, 2), Read(File(Header(">c8", "()"), [0x3F, 0x80, 0, 0, 0x40, 0, 0, 0])).Span<Complex64>()[0]);
        Assert.Equal(["é"], Read(File(Header(">U1", "(1,)"), [0, 0, 0, 0xE9])).Strings.ToArray());
    }

    [Fact]
    public void FortranOrderBecomesRowMajor()
    {
        byte[] body = [.. Enumerable.Range(0, 24).Select(i => (byte)i)];
        byte[] expected = [.. from i in Enumerable.Range(0, 2) from j in Enumerable.Range(0, 3) from k in Enumerable.Range(0, 4) select (byte)(i + 2 * j + 6 * k)];
        Assert.Equal(expected, Read(File(Header("|u1", "(2, 3, 4)", fortran: true), body)).Bytes.ToArray());
    }

    [Fact]
    public void StringsAreReadAndWritten()
    {
        Assert.Equal(["ab", "cde"], Read(File(Header("|S3", "(2,)"), [.. "ab\0cde"u8])).Strings.ToArray());
        string[] texts = ["", "grüß", "\U0001F600!", "x"];
        using var stream = new MemoryStream();
        Npy.Write(stream, Tensor.FromStrings(texts, [2, 2]));
        stream.Position = 0;
        Tensor back = Npy.Read(stream);
        Assert.Equal(texts, back.Strings.ToArray());
        Assert.Equal("[2x2]", Shape.ToString(back.Dims));
    }

    [Fact]
    public void TypesThatNumPyLacksAreWidened()
    {
        Tensor Through(Tensor tensor)
        {
            using var stream = new MemoryStream();
            Npy.Write(stream, tensor);
            stream.Position = 0;
            return Npy.Read(stream);
        }
        Assert.Equal([1.5f, -2f], Through(Tensor.From<BFloat16>([(BFloat16)1.5f, (BFloat16)(-2f)], [2])).Span<float>().ToArray());
        Tensor nibbles = Tensor.Zeros(DType.Int4, [3]);
        (nibbles.Bytes[0], nibbles.Bytes[1]) = (0xF7, 0x08);
        Assert.Equal([7, -1, -8], Through(nibbles).Span<sbyte>().ToArray());
        Tensor quarters = Tensor.Zeros(DType.Float4E2M1, [2]);
        quarters.Bytes[0] = 0xF3;
        Assert.Equal([1.5f, -6f], Through(quarters).Span<float>().ToArray());
    }

    [Fact]
    public void WritingReplacesAFileAndLeavesNothingElse()
    {
        string folder = Directory.CreateTempSubdirectory("npy").FullName;
        try
        {
            string path = Path.Combine(folder, "x.npy");
            Npy.Write(path, Tensor.Scalar(1f));
            Npy.Write(path, Tensor.Scalar(2L));
            Assert.Equal(2L, Npy.Read(path).Span<long>()[0]);
            Assert.Single(Directory.GetFiles(folder));
            Assert.Throws<InvalidInputException>(() => Npy.Write(Path.Combine(folder, "none", "x.npy"), Tensor.Scalar(1f)));
            Assert.Throws<InvalidInputException>(() => Npy.Read(Path.Combine(folder, "none.npy")));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Theory]
    [InlineData("<f4", "(3,)")] // one element too many
    [InlineData("<f4", "(9223372036854775807, 9223372036854775807)")]
    [InlineData("<f4", "(-1,)")]
    [InlineData("<f4", "2")]
    [InlineData("<f4", "(a,)")]
    [InlineData("|O", "(1,)")]
    [InlineData("<f3", "(1,)")]
    [InlineData("<U0", "(9999999999,)")]
    [InlineData("", "(1,)")]
    public void BadHeadersAreRefused(string type, string shape) =>
        Assert.Throws<InvalidInputException>(() => Read(File(Header(type, shape), new byte[8])));

    [Fact]
    public void DamageIsRefused()
    {
        byte[] file = File(Header("<f4", "(2, 3)"), new byte[24]);
        for (int length = 0; length < file.Length; length++)
            Assert.Throws<InvalidInputException>(() => Read(file[..length]));
        var random = new Random(20252);
        for (int round = 0; round < 2000; round++)
        {
            byte[] damaged = [.. file];
            damaged[random.Next(damaged.Length)] ^= (byte)(1 << random.Next(8));
            try
            {
                Read(damaged);
            }
            catch (InvalidInputException refusal)
            {
                Assert.DoesNotContain('\n', refusal.Message);
            }
        }
    }
}
