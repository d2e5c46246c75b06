using Parallax.Cli.Vision;
using Parallax.Kernels.Image;
using Parallax.Suite;
using Xunit;

namespace Parallax.Tests.Cli;

public sealed class VisionTests
{
    [Fact]
    public void LetterboxCentresAndPads()
    {
        var white = new DecodedImage(4, 2, 1, [.. Enumerable.Repeat((byte)255, 8)]);
        Letterbox fitted = Letterbox.Fit(white, height: 9, width: 8);
        Assert.Equal((2.0, 0, 2), (fitted.Scale, fitted.Left, fitted.Top));
        Assert.Equal("[1x3x9x8]", Shape.ToString(fitted.Tensor.Dims));
        ReadOnlySpan<float> values = fitted.Tensor.Span<float>();
        for (int i = 0; i < values.Length; i++)
        {
            int y = i / 8 % 9;
            Assert.Equal(y is >= 2 and < 6 ? 1f : 114 / 255f, values[i]);
        }
        Assert.Equal((1f, 1.5f), fitted.ToSource(2, 5));
        Assert.Equal((4f, 0f), fitted.ToSource(100, -100));
    }

    [Fact]
    public void GrowingIsBilinearWithHalfPixelCentres()
    {
        var ramp = new DecodedImage(2, 1, 3, [0, 100, 0, 200, 100, 40]);
        ReadOnlySpan<float> red = Letterbox.Fit(ramp, height: 2, width: 4).Tensor.Span<float>()[..4];
        Assert.Equal([0f, 50 / 255f, 150 / 255f, 200 / 255f], red.ToArray());
    }

    [Fact]
    public void ShrinkingCountsEveryPixel()
    {
        // Triangle weights over 4 samples of step 2: 1/8, 3/8, 3/8, 1/8; cut off and renormalized at the edges.
        var ramp = new DecodedImage(6, 1, 1, [0, 80, 0, 0, 160, 0]);
        ReadOnlySpan<float> grey = Letterbox.Fit(ramp, height: 1, width: 3).Tensor.Span<float>()[..3];
        Assert.Equal([34, 30, 69], grey.ToArray().Select(v => (int)MathF.Round(v * 255)));
    }

    [SharedFact("models", "yolov8n", "inputs", "images.npy")]
    public void PhotographBecomesTheReferenceTensor()
    {
        DecodedImage photograph = ImageDecoder.Decode(File.ReadAllBytes(SharedData.Path("inputs", "bus.jpg")!));
        Tensor expected = Npy.Read(SharedData.Path("models", "yolov8n", "inputs", "images.npy")!);
        Tensor actual = Letterbox.Fit(photograph, 640, 640).Tensor;
        Assert.True(expected.Span<float>().SequenceEqual(actual.Span<float>()));
    }

    [SharedFact("models", "yolov8n", "expected", "output0.npy")]
    public void ReferenceOutputHoldsFourPersonsAndABus()
    {
        DecodedImage photograph = ImageDecoder.Decode(File.ReadAllBytes(SharedData.Path("inputs", "bus.jpg")!));
        Tensor output = Npy.Read(SharedData.Path("models", "yolov8n", "expected", "output0.npy")!);
        IReadOnlyList<Detection> found = YoloHead.Decode(output, Letterbox.Fit(photograph, 640, 640), CocoLabels.Names.Count);
        Assert.Equal(["person", "person", "person", "bus", "person"], found.Select(d => CocoLabels.Names[d.ClassId]));
        float[] scores = [0.919f, 0.898f, 0.895f, 0.822f, 0.396f];
        for (int i = 0; i < scores.Length; i++) Assert.Equal(scores[i], found[i].Score, 0.001f);
        Assert.Equal((35, 230, 797, 774), ((int)MathF.Round(found[3].Left), (int)MathF.Round(found[3].Top), (int)MathF.Round(found[3].Right), (int)MathF.Round(found[3].Bottom)));
        Assert.Equal(0f, found[4].Left);
    }

    [Fact]
    public void OverlapsAreSuppressedWithinAClass()
    {
        // Candidates: a box, the same a little moved, the same of another class, one far off, one below the threshold, one that is no number.
        float[][] boxes = [[50, 50, 20, 20], [52, 50, 20, 20], [50, 50, 20, 20], [10, 10, 4, 4], [80, 80, 9, 9], [30, 30, 5, 5]];
        float[][] scores = [[0.6f, 0], [0.9f, 0], [0.1f, 0.5f], [0.3f, 0.2f], [0.25f, 0.2f], [float.NaN, 0]];
        var values = new float[6 * boxes.Length];
        for (int i = 0; i < boxes.Length; i++)
        {
            for (int r = 0; r < 4; r++) values[r * boxes.Length + i] = boxes[i][r];
            for (int c = 0; c < 2; c++) values[(4 + c) * boxes.Length + i] = scores[i][c];
        }
        Letterbox whole = Letterbox.Fit(new DecodedImage(50, 50, 1, new byte[2500]), 100, 100);
        IReadOnlyList<Detection> found = YoloHead.Decode(Tensor.From(values, [1, 6, boxes.Length]), whole, classes: 2);
        Assert.Equal([new(0, 0.9f, 21, 20, 31, 30), new(1, 0.5f, 20, 20, 30, 30), new(0, 0.3f, 4, 4, 6, 6)], found);
    }

    [Fact]
    public void AnotherShapeIsRefused()
    {
        Letterbox any = Letterbox.Fit(new DecodedImage(1, 1, 1, [0]), 8, 8);
        var error = Assert.Throws<InvalidInputException>(() => YoloHead.Decode(Tensor.Zeros(DType.Float32, [1, 83, 10]), any, 80));
        Assert.Contains("84", error.Message);
    }

    [Fact]
    public void CocoHasEightyNames()
    {
        Assert.Equal(80, CocoLabels.Names.Distinct().Count());
        Assert.Equal(("person", "bus", "toothbrush"), (CocoLabels.Names[0], CocoLabels.Names[5], CocoLabels.Names[79]));
    }
}
