using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;
using Parallax.Onnx;
using Xunit;
using static Parallax.Tests.Onnx.OnnxSamples;

namespace Parallax.Tests.Onnx;

public class TensorDecodeTests
{
    private static readonly long[] Signed = [-128, -1, 0, 1, 127, 5];
    private static readonly long[] Unsigned = [0, 1, 127, 128, 255, 200];

    public static TheoryData<DType, int, long[]> VarintTypes => new()
    {
        { DType.Int8, 5, Signed }, { DType.UInt8, 5, Unsigned }, { DType.Int16, 5, [short.MinValue, -1, 0, 1, short.MaxValue, 7] },
        { DType.UInt16, 5, [0, 1, 32767, 32768, 65535, 3] }, { DType.Int32, 5, [int.MinValue, -1, 0, 1, int.MaxValue, 9] },
        { DType.Int64, 7, [long.MinValue, -1, 0, 1, long.MaxValue, 300] }, { DType.UInt32, 11, [0, 1, 2, 3, uint.MaxValue, 77] },
        { DType.UInt64, 11, [0, 1, -1, 3, long.MinValue, 77] }, { DType.Bool, 5, [0, 1, 0, 1, 1, 0] }, { DType.Float16, 5, [0, 0x3C00, 0xFC00, 1, 0xFFFF, 2] },
        { DType.BFloat16, 5, [0, 0x3F80, 0xFF80, 1, 0xFFFF, 2] }, { DType.Float8E4M3FN, 5, Unsigned }, { DType.Float8E4M3FNUZ, 5, Unsigned },
        { DType.Float8E5M2, 5, Unsigned }, { DType.Float8E5M2FNUZ, 5, Unsigned }, { DType.Float8E8M0, 5, Unsigned },
    };

    /// <summary>The values as bytes of memory, from their low bits.</summary>
    private static byte[] Memory(DType type, long[] values)
    {
        int size = type.ElementBytes();
        var bytes = new byte[values.Length * size];
        Span<byte> wide = stackalloc byte[8];
        for (int i = 0; i < values.Length; i++)
        {
            BinaryPrimitives.WriteInt64LittleEndian(wide, values[i]);
            wide[..size].CopyTo(bytes.AsSpan(i * size));
        }
        return bytes;
    }

    private static byte[] Header(DType type, params long[] dims) => [.. dims.SelectMany(d => Number(1, d)), .. Number(2, (int)type), .. Delimited(8, (byte)'w')];

    [Theory, MemberData(nameof(VarintTypes))]
    public void TypedVarintFieldsPackedUnpackedAndMixed(DType type, int field, long[] values)
    {
        byte[] Pack(IEnumerable<long> some) => Delimited(field, [.. some.SelectMany(v => Varint((ulong)v))]);
        byte[] Loose(IEnumerable<long> some) => [.. some.SelectMany(v => Number(field, v))];
        byte[][] forms = [Pack(values), Loose(values), [.. Pack(values[..2]), .. Loose(values[2..4]), .. Pack(values[4..])]];
        foreach (byte[] form in forms)
        {
            Tensor tensor = ParseTensor([.. Header(type, 2, 3), .. form]).ToTensor();
            Assert.Equal($"{type}[2x3]", tensor.ToString());
            Assert.Equal(Memory(type, values), tensor.Bytes.ToArray());
        }
    }

    [Theory, MemberData(nameof(VarintTypes))]
    public void RawDataHoldTheSame(DType type, int field, long[] values)
    {
        _ = field;
        Assert.Equal(Memory(type, values), ParseTensor([.. Header(type, 6), .. Delimited(9, Memory(type, values))]).ToTensor().Bytes.ToArray());
    }

    [Theory]
    [InlineData(DType.UInt4, 5), InlineData(DType.Int4, 5), InlineData(DType.Float4E2M1, 5), InlineData(DType.UInt2, 9), InlineData(DType.Int2, 9)]
    public void TypesBelowAByteComePacked(DType type, int elements)
    {
        byte[] bytes = [0x21, 0xF3, 0x05];
        byte[] typed = Delimited(5, [.. bytes.SelectMany(b => Varint(b))]);
        Assert.Equal(bytes, ParseTensor([.. Header(type, elements), .. typed]).ToTensor().Bytes.ToArray());
        Assert.Equal(bytes, ParseTensor([.. Header(type, elements), .. Delimited(9, bytes)]).ToTensor().Bytes.ToArray());
        Assert.Contains("needs 4 values, int32_data holds 3", Fails([.. Header(type, elements + 8), .. typed], type.BitWidth() == 2 ? 5 : 7));
    }

