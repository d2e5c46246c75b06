using Parallax.Onnx;
using Xunit;
using Xunit.Abstractions;
using static Parallax.Tests.Onnx.OnnxSamples;

namespace Parallax.Tests.Onnx;

public class MalformedModelTests(ITestOutputHelper output)
{
    private const int Seed = 20261121;

    /// <summary>Parses and decodes; true where the bytes are a model. Any exception but <see cref="InvalidModelException"/> fails the test.</summary>
    private static bool Reads(ReadOnlySpan<byte> bytes)
    {
        try
        {
            DecodeAll(Parse(bytes));
            return true;
        }
        catch (InvalidModelException error)
        {
            Assert.DoesNotContain('\n', error.Message);
            return false;
        }
    }

    [Fact]
    public void EveryTruncationIsReadOrRefused()
    {
        byte[] bytes = Everything().ToBytes();
        int refused = 0;
        for (int length = 0; length < bytes.Length; length++)
            if (!Reads(bytes.AsSpan(0, length))) refused++;
        Assert.InRange(refused, bytes.Length - 64, bytes.Length);
    }

    [Fact]
    public void RandomBytesAreReadOrRefused()
    {
        output.WriteLine($"seed {Seed}");
        var random = new Random(Seed);
        for (int i = 0; i < 20_000; i++)
        {
            var bytes = new byte[random.Next(200)];
            random.NextBytes(bytes);
            Reads(bytes);
        }
    }

    [Fact]
    public void DamagedModelsAreReadOrRefused()
    {
        output.WriteLine($"seed {Seed}");
        var random = new Random(Seed);
        byte[] model = Everything().ToBytes();
        int refused = 0;
        for (int i = 0; i < 20_000; i++)
        {
            byte[] bytes = [.. model];
            for (int flips = random.Next(1, 5); flips > 0; flips--) bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            if (!Reads(bytes)) refused++;
        }
        Assert.InRange(refused, 1, 20_000);
    }

    [Fact]
    public void DeepNestingIsRefusedNotFollowed()
    {
        // Graph in attribute in node in graph, and a type in a sequence in a type, 100,000 times.
        byte[] Nest(int depth, params int[] fields)
        {
            List<byte> reversed = [];
            for (int i = 0; i < depth; i++)
                foreach (int field in fields)
                {
                    byte[] head = [.. Tag(field, WireType.Length), .. Varint((ulong)reversed.Count)];
                    reversed.AddRange(head.Reverse());
                }
            reversed.Reverse();
            return [.. reversed];
        }

        static string Refused(byte[] model) => Assert.Throws<InvalidModelException>(() => Parse(model)).Message;
        Assert.Contains("at most 100 nested messages", Refused(Delimited(7, Nest(100_000, 6, 5, 1))));
        byte[] types = Delimited(7, Delimited(11, Delimited(2, Nest(100_000, 1, 4))));
        Assert.Contains("at most 100 nested messages", Refused(types));
        byte[] groups = [.. Enumerable.Range(0, 100_000).SelectMany(_ => Tag(9, WireType.StartGroup))];
        Assert.Contains("at most 100 nested groups", Refused(groups));
        byte[] sequences = Nest(100_000, 5);
        Assert.Contains("at most 100 nested messages", Assert.Throws<InvalidModelException>(
            () => DatumFile.Read(ByteRegion.Copy(sequences), "s.pb", new SequenceTypeProto(null))).Message);
        Assert.Equal("", Parse(Delimited(7, Nest(30, 6, 5, 1))).Graph.Name);
    }

    [Fact]
    public void TheDeepestNestingFitsASmallStack()
    {
        // Element in sequence in type: 97 messages below graph, input and type.
        byte[] type = [];
        for (int i = 0; i < 48; i++) type = Delimited(4, Delimited(1, type));
        TypeProto? read = null;
        var thread = new Thread(() => read = Parse(Delimited(7, Delimited(11, Delimited(2, type)))).Graph.Inputs[0].Type, maxStackSize: 256 << 10);
        thread.Start();
        thread.Join();
        Assert.IsType<SequenceTypeProto>(read);
    }

