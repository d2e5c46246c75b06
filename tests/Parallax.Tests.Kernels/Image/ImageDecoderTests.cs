using System.Buffers.Binary;
using System.Security.Cryptography;
using Parallax.Kernels.Image;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Kernels.Image;

public sealed class ImageDecoderTests
{
    private const int Seed = 20251;

    // Pictures of 21x19 pixels: baseline 4:2:0; progressive 4:2:2 with restarts; baseline 4:4:0 with restarts.
    private const string Jpeg420 = "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABQODxIPDRQSEBIXFRQYHjIhHhwcHj0sLiQySUBMS0dARkVQWnNiUFVtVkVGZIhlbXd7gYKBTmCNl4x9lnN+gXz/2wBDARUXFx4aHjshITt8U0ZTfHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHz/wAARCAATABUDASIAAhEBAxEB/8QAFwABAQEBAAAAAAAAAAAAAAAAAAMFAf/EACUQAAIBAwIFBQAAAAAAAAAAAAECAAMRIRJBBAUTMVEUIiMyQv/EABcBAAMBAAAAAAAAAAAAAAAAAAABAwL/xAAVEQEBAAAAAAAAAAAAAAAAAAAAAf/aAAwDAQACEQMRAD8AWFQbhh2xIuSp19mBzbcS7rqJK4YHYWnWXq0+oLXGTnuJNR1QGUfreJDh39hUi+k2FvETJtzmFJPTirp+S/285mbw7FXYg5BiIxGbWYpVbSbXiIiD/9k=";
    private const string Jpeg422Progressive = "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABQODxIPDRQSEBIXFRQYHjIhHhwcHj0sLiQySUBMS0dARkVQWnNiUFVtVkVGZIhlbXd7gYKBTmCNl4x9lnN+gXz/2wBDARUXFx4aHjshITt8U0ZTfHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHz/wgARCAATABUDASEAAhEBAxEB/8QAGAABAAMBAAAAAAAAAAAAAAAAAAECBAP/xAAWAQEBAQAAAAAAAAAAAAAAAAACAAH/3QAEAAL/2gAMAwEAAhADEAAAAVCujN//0ElUZf/R2Zgsyv/EABoQAAICAwAAAAAAAAAAAAAAAAABAjEDECL/3QAEAAP/2gAIAQEAAQUCvf8A/9AtRP/RyLmI7//EABQRAQAAAAAAAAAAAAAAAAAAABD/3QAEAAL/2gAIAQMBAT8BP//QP//RP//EABQRAQAAAAAAAAAAAAAAAAAAABD/2gAIAQIBAT8BP//QP//RP//EABcQAAMBAAAAAAAAAAAAAAAAAAAQEUH/3QAEAAP/2gAIAQEABj8Cf//QKv/Ruv8A/8QAHBAAAgICAwAAAAAAAAAAAAAAAAERITFRQXGh/9oACAEBAAE/IfQ6vkVrZ//QanGRoDVGj//RRg7DQ2PDQf/dAAQAAv/aAAwDAQACAAMAAAAQLP/Qgf/RMf/EABURAQEAAAAAAAAAAAAAAAAAABAB/9oACAEDAQE/ED//0D//0Yf/xAAVEQEBAAAAAAAAAAAAAAAAAAAQAf/aAAgBAgEBPxCn/9A//9E//8QAGxABAAMBAQEBAAAAAAAAAAAAAQARIUExgVH/3QAEAAP/2gAIAQEAAT8QoHQeZGrkO10gA+p//9C4uA8KmEqzXfSa0Xaivyf/0abs+tiKHRiXlXP/2Q==";
    private const string Jpeg440 = "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABsSFBcUERsXFhceHBsgKEIrKCUlKFE6PTBCYFVlZF9VXVtqeJmBanGQc1tdhbWGkJ6jq62rZ4C8ybqmx5moq6T/2wBDARweHigjKE4rK06kbl1upKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKT/wAARCAATABUDARIAAhEBAxEB/8QAGQAAAgMBAAAAAAAAAAAAAAAAAAMBAgQF/8QAIhAAAQMDBAMBAAAAAAAAAAAAAQACEQMhMRITIkEEUWGx/8QAFwEBAQEBAAAAAAAAAAAAAAAAAAMCAf/EABYRAQEBAAAAAAAAAAAAAAAAAAABEf/dAAQAAv/aAAwDAQACEQMRAD8ALPHYcFLhJkWI+LGtlOMHXgjMdhOc3cZrESM36Qf/0LNhw9pVF/EtImPxTUdTzKbdkVI5zlCOR//RbRJDiRmUKajDVJbUOmyEH//Z";