    private static string Fails(byte[] tensor, int values = 0) => Assert.Throws<InvalidModelException>(() => ParseTensor(tensor).ToTensor()).Message
        .Replace($"needs {values} values", "needs 4 values", StringComparison.Ordinal);

    [Fact]
    public void FloatsDoublesAndComplexPairs()
    {
        float[] floats = [1, -0f, float.NaN, float.MaxValue];
        double[] doubles = [1, -2.5, double.Epsilon, double.NegativeInfinity];
        byte[] floatBytes = MemoryMarshal.AsBytes<float>(floats).ToArray(), doubleBytes = MemoryMarshal.AsBytes<double>(doubles).ToArray();
        byte[] looseFloats = [.. floats.SelectMany(f => (byte[])[.. Tag(4, WireType.Fixed32), .. BitConverter.GetBytes(f)])];
        byte[] looseDoubles = [.. doubles.SelectMany(d => (byte[])[.. Tag(10, WireType.Fixed64), .. BitConverter.GetBytes(d)])];
        foreach (byte[] form in new[] { Delimited(4, floatBytes), looseFloats, Delimited(9, floatBytes) })
        {
            Assert.Equal(floats, ParseTensor([.. Header(DType.Float32, 4), .. form]).ToTensor().Span<float>().ToArray());
            Assert.Equal([new(1, -0f), new(float.NaN, float.MaxValue)], ParseTensor([.. Header(DType.Complex64, 2), .. form]).ToTensor().Span<Complex64>().ToArray());
        }
        foreach (byte[] form in new[] { Delimited(10, doubleBytes), looseDoubles, Delimited(9, doubleBytes) })
        {
            Assert.Equal(doubles, ParseTensor([.. Header(DType.Float64, 4), .. form]).ToTensor().Span<double>().ToArray());
            Assert.Equal([new(1, -2.5), new(double.Epsilon, double.NegativeInfinity)],
                ParseTensor([.. Header(DType.Complex128, 2), .. form]).ToTensor().Span<Complex>().ToArray());
        }
    }

    [Fact]
    public void Strings()
    {
        byte[] data = [.. Delimited(6, (byte)'a'), .. Delimited(6), .. Delimited(6, 0xC3, 0xBC)];
        Assert.Equal(["a", "", "ü"], ParseTensor([.. Header(DType.String, 3), .. data]).ToTensor().Strings.ToArray());
        Assert.Contains("string[4] needs 4 strings, string_data holds 3", Fails([.. Header(DType.String, 4), .. data]));
        Assert.Contains("UTF-8 text in string 0", Fails([.. Header(DType.String, 1), .. Delimited(6, 0xFF)]));
        Assert.Contains("given as bytes", Fails([.. Header(DType.String, 1), .. Delimited(9, 1)]));
    }

    [Fact]
    public void RawDataAreUsedInPlaceWhereAlignedAndCopiedWhereNot()
    {
        for (int shift = 0; shift < 8; shift++)
        {
            byte[] name = [.. Enumerable.Repeat((byte)'n', shift)];
            Storage file = ByteRegion.Copy([.. Delimited(8, name), .. Number(1, 2), .. Number(2, (int)DType.Float32), .. Delimited(9, 0, 0, 0x80, 0x3F, 0, 0, 0, 0x40)]).Storage!;
            Tensor tensor = DatumFile.ReadTensor(ByteRegion.Of(file), "f").ToTensor();
            long offset = file.ByteCount - 8;
            Assert.Equal(offset % 4 == 0, ReferenceEquals(file, tensor.Storage));
            Assert.Equal(0, tensor.Address % 4);
            Assert.Equal([1f, 2f], tensor.Span<float>().ToArray());
        }
    }

    [Fact]
    public void BoolsAreZeroOrOne() =>
        Assert.Equal([0, 1, 1], ParseTensor([.. Header(DType.Bool, 3), .. Delimited(9, 0, 1, 7)]).ToTensor().Bytes.ToArray());

