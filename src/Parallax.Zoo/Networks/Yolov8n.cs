using Parallax.Onnx;

namespace Parallax.Zoo;

/// <summary>
/// YOLOv8n, the detector: images [batch, 3, height, width] to output0 [batch, 84, anchors], of each anchor the box (center x and y, width, height, in pixels)
/// and the scores of 80 classes. Batch normalization is folded into the convolutions. Sides are multiples of 32.
/// </summary>
internal static partial class Yolov8n
{
    private const int Classes = 80, Bins = 16, BoxWidth = 64, ImageSide = 640;

    // SiLU passes a quarter of a small signal's power and half of a large one's. At this gain the convolutions damp large signals, and biases of this size keep
    // small ones up, so that activations settle near 1 at any depth.
    private const float Gain = 1.45f, BiasDeviation = 0.5f, HeadGain = 0.5f;

    private static readonly int[] Strides = [8, 16, 32];

    public static ModelProto Build(ZooOptions options)
    {
        var net = new NetBuilder("yolov8n", options.Seed);
        bool isDynamic = options.Dynamic;
        NetValue images = isDynamic
            ? net.Input("images", DType.Float32, "batch", 3, "height", "width")
            : net.Input("images", DType.Float32, 1, 3, ImageSide, ImageSide);
        NetValue output = Detect(images, isDynamic);
        if (isDynamic) net.Output("output0", output, DType.Float32, "batch", 4 + Classes, "anchors");
        else net.Output("output0", output, DType.Float32, 1, 4 + Classes, 8400);
        return net.Build("YOLOv8n with seeded weights");
    }

    /// <summary>The network from images to output0.</summary>
    public static NetValue Detect(NetValue images, bool isDynamic)
    {
        NetBuilder net = images.Net;
        NetValue x = Block(Block(images, "model.0", 3, 16, 3, 2), "model.1", 16, 32, 3, 2);
        x = Block(C2f(x, "model.2", 32, 32, 1, shortcut: true), "model.3", 32, 64, 3, 2);
        NetValue p3 = C2f(x, "model.4", 64, 64, 2, shortcut: true);
        NetValue p4 = C2f(Block(p3, "model.5", 64, 128, 3, 2), "model.6", 128, 128, 2, shortcut: true);
        x = C2f(Block(p4, "model.7", 128, 256, 3, 2), "model.8", 256, 256, 1, shortcut: true);
        NetValue p5 = PyramidPooling(x, "model.9", 256);
        NetValue up4 = C2f(Join("model.11", Upsample(p5, "model.10"), p4), "model.12", 384, 128, 1, shortcut: false);
        NetValue out3 = C2f(Join("model.14", Upsample(up4, "model.13"), p3), "model.15", 192, 64, 1, shortcut: false);
        NetValue out4 = C2f(Join("model.17", Block(out3, "model.16", 64, 64, 3, 2), up4), "model.18", 192, 128, 1, shortcut: false);
        NetValue out5 = C2f(Join("model.20", Block(out4, "model.19", 128, 128, 3, 2), p5), "model.21", 384, 256, 1, shortcut: false);
        using IDisposable _ = net.Module("model.22");
        return Head([out3, out4, out5], isDynamic ? images.Size(0) : 1L, isDynamic);
    }

    private static NetValue Block(NetValue x, string module, int inputs, int outputs, int kernel, int stride = 1)
    {
        using IDisposable _ = x.Net.Module(module);
        return x.Conv("conv", inputs, outputs, kernel, stride, gain: Gain, biasDeviation: BiasDeviation).Silu("act");
    }

    /// <summary>Half of the channels passes through a chain of bottlenecks; all intermediate results are joined.</summary>
    private static NetValue C2f(NetValue x, string module, int inputs, int outputs, int bottlenecks, bool shortcut)
    {
        using IDisposable _ = x.Net.Module(module);
        int half = outputs / 2;
        List<NetValue> parts = [.. Block(x, "cv1", inputs, outputs, 1).Split(1, half, half)];
        for (int i = 0; i < bottlenecks; i++)
        {
            using IDisposable inner = x.Net.Module($"m.{i}");
            NetValue y = Block(Block(parts[^1], "cv1", half, half, 3), "cv2", half, half, 3);
            parts.Add(shortcut ? parts[^1] + y : y);
        }
        return Block(x.Net.Concat(1, [.. parts]), "cv2", half * parts.Count, outputs, 1);
    }

    private static NetValue PyramidPooling(NetValue x, string module, int channels)
    {
        using IDisposable _ = x.Net.Module(module);
        NetValue first = Block(x, "cv1", channels, channels / 2, 1);
        NetValue second = Pool(first), third = Pool(second);
        return Block(x.Net.Concat(1, first, second, third, Pool(third)), "cv2", channels * 2, channels, 1);

        static NetValue Pool(NetValue y)
        {
            using IDisposable _ = y.Net.Module("m");
            return y.Apply("MaxPool", [new("ceil_mode", 0), .. Layers.Window(5, 1, 2, 2).Where(a => a.Name != "group")]);
        }
    }