    // LZW: grey; RGB with the horizontal predictor.
    private const string TiffLzwGrey = "SUkqAFwDAACAIdDppNQI+n01ms1Hc7wdDIY8nkwmElEoxGJEolBIJHRk/H5KpVIpE9nuBQSDQiFQyHRCJRSLRiNRyPSCRSQ9nI5IBAItFpRKSUyRE+HxCIRIJBCoWEk0mnM5m02oKix+eI5HINB0uBViRxk+mcznE41A8Hg9HqNl8vlIpG83nxJpOixugJJJVxD15I2CxWSzWi1IK2W64XK6Hy7JS8XhFIpAoFGo1LJZDnA4Go1WmoXCtTwmEwymU9x+tUul1i0yWS1hOJxJohETwyGS4QzMTw0GinHuGUnH0fH6vWa7YbLabY37g4breE3fHfgIrhIo3G6i8M9IxGJDHyOtWc6HS0n8/2ctFoy1qk1jJ0vMF4vVDr7JC1U/Vrzem0+OyImJQ6jq2SPu4kL4vmOb6kQ+4+NMQb9i0/o6P+ikBQIP0DJurSxI2o5CLmyrIrOsiSoisg7DsKQrCsjKlqKubwEHDpBQ/EJLRGPESj3E44xTFcWkTF7EKWjaoNqnSPj84xMEwnjxp1ASeDcKIorSh7zKOTZNqwS5Lo2zQ6rg8xMkyvDuM4OcUpKN8qqkgSMsfLcuy+QUwzGP8yzORk0zWPc2ijN5DziRUtxlNA9DI8bMKSvDKu5ASLp0QYui6Koqo+R5HoejaeMikLZR0OKioOkdNLmTpOpKMYxkMsinMxGBJ06QFPkrUKyVIPtTEfVFVD3VlXDjWA4VlJsyqKjK8ECsjrpKrSRy9LyjtGOadB+H8qoiyNjkzZJE2XZo3WeQdo2lagy2sOVsW0PLIpLTS001VJCLw8yPqWkcmrwglNDmhLayqs8BLO2SiqOh4+IenSpPM7ktlCUJYFgXRdDnSo2DYJ4nt2s+CkRg5CYThY5YaP+Hk3iOJ4ri4u4zjeOjwVZVo2uCeOAvC5rgNI0ozLy8FKUsyjSsSxCmKb0q0cZxmkaUyoY2RJMmyqCJ0s65seTxPGUZRcqg0cWNCs+l6bp476jqZLaqOWrknrOt67r4y7CJizmQZBrmubZtmMYyNjwh8mqTbZAk+T6krmWZZmKgSxN2LAsN2ahqGIYh2HYdZ16aWq8IE2StKg2SgS8UBQE0h7xou9IqCpyfK8vzPN86Q/PkH0JEdGS/S9OQ3UjF1YqICAAJAAABAwABAAAAKAAAAAEBAwABAAAAHgAAAAIBAwABAAAACAAAAAMBAwABAAAABQAAAAYBAwABAAAAAQAAABEBBAABAAAACAAAABYBAwABAAAAHgAAABcBBAABAAAAUwMAABwBAwABAAAAAQAAAAAAAAA=";
    private const string TiffLzwPredicted = "SUkqAC4DAACAJVBHsHQV5wd7Ql2u13AWHAsFgoEAgDgEAP53O11uZyuR/P19iQSCMIBAHgAAv4Ayl8vl8BQJBJ/Px+xl3Is8HGJzsEAKfPF4vJ4PB3gOjAcDAUDgcCysAvqXOt1Oh8Ph6g8Hg6sVoHg2EvQDgQCg0HAx+vl9JlDH9+20AW+lgcBAMBOhzuiDvOkgSjAK3gAEgkEP+ZuRxt99vx9hsNhoKhMJ2h8AWfYEEZQBok7nABAHOxasV2yvV6vSEvZ3al76sFAkFxYARQCSB8OFxOAFgwFhoMBeYhJ/zR9Pt8XwBnw0GB/2/Q8N9BQKBO2vyaPwAv8AvvtUB5ADlgwGAiPvt3+XSvMQiAOhGSyB9gak05HHo40B4vt+vzwAsG/2VgAowBvyfqoHy8p4JWASIAUfR9HuxR9Hedx2AUpYRBEEDqH1ALQk4RA/NWe6FnYAgDAGAixAU1sVAW4yoH206qn0fyPra94CgG851HOcwVhSFADMvBp9NyBZUEoRMQrmACFybEi+PgA4LguDDwAYfB7nyg56nieB4xsA4EAM4J9HCbxvAwDAKg0DYMxQAZ+H+fpOESPkGn3Gh+RUBKhneeR5HjAKIAYgoIPgAz8xqfp3qIoh3AawR5y7Rh2hCEIPq3IIEE6RI9xofx6NIgoGH+wh1VPIcoohVYGAK+CKAQep7Hqb5um8AbCRwAJrmuasqAqxgNAcCIIk4Qw8LidaNAYBoGMCBLynfEK2n6wQD0HQafAEmh+nqg54vKex5nkdJ0HMfyLhGEYRAIpBFDmMoExUlx8tcBIBAIAR+vGfh8ngdx4LCAYJgiCSsgeA0VRYkwHm2bJsmaZhlgdZp0nUdIK4yBoIgcaZflecxznPh5tNO9gH4Evltu0dh2HVakpgtVywqQ3oM3GeZmGSZaWnvRh3LmASRBGc5rmG/B+nSc50nKcZynadJ1gAkAEqTMIDtSdh3nidwJuhZ5+RoDoOg+kwImMYZjnMcxyNWhJ7noDAMgubxnFufB8n3C4SOuABxtsbJpmoddzX3faPtMeV8AI36k5mBABgCA1ynXlp1KAeB7nwebnICAsAAAEDAAEAAAAUAAAAAQEDAAEAAAAPAAAAAgEDAAMAAAC4AwAAAwEDAAEAAAAFAAAABgEDAAEAAAACAAAAEQEEAAEAAAAIAAAAFQEDAAEAAAADAAAAFgEDAAEAAAAPAAAAFwEEAAEAAAAmAwAAHAEDAAEAAAABAAAAPQEDAAEAAAACAAAAAAAAAAgACAAIAA==";

