using Parallax.Graphs;
using Parallax.Graphs.Ops;

namespace Parallax.Onnx.Imports;

internal static class ResamplingImports
{
    internal static readonly OpImport[] All =
    [
        new("Resize", ..10, n => Simple(n, n.HasInput(1) ? n.Inputs[1] : throw n.Invalid("input 'scales' is missing"))),
        new("Resize", 11.., n => new Resize(Mode(n.String("mode", "nearest"), n))
        {
            Coordinates = Coordinates(n),
            Rounding = Rounding(n),
            Aspect = Aspect(n),
            CubicA = n.Float("cubic_coeff_a", -0.75f),
            ExcludeOutside = n.Bool("exclude_outside", false),
            Extrapolation = n.Float("extrapolation_value", 0),
            Antialias = n.Bool("antialias", false),
            Axes = n.Ints("axes") is { } axes ? [.. axes] : default,
        }),
        new("Upsample", ..6, n => Simple(n, n.Constant(Tensor.From([1f, 1f, n.Float("height_scale"), n.Float("width_scale")], [4])))),
        new("Upsample", 7..8, n => Simple(n, n.Constant(n.Floats("scales") is { } scales ? Tensor.From(scales, [scales.Length]) : throw n.Invalid("attribute 'scales' is missing")))),
        new("Upsample", 9.., n => Simple(n, n.HasInput(1) ? n.Inputs[1] : throw n.Invalid("input 'scales' is missing"))),
        new("GridSample", 16.., n => new GridSample(Mode(n.String("mode", "linear"), n), Padding(n), n.Bool("align_corners", false))),
        new("AffineGrid", 20.., n => new AffineGrid(n.Bool("align_corners", false))),
        new("RoiAlign", 10.., n => new RoiAlign(n.Int("output_height", 1), n.Int("output_width", 1), (int)n.Int("sampling_ratio", 0), n.Float("spatial_scale", 1),
            IsMax(n), n.Opset >= 16 && HalfPixel(n))),
        new("MaxRoiPool", 1.., n => n.Ints("pooled_shape") is [var height, var width]
            ? new MaxRoiPool(height, width, n.Float("spatial_scale", 1))
            : throw n.Invalid("attribute 'pooled_shape' must have two numbers")),
    ];

    /// <summary>Resize as it was before opset 11, and Upsample: positions divided by the scale, the lower neighbour.</summary>
    private static Op Simple(ImportNode n, ValueId scales)
    {
        n.RemoveInputsFrom(1);
        n.SetInput(2, scales);
        return new Resize(Mode(n.String("mode", "nearest"), n)) { Coordinates = ResizeCoordinates.Asymmetric, Rounding = ResizeRounding.Floor };
    }

    private static ResizeMode Mode(string name, ImportNode n) => name switch
    {
        "nearest" => ResizeMode.Nearest,
        "linear" or "bilinear" => ResizeMode.Linear,
        "cubic" or "bicubic" => ResizeMode.Cubic,
        _ => throw n.Invalid($"mode '{name}' is unknown"),
    };

    private static ResizeCoordinates Coordinates(ImportNode n) => n.String("coordinate_transformation_mode", "half_pixel") switch
    {
        "half_pixel" => ResizeCoordinates.HalfPixel,
        "half_pixel_symmetric" => ResizeCoordinates.HalfPixelSymmetric,
        "pytorch_half_pixel" => ResizeCoordinates.PytorchHalfPixel,
        "align_corners" => ResizeCoordinates.AlignCorners,
        "asymmetric" => ResizeCoordinates.Asymmetric,
        "tf_half_pixel_for_nn" => ResizeCoordinates.TfHalfPixelForNearest,
        "tf_crop_and_resize" => ResizeCoordinates.TfCropAndResize,
        string other => throw n.Invalid($"coordinate_transformation_mode '{other}' is unknown"),
    };

    private static ResizeRounding Rounding(ImportNode n) => n.String("nearest_mode", "round_prefer_floor") switch
    {
        "round_prefer_floor" => ResizeRounding.PreferFloor,
        "round_prefer_ceil" => ResizeRounding.PreferCeil,
        "floor" => ResizeRounding.Floor,
        "ceil" => ResizeRounding.Ceil,
        string other => throw n.Invalid($"nearest_mode '{other}' is unknown"),
    };

    private static ResizeAspect Aspect(ImportNode n) => n.String("keep_aspect_ratio_policy", "stretch") switch
    {
        "stretch" => ResizeAspect.Stretch,
        "not_larger" => ResizeAspect.NotLarger,
        "not_smaller" => ResizeAspect.NotSmaller,
        string other => throw n.Invalid($"keep_aspect_ratio_policy '{other}' is unknown"),
    };

    private static SamplePadding Padding(ImportNode n) => n.String("padding_mode", "zeros") switch
    {
        "zeros" => SamplePadding.Zeros,
        "border" => SamplePadding.Border,
        "reflection" => SamplePadding.Reflection,
        string other => throw n.Invalid($"padding_mode '{other}' is unknown"),
    };

    private static bool IsMax(ImportNode n) => n.String("mode", "avg") switch
    {
        "avg" => false,
        "max" => true,
        string other => throw n.Invalid($"mode '{other}' is unknown"),
    };

    private static bool HalfPixel(ImportNode n) => n.String("coordinate_transformation_mode", "half_pixel") switch
    {
        "half_pixel" => true,
        "output_half_pixel" => false,
        string other => throw n.Invalid($"coordinate_transformation_mode '{other}' is unknown"),
    };
}