    [Fact]
    public void NoElementsNeedNoData()
    {
        foreach (DType type in Enum.GetValues<DType>().Where(t => t != DType.Undefined))
            Assert.Equal($"{type}[0x3]", ParseTensor(Header(type, 0, 3)).ToTensor().ToString());
        Assert.Equal("Float32[]", ParseTensor([.. Header(DType.Float32), .. Delimited(9, 0, 0, 0, 0)]).ToTensor().ToString());
    }

    [Fact]
    public void DisagreementsNameTheTensorWhatItNeedsAndWhatThereIs()
    {
        Assert.Equal("initializer 'w': float32[64x3x7x7] needs 37632 bytes, raw_data holds 12", Fails([.. Header(DType.Float32, 64, 3, 7, 7), .. Delimited(9, new byte[12])]));
        Assert.Equal("initializer 'w': float32[1] needs 4 bytes, raw_data holds 8", Fails([.. Header(DType.Float32, 1), .. Delimited(9, new byte[8])]));
        Assert.Equal("initializer 'w': float32[2] needs 8 bytes, float_data holds 4", Fails([.. Header(DType.Float32, 2), .. Delimited(4, new byte[4])]));
        Assert.Equal("initializer 'w': int64[2] needs 2 values, int64_data holds 1", Fails([.. Header(DType.Int64, 2), .. Delimited(7, 5)]));
        Assert.Equal("initializer 'w': int64[2] needs 16 bytes, the file holds 0", Fails(Header(DType.Int64, 2)));
        Assert.Contains("expected dims of at least 0, got int8[-1]", Fails(Header(DType.Int8, -1)));
        Assert.Contains("fewer than 2^63 bits", Fails(Header(DType.Int8, 1L << 40, 1L << 40)));
        Assert.Contains("fewer than 2^63 bits", Fails(Header(DType.Int8, 0, 1L << 40, 1L << 40)));
        Assert.Contains("needs 1099511627776 values", Fails([.. Header(DType.Int8, 1L << 40), .. Delimited(5, 1)]));
        Assert.Contains("expected an element type, but none is given", Fails(Delimited(8, (byte)'w')));
        Assert.Contains("an element type from 0 to 26, not 99", Fails(Header((DType)99)));
        Assert.Contains("segment", Fails([.. Header(DType.Int8, 1), .. Delimited(3)]));
        Assert.Contains("expected a value from -128 to 255, not 300", Fails([.. Header(DType.UInt8, 1), .. Number(5, 300)]));
        Assert.Contains("another byte of a varint", Fails([.. Header(DType.Int64, 1), .. Delimited(7, 1, 0x80)]));
    }

    [Fact]
    public void SparseTensorsByCoordinatesAndTheirErrors()
    {
        static SparseTensorProto Sparse(long[] indices, long[] shape, params long[] dims) => new()
        {
            Values = TensorProto.From(Tensor.From([4f, 5f], [2]), "s"),
            Indices = TensorProto.From(Tensor.From(indices, shape)),
            Dims = dims,
        };
        Assert.Equal([0f, 0, 4, 5, 0, 0], Sparse([0, 2, 1, 0], [2, 2], 2, 3).ToTensor().Span<float>().ToArray());
        Assert.Contains("expected indices from 0 to 5, got 6", Assert.Throws<InvalidModelException>(() => Sparse([0, 6], [2], 2, 3).ToTensor()).Message);
        Assert.Contains("expected indices from 0 to 2, got -1", Assert.Throws<InvalidModelException>(() => Sparse([0, 2, 1, -1], [2, 2], 2, 3).ToTensor()).Message);
        Assert.Contains("expected indices int64[2x2], got Int64[1x2]", Assert.Throws<InvalidModelException>(() => Sparse([0, 2], [1, 2], 2, 3).ToTensor()).Message);
        Assert.Contains("at most the 1 elements of float32[1], got 2 values", Assert.Throws<InvalidModelException>(() => Sparse([0, 0], [2], 1).ToTensor()).Message);
        Assert.Contains("at most 2 GiB", Assert.Throws<InvalidModelException>(() => Sparse([0, 2], [2], 1L << 40).ToTensor()).Message);
    }
}