    // Lossy WebP: one with the default filter; one with segments and a sharp filter.
    private const string WebpStrong = "UklGRmgAAABXRUJQVlA4IFwAAACwBACdASoVABMAPzmMuVavKSUjqA1R4CcJZwC+SA5Cb0/0L/F98bdR6glDULUgAL0mh27Zfo7wkAKZLEqOuQxmXNgI0dZdmzshLYD2Emdq4H7artBrzfaafAAAAA==";
    private const string WebpSegments = "UklGRnQAAABXRUJQVlA4IGgAAABQBACdASolAB0APyl8rkowKSSiKqoCCiUJ6QC2yBZtX2mptbIvrRSp0hC4AP7r3wTnnkFEkMd/yrrPJ/jzWC3qnueI+Irebegc3NgI5EZUpeK/V9SJMeatuH0nyivbpM5vj12F830AAA==";

    // JPEG 2000, both cut off at some rate with the 5/3 wavelet: two layers in precincts; tiles of odd sizes.
    private const string Jp2Layers = "AAAADGpQICANCocKAAAAFGZ0eXBqcDIgAAAAAGpwMiAAAAAtanAyaAAAABZpaGRyAAAAEwAAABUAAwcHAAAAAAAPY29scgEAAAAAABAAAADranAyY/9P/1EALwAAAAAAFQAAABMAAAAAAAAAAAAAABUAAAATAAAAAAAAAAAAAwcBAQcBAQcBAf9SAA8BAgACAAIBAQABIjNE/1wACkBASEhQSEhQ/2QAJQABQ3JlYXRlZCBieSBPcGVuSlBFRyB2ZXJzaW9uIDIuNS4w/5AACgAAAAAAagAB/5OAgICAgMRgGNzugICAgIDGGAZFfcwgA7zwII2Az4AgBHaAgICAgICAxhALxYCAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgP/Z";
    private const string Jp2Tiles = "AAAADGpQICANCocKAAAAFGZ0eXBqcDIgAAAAAGpwMiAAAAAtanAyaAAAABZpaGRyAAAAEwAAABUAAwcHAAAAAAAPY29scgEAAAAAABAAAAEranAyY/9P/1EALwAAAAAAFQAAABMAAAAAAAAAAAAAAA0AAAAMAAAAAAAAAAAAAwcBAQcBAQcBAf9SAAwAAwABAAIEBAAB/1wACkBASEhQSEhQ/2QAJQABQ3JlYXRlZCBieSBPcGVuSlBFRyB2ZXJzaW9uIDIuNS4w/5AACgAAAAAALAAB/5PHCgNSbArPgIDHxBwdWHEI4BrOgIDPgEAdZOEngID/kAAKAAEAAAAsAAH/k8cGDxJMgIDHBg5Rc8IwC75EgMeEDnhv58IwC75EgP+QAAoAAgAAACkAAf+TzogLWP0pgIDOhgttVKODAAbBF4DEYAnCj4CA/5AACgADAAAALAAB/5OAwwwKV+iAxEAHOcfGEAtxFmeAxwYGJ57DDApX84D/2Q==";
    private const string Jp2Real = "AAAADGpQICANCocKAAAAFGZ0eXBqcDIgAAAAAGpwMiAAAAAtanAyaAAAABZpaGRyAAAACwAAAAwAAwcHAAAAAAAPY29scgEAAAAAABAAAACwanAyY/9P/1EALwAAAAAADAAAAAsAAAAAAAAAAAAAAAwAAAALAAAAAAAAAAAAAwcBAQcBAQcBAf9SAAwAAAABAAIEBAAA/1wAEUJfUlAFUAVQR1fTV9NXYv9kACUAAUNyZWF0ZWQgYnkgT3BlbkpQRUcgdmVyc2lvbiAyLjUuMP+QAAoAAAAAACsAAf+TweGAAs9MIPlpwJAL/T43wfAKDBMDJuqAgICAgID/2Q==";
    private const string Jp2RealPixels = "pIWHnYGCknt5h3Rwfm5pgG5phHFsiXNujnVxj3Zxj3Vxj3ZxnYGCmX9/knx5i3l0hnZvhXVuh3RuiXRui3Rui3Rui3Rti3RtkXl4kXt5kn56koB6kYJ5j392jHpxiXZthnJphnFohXFohXFnhnJvindzkYB6mIiAnI2DmIh9kIB0iXhsgnFlgW9igG9igG5ifW1ohXVvkYF5nI2DpJWJno+ClIR3inpsgXFifm5gfm5ffm5fgXFrh3dvj4B2mIl9no+Cmop9k4N1jXtth3VnhXNlhXNlhXJkiXdwi3pxjn5zkYF1k4R2k4J1kn9ykXxwj3ptj3ltj3ltj3ltkX52j310jHxwinptiXlrjHptkHxvlH1ymH50mX90mX91mX91mIR7k4B2i3puhHRmgHBihnNmj3htl35zn4J5oYR7oYR7ooR8moZ8lIF2i3ltgnJkfW1ehHFjjndsmH50oYR7pIV9pIZ+pYZ+moZ8lIF2i3ltgnJkfW1ehHFjjndsmX50oYR7pIZ+pYZ+pYZ+";