    [Fact]
    public void DamagedDataFilesAreReadOrRefused()
    {
        output.WriteLine($"seed {Seed}");
        var random = new Random(Seed);
        var tensors = new TensorSequence(DType.Float32, [Tensor.From([1f, 2f], [2]), Tensor.From([3f], [1, 1])]);
        var inner = new SequenceTypeProto(new TensorTypeProto(DType.Float32));
        (Datum Value, TypeProto Type)[] files =
        [
            (tensors, inner), (new OptionalDatum(tensors), new OptionalTypeProto(inner)), (Tensor.FromStrings(["a", "bc"], [2]), new TensorTypeProto(DType.String)),
        ];
        int refused = 0, total = 0;
        foreach ((Datum value, TypeProto type) in files)
        {
            using var stream = new MemoryStream();
            DatumFile.Write(value, stream);
            for (int i = 0; i < 5_000; i++, total++)
            {
                byte[] bytes = stream.ToArray();
                for (int flips = random.Next(1, 4); flips > 0; flips--) bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
                try
                {
                    DatumFile.Read(ByteRegion.Copy(bytes.AsSpan(0, random.Next(bytes.Length + 1))), "v.pb", type);
                }
                catch (InvalidModelException)
                {
                    refused++;
                }
            }
        }
        Assert.InRange(refused, 1, total - 1);
    }

    public static TheoryData<byte[], string> Malformed => new()
    {
        { [], "test.onnx: expected an ONNX model, but there is no graph in it" },
        { [0x08], "test.onnx: byte 1, ModelProto field 1: expected another byte of a varint, but the data end" },
        { [0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80], "test.onnx: byte 11, ModelProto field 1: expected a varint of at most 64 bits" },
        { [0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02], "test.onnx: byte 11, ModelProto field 1: expected a varint of at most 64 bits" },
        { [0x00], "test.onnx: byte 1, ModelProto: expected a field number from 1 to 536870911, not 0" },
        { [0x0E], "test.onnx: byte 1, ModelProto: expected a wire type from 0 to 5, not 6" },
        { [0x12, 5, 1], "test.onnx: byte 2, ModelProto field 2: expected 5 bytes, but 1 are left" },
        { [0x12, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], "test.onnx: byte 11, ModelProto field 2: expected 18446744073709551615 bytes, but 0 are left" },
        { [0x10, 5], "test.onnx: byte 1, ModelProto field 2: expected a length-delimited value, not wire type Varint" },
        { [0x0A, 0], "test.onnx: byte 1, ModelProto field 1: expected a varint, not wire type Length" },
        { [0x0C], "test.onnx: byte 1, ModelProto field 1: expected a field, not the end of a group that was not started" },
        { [0x4B], "test.onnx: byte 1, ModelProto field 9: expected the end of group 9, but the data end" },
        { [0x4B, 0x54], "test.onnx: byte 2, ModelProto field 10: expected the end of group 9, not of group 10" },
        { [0x4D, 1, 2], "test.onnx: byte 1, ModelProto field 9: expected 4 bytes of a fixed32, but 2 are left" },
        { [0x3A, 4, 0x0A, 2, 0x0A, 9], "test.onnx: byte 6, NodeProto field 1: expected 9 bytes, but 0 are left" },
    };

    [Theory, MemberData(nameof(Malformed))]
    public void MessagesNameTheByteAndWhatWasExpected(byte[] bytes, string message) =>
        Assert.Equal(message, Assert.Throws<InvalidModelException>(() => Parse(bytes)).Message);

    [Fact]
    public void ALyingLengthAllocatesNothing()
    {
        byte[] bytes = [.. Tag(7, WireType.Length), .. Varint(1UL << 40), 1, 2, 3];
        Assert.ThrowsAny<InvalidModelException>(() => Parse(bytes));
        ByteRegion region = ByteRegion.Copy(bytes);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Throws<InvalidModelException>(() => ModelProto.Parse(region, "m"));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
    }
}