    private static NetValue Upsample(NetValue x, string module)
    {
        using IDisposable _ = x.Net.Module(module);
        return x.Net.Node("Resize", [x, null, x.Net.Constant([1f, 1, 2, 2], 4)],
            new("coordinate_transformation_mode", "asymmetric"), new("cubic_coeff_a", -0.75f), new("mode", "nearest"), new("nearest_mode", "floor"));
    }

    private static NetValue Join(string module, NetValue a, NetValue b)
    {
        using IDisposable _ = a.Net.Module(module);
        return a.Net.Concat(1, a, b);
    }

    private static NetValue Head(NetValue[] levels, Extent batch, bool isDynamic)
    {
        NetBuilder net = levels[0].Net;
        int[] channels = [64, 128, 256];
        NetValue[] boxes = [.. levels.Select((x, i) => Branch(x, "cv2", i, channels[i], BoxWidth, 4 * Bins, biasMean: 0).Reshape(batch, 4 * Bins, -1))];
        // Trained detectors start from rare objects; so do these scores.
        NetValue[] scores = [.. levels.Select((x, i) => Branch(x, "cv3", i, channels[i], Classes, Classes, biasMean: -4).Reshape(batch, Classes, -1))];
        NetValue distances = Distances(net.Concat(-1, boxes), batch);
        NetValue near = distances.Slice(1, 0, 2), far = distances.Slice(1, 2, 4);
        var (anchors, strides) = isDynamic ? DynamicAnchors(levels) : StaticAnchors(net);
        NetValue topLeft = anchors - near, bottomRight = anchors + far;
        NetValue box = net.Concat(1, (topLeft + bottomRight) / 2, bottomRight - topLeft) * strides;
        return net.Concat(1, box, net.Concat(-1, scores).Sigmoid());
    }

    private static NetValue Branch(NetValue x, string module, int level, int inputs, int width, int outputs, float biasMean)
    {
        using IDisposable _ = x.Net.Module($"{module}.{level}");
        NetValue y = Block(Block(x, $"{module}.{level}.0", inputs, width, 3), $"{module}.{level}.1", width, width, 3);
        return y.Conv($"{module}.{level}.2", width, outputs, 1, gain: HeadGain, biasMean: biasMean);
    }

    /// <summary>The expectation of each side's distribution over the bins, in cells.</summary>
    private static NetValue Distances(NetValue boxes, Extent batch)
    {
        using IDisposable _ = boxes.Net.Module("dfl");
        NetValue likely = boxes.Reshape(batch, 4, Bins, -1).Transpose(0, 2, 1, 3).Softmax(1);
        using IDisposable inner = boxes.Net.Module("conv");
        NetValue bins = boxes.Net.Weight("weight", [.. Enumerable.Range(0, Bins).Select(i => (float)i)], 1, Bins, 1, 1);
        return boxes.Net.Node("Conv", [likely, bins], Layers.Window(1, 1, 0, 2)).Reshape(batch, 4, -1);
    }

    /// <summary>Cell centers [1, 2, anchors] and strides [1, anchors], as constants.</summary>
    private static (NetValue Anchors, NetValue Strides) StaticAnchors(NetBuilder net)
    {
        List<float> x = [], y = [], strides = [];
        foreach (int stride in Strides)
            for (int cell = 0, side = ImageSide / stride; cell < side * side; cell++)
            {
                x.Add(cell % side + 0.5f);
                y.Add(cell / side + 0.5f);
                strides.Add(stride);
            }
        return (net.Constant([.. x, .. y], 1, 2, x.Count), net.Constant([.. strides], 1, x.Count));
    }

    /// <summary>The same, computed from the shapes of the feature maps.</summary>
    private static (NetValue Anchors, NetValue Strides) DynamicAnchors(NetValue[] levels)
    {
        NetBuilder net = levels[0].Net;
        List<NetValue> anchors = [], strides = [];
        foreach (var (level, stride) in levels.Zip(Strides))
        {
            NetValue height = level.Size(2), width = level.Size(3);
            NetValue x = (net.Range(width).Cast(DType.Float32) + 0.5f).Reshape(1, -1).Expand(height, width);
            NetValue y = (net.Range(height).Cast(DType.Float32) + 0.5f).Reshape(-1, 1).Expand(height, width);
            anchors.Add(net.Concat(-1, x.Unsqueeze(-1), y.Unsqueeze(-1)).Reshape(-1, 2));
            strides.Add(net.Scalar((float)stride).Expand(height * width, 1));
        }
        return (net.Concat(0, [.. anchors]).Transpose(1, 0).Unsqueeze(0), net.Concat(0, [.. strides]).Transpose(1, 0));
    }
}