    /// <summary>The checksums are those of the reference library's samples (djpeg, its default settings).</summary>
    [Theory]
    [InlineData(Jpeg420, "C11D70497D50B8EC20BC601DE0537A28D258582CA0203E128BB267F781049536")]
    [InlineData(Jpeg422Progressive, "340092EDBF8A50B72C655842B939F0558151DD4C515CA85D57FFFE71DA195CDB")]
    [InlineData(Jpeg440, "C6A53EA16FDBC29E5CDA840995AA42F7F6070F91F7660A91932C493F19B130DB")]
    public void JpegIsWhatTheReferenceLibraryGives(string base64, string checksum)
    {
        DecodedImage image = ImageDecoder.Decode(Convert.FromBase64String(base64));
        Assert.Equal((21, 19, 3), (image.Width, image.Height, image.Channels));
        Assert.Equal(checksum, Convert.ToHexString(SHA256.HashData(image.Pixels)));
    }

    [SharedFact("inputs", "bus.jpg")]
    public void PhotographIsWhatTheReferenceLibraryGives()
    {
        DecodedImage image = ImageDecoder.Decode(File.ReadAllBytes(SharedData.Path("inputs", "bus.jpg")!));
        Assert.Equal((810, 1080, 3), (image.Width, image.Height, image.Channels));
        Assert.Equal("E8C11E7A7A688F702248C945BEE11E2982F3DA93654C143FE45F8380F3630CF0", Convert.ToHexString(SHA256.HashData(image.Pixels)));
    }

