using Parallax.Onnx;

namespace Parallax.Zoo;

/// <summary>The detector with what comes behind it: boxes that overlap better ones of their class are dropped, the best of the rest are given in order of score.</summary>
internal static partial class Yolov8n
{
    private const long MaxPerClass = 20, MaxDetections = 300;
    private const float MaxOverlap = 0.45f, MinScore = 0.25f;

    /// <summary>images [1, 3, height, width] to boxes [count, 4] (left, top, right, bottom, in pixels), scores [count] and classes [count].</summary>
    public static ModelProto BuildWithSuppression(ZooOptions options)
    {
        var net = new NetBuilder("yolov8n-nms", options.Seed);
        NetValue images = net.Input("images", DType.Float32, 1, 3, "height", "width");
        NetValue[] parts = Detect(images, isDynamic: true).Split(1, 4, Classes);
        NetValue centers = parts[0].Transpose(0, 2, 1);
        NetValue chosen = net.Node("NonMaxSuppression", [centers, parts[1], net.Ints(MaxPerClass), net.Constant([MaxOverlap], 1), net.Constant([MinScore], 1)],
            new AttributeProto("center_point_box", 1));
        NetValue[] columns = chosen.Split(1, 1, 1, 1);
        NetValue scores = net.Node("GatherND", [parts[1], chosen]);
        NetValue count = net.Node("Min", [scores.Apply("Shape"), net.Ints(MaxDetections)]);
        NetValue[] best = net.Nodes("TopK", 2, [scores, count], new("axis", 0), new("largest", 1), new("sorted", 1));
        NetValue boxes = Corners(centers.Squeeze(0).Gather(columns[2].Squeeze(1).Gather(best[1])));
        NetValue classes = columns[1].Squeeze(1).Gather(best[1]);
        net.Output("boxes", boxes, DType.Float32, "count", 4);
        net.Output("scores", best[0], DType.Float32, "count");
        net.Output("classes", classes, DType.Int64, "count");
        return net.Build("YOLOv8n with non-maximum suppression and seeded weights");
    }

    private static NetValue Corners(NetValue centers)
    {
        NetValue[] halves = centers.Split(1, 2, 2);
        NetValue half = halves[1] * 0.5f;
        return centers.Net.Concat(1, halves[0] - half, halves[0] + half);
    }
}