    public static TheoryData<int, int> PngKinds => new()
    {
        { 0, 1 }, { 0, 2 }, { 0, 4 }, { 0, 8 }, { 0, 16 }, { 2, 8 }, { 2, 16 }, { 3, 1 }, { 3, 2 }, { 3, 4 }, { 3, 8 }, { 4, 8 }, { 4, 16 }, { 6, 8 }, { 6, 16 },
    };

    [Theory]
    [MemberData(nameof(PngKinds))]
    public void PngGivesBackItsSamples(int colourType, int depth)
    {
        var random = new Random(Seed);
        foreach ((int width, int height) in ((int, int)[])[(1, 1), (3, 2), (5, 9), (17, 13), (33, 8)])
            foreach (bool interlaced in (bool[])[false, true])
                foreach (bool transparent in (bool[])[false, colourType <= 3])
                    CheckPng(random, width, height, depth, colourType, interlaced, transparent);
    }

    private static void CheckPng(Random random, int width, int height, int depth, int colourType, bool interlaced, bool transparent)
    {
        int entries = colourType == 3 ? 1 << depth : 0;
        var palette = new byte[entries * 3];
        random.NextBytes(palette);
        int[] key = [.. Enumerable.Range(0, colourType == 2 ? 3 : 1).Select(_ => random.Next(1 << depth))];
        byte[] alphas = [.. Enumerable.Range(0, entries / 2).Select(_ => (byte)random.Next(256))];
        byte[] transparency = colourType == 3 ? alphas : [.. key.SelectMany(k => new[] { (byte)(k >> 8), (byte)k })];
        var writer = new PngWriter(width, height, depth, colourType, interlaced)
        {
            Palette = colourType == 3 ? palette : null,
            Transparency = transparent ? transparency : null,
        };
        int[] samples = [.. Enumerable.Range(0, width * height * writer.Samples).Select(_ => random.Next(1 << depth))];
        if (colourType != 3) key.CopyTo(samples, 0); // at least one transparent pixel

        var expected = new List<byte>();
        for (int i = 0; i < width * height; i++)
        {
            int[] pixel = samples[(i * writer.Samples)..((i + 1) * writer.Samples)];
            if (colourType == 3) expected.AddRange(palette[(3 * pixel[0])..(3 * pixel[0] + 3)]);
            else expected.AddRange(pixel.Select(v => (byte)(depth == 16 ? v >> 8 : v * 255 / ((1 << depth) - 1))));
            if (transparent && colourType == 3) expected.Add(pixel[0] < alphas.Length ? alphas[pixel[0]] : (byte)255);
            else if (transparent) expected.Add((byte)(pixel.SequenceEqual(key) ? 0 : 255));
        }
        DecodedImage image = ImageDecoder.Decode(writer.Write(samples));
        Assert.Equal((width, height, expected.Count / (width * height)), (image.Width, image.Height, image.Channels));
        Assert.Equal(expected, image.Pixels);
    }

    [Fact]
    public void PnmIsReadAsTextAndBytes()
    {
        Assert.Equal([10, 0, 255, 7], ImageDecoder.Decode("P2 # grey\n2 2\n255\n10 0\n255 7"u8).Pixels);
        Assert.Equal([0, 128, 255], ImageDecoder.Decode("P3 1 1 2\n0 1 2\n"u8).Pixels);
        Assert.Equal([(byte)'a', (byte)'b'], ImageDecoder.Decode("P5\n1 2\n255\nab"u8).Pixels);
        DecodedImage colour = ImageDecoder.Decode("P6 2 1 255 abcdef"u8);
        Assert.Equal((2, 1, 3), (colour.Width, colour.Height, colour.Channels));
        Assert.Equal("abcdef"u8.ToArray(), colour.Pixels);
        Assert.Equal([0x61], ImageDecoder.Decode("P5 1 1 65535 ab"u8).Pixels);
    }

    [Theory]
    [InlineData(24, false)]
    [InlineData(24, true)]
    [InlineData(32, false)]
    [InlineData(8, false)]
    [InlineData(4, true)]
    [InlineData(1, false)]
    public void BmpGivesBackItsPixels(int bits, bool topDown)
    {
        const int width = 5, height = 3;
        var random = new Random(Seed);
        byte[] palette = new byte[bits > 8 ? 0 : 4 << bits];
        random.NextBytes(palette);
        int rowBytes = (width * bits + 31) / 32 * 4, offset = 54 + palette.Length;
        var file = new byte[offset + rowBytes * height];
        random.NextBytes(file.AsSpan(offset));
        "BM"u8.CopyTo(file);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(10), offset);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(14), 40);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(18), width);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(22), topDown ? -height : height);
        BinaryPrimitives.WriteInt16LittleEndian(file.AsSpan(28), (short)bits);
        palette.CopyTo(file.AsSpan(54));

        DecodedImage image = ImageDecoder.Decode(file);
        Assert.Equal((width, height, 3), (image.Width, image.Height, image.Channels));
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++)
            {
                int row = offset + (topDown ? y : height - 1 - y) * rowBytes;
                int index = bits > 8 ? 0 : file[row + x * bits / 8] >> (8 - bits - x * bits % 8) & ((1 << bits) - 1);
                byte[] bgr = bits > 8 ? file[(row + x * bits / 8)..][..3] : palette[(4 * index)..][..3];
                Assert.Equal([bgr[2], bgr[1], bgr[0]], image.Pixels[((y * width + x) * 3)..][..3]);
            }
    }

    [Theory]
    [InlineData(TiffLzwGrey, 40, 30, 1, "7FA212A14C212C1E2029B8CEA6839679C1317BE5DF2564C80E0B33BCB07F409D")]
    [InlineData(TiffLzwPredicted, 20, 15, 3, "99775ED313D5593882892B2BC598251174A92AC99EC615CEC9D66A2E942116DD")]
    public void TiffWithLzwIsWhatTheReferenceLibraryGives(string base64, int width, int height, int channels, string checksum)
    {
        DecodedImage image = ImageDecoder.Decode(Convert.FromBase64String(base64));
        Assert.Equal((width, height, channels), (image.Width, image.Height, image.Channels));
        Assert.Equal(checksum, Convert.ToHexString(SHA256.HashData(image.Pixels)));
    }

    [Theory]
    [InlineData(WebpStrong, 21, 19, "CA5A79E9BD3DF44D7004CE146E4D562D743543C6C2990F5D53F71A3CC1EFDC38")]
    [InlineData(WebpSegments, 37, 29, "57586C45D7DC37B7ADD649668E553C6B3DFA83A8E65018C245C4F427909BD38B")]
    public void WebpIsWhatTheReferenceLibraryGives(string base64, int width, int height, string checksum)
    {
        DecodedImage image = ImageDecoder.Decode(Convert.FromBase64String(base64));
        Assert.Equal((width, height, 3), (image.Width, image.Height, image.Channels));
        Assert.Equal(checksum, Convert.ToHexString(SHA256.HashData(image.Pixels)));
    }

    [Theory]
    [InlineData(Jp2Layers, "BE1CD2FD7DB9FDE3C87E59763F5001D715939185433D5A2C08836BA018587A8C")]
    [InlineData(Jp2Tiles, "15459F02C0B044E0F2AE983CC42B9330AC4E7ADEE99319AFA9B49F25F57E18CA")]
    public void Jpeg2000IsWhatTheReferenceLibraryGives(string base64, string checksum)
    {
        DecodedImage image = ImageDecoder.Decode(Convert.FromBase64String(base64));
        Assert.Equal((21, 19, 3), (image.Width, image.Height, image.Channels));
        Assert.Equal(checksum, Convert.ToHexString(SHA256.HashData(image.Pixels)));
    }

    /// <summary>The 9/7 wavelet is computed in floats, in another order than the reference library's: a level of difference is fair.</summary>
    [Fact]
    public void Jpeg2000WithRealWaveletIsNearTheReferenceLibrary()
    {
        byte[] expected = Convert.FromBase64String(Jp2RealPixels), actual = ImageDecoder.Decode(Convert.FromBase64String(Jp2Real)).Pixels;
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++) Assert.InRange(actual[i] - expected[i], -1, 1);
    }

    [Fact]
    public void PixelFormatsAreConverted()
    {
        var colour = new DecodedImage(1, 2, 3, [255, 0, 0, 10, 20, 30]);
        Assert.Equal([0, 0, 255, 30, 20, 10], colour.To(PixelFormat.Bgr).Pixels);
        Assert.Equal([76, 18], colour.To(PixelFormat.Grayscale).Pixels);
        Assert.Same(colour, colour.To(PixelFormat.Rgb));
        Assert.Equal([9, 9, 9], new DecodedImage(1, 1, 2, [9, 100]).To(PixelFormat.Rgb).Pixels);
        Assert.Equal([3, 2, 1], new DecodedImage(1, 1, 4, [1, 2, 3, 4]).To(PixelFormat.Bgr).Pixels);
    }

    [Theory]
    [InlineData("")]
    [InlineData("P6 99999999 99999 255 abc")]
    [InlineData("P6 20000 20000 255 abc")]
    [InlineData("P6 2 2 255 abc")]
    [InlineData("P6 0 2 255 abc")]
    [InlineData("P2 1 1 9 12")]
    [InlineData("GIF89a nothing that we know")]
    public void NonsenseIsRefusedInOneLine(string file)
    {
        var error = Assert.Throws<InvalidInputException>(() => ImageDecoder.Decode(System.Text.Encoding.Latin1.GetBytes(file)));
        Assert.DoesNotContain('\n', error.Message);
        Assert.Contains("image", error.Message);
    }

    public static TheoryData<string> Sound => ["png", "interlaced", "palette", "pnm", "bmp", "jpeg420", "jpeg422", "jpeg440", "tiff", "tiffPredicted", "webp", "webpSegments", "jp2Layers", "jp2Tiles"];

    /// <summary>Every prefix is refused, and whatever bits are flipped there is a picture or a refusal, nothing else.</summary>
    [Theory]
    [MemberData(nameof(Sound))]
    public void DamageIsRefused(string name)
    {
        byte[] file = Sample(name);
        ImageDecoder.Decode(file);
        // An end marker may go unmissed, and a palette's unused end, but not a part of the pixels.
        for (int length = 0; length < file.Length; length += file.Length > 1000 ? 7 : 1) Attempt(file[..length]);
        // JPEG 2000 means its data to be cut off anywhere; half a file of any other kind is damage.
        if (!name.StartsWith("jp2")) Assert.False(Attempt(file[..(file.Length / 2)]), "half a file was decoded");
        var random = new Random(Seed);
        for (int round = 0; round < 1500; round++)
        {
            byte[] damaged = [.. file];
            for (int flips = random.Next(1, 5); flips > 0; flips--) damaged[random.Next(damaged.Length)] ^= (byte)(1 << random.Next(8));
            Attempt(damaged);
        }
    }

    private static bool Attempt(byte[] file)
    {
        try
        {
            DecodedImage image = ImageDecoder.Decode(file);
            Assert.Equal(image.Width * image.Height * image.Channels, image.Pixels.Length);
            return true;
        }
        catch (InvalidInputException refusal)
        {
            Assert.DoesNotContain('\n', refusal.Message);
            return false;
        }
    }

    private static byte[] Sample(string name)
    {
        int[] Noise(int count, int depth)
        {
            var random = new Random(Seed);
            return [.. Enumerable.Range(0, count).Select(_ => random.Next(1 << depth))];
        }
        return name switch
        {
            "png" => new PngWriter(9, 7, 8, 2, false).Write(Noise(9 * 7 * 3, 8)),
            "interlaced" => new PngWriter(9, 7, 16, 6, true).Write(Noise(9 * 7 * 4, 16)),
            "palette" => new PngWriter(9, 7, 2, 3, false) { Palette = new byte[12], Transparency = [1, 2] }.Write(Noise(9 * 7, 2)),
            "pnm" => [.. "P6\n4 3\n255\n"u8, .. Noise(36, 8).Select(v => (byte)v)],
            "bmp" => Bmp(),
            "jpeg420" => Convert.FromBase64String(Jpeg420),
            "jpeg422" => Convert.FromBase64String(Jpeg422Progressive),
            "jpeg440" => Convert.FromBase64String(Jpeg440),
            "jp2Layers" => Convert.FromBase64String(Jp2Layers),
            "jp2Tiles" => Convert.FromBase64String(Jp2Tiles),
            "webp" => Convert.FromBase64String(WebpStrong),
            "webpSegments" => Convert.FromBase64String(WebpSegments),
            "tiff" => Convert.FromBase64String(TiffLzwGrey),
            _ => Convert.FromBase64String(TiffLzwPredicted),
        };
    }

    private static byte[] Bmp()
    {
        var file = new byte[54 + 4 * 12];
        "BM"u8.CopyTo(file);
        (file[10], file[14], file[18], file[22], file[28]) = (54, 40, 3, 4, 24);
        return file;
    }

    [SharedFact("onnx-backend-tests", "node")]
    public void OnnxCasesAreExact()
    {
        string[] folders = Directory.GetDirectories(SharedData.Path("onnx-backend-tests", "node")!, "test_image_decoder_*");
        Assert.NotEmpty(folders);
        foreach (string folder in folders)
        {
            byte[] file = RawData(Path.Combine(folder, "test_data_set_0", "input_0.pb")), expected = RawData(Path.Combine(folder, "test_data_set_0", "output_0.pb"));
            PixelFormat format = folder.EndsWith("_bgr") ? PixelFormat.Bgr : folder.EndsWith("_grayscale") ? PixelFormat.Grayscale : PixelFormat.Rgb;
            Assert.True(expected.AsSpan().SequenceEqual(ImageDecoder.Decode(file).To(format).Pixels), folder);
        }
    }

    /// <summary>Field 9 (raw_data) of a TensorProto.</summary>
    private static byte[] RawData(string path)
    {
        byte[] bytes = File.ReadAllBytes(path);
        int at = 0;
        int Varint()
        {
            int value = 0;
            for (int shift = 0; ; shift += 7)
            {
                byte next = bytes[at++];
                value |= (next & 127) << shift;
                if (next < 128) return value;
            }
        }
        while (at < bytes.Length)
        {
            int tag = Varint(), value = Varint();
            if (tag == (9 << 3 | 2)) return bytes[at..(at + value)];
            if ((tag & 7) == 2) at += value;
        }
        throw new InvalidDataException($"{path} has no raw data");
    }
}
