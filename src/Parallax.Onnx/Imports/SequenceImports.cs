using Parallax.Graphs.Ops;

namespace Parallax.Onnx.Imports;

internal static class SequenceImports
{
    internal static readonly OpImport[] All =
    [
        new("SequenceConstruct", 11.., n => new SequenceConstruct()),
        new("SequenceEmpty", 11.., n => new SequenceEmpty(n.DType("dtype", DType.Float32))),
        new("SequenceInsert", 11.., n => new SequenceInsert()),
        new("SequenceErase", 11.., n => new SequenceErase()),
        new("SequenceAt", 11.., n => new SequenceAt()),
        new("SequenceLength", 11.., n => new SequenceLength()),
        new("SplitToSequence", 11.., n => new SplitToSequence(n.Int("axis", 0), n.Bool("keepdims", true))),
        new("ConcatFromSequence", 11.., n => new ConcatFromSequence(n.Int("axis"), n.Bool("new_axis", false))),
        new("Optional", 15.., n => new MakeOptional(n.Type("type"))),
        new("OptionalHasElement", 15.., n => new OptionalHasElement()),
        new("OptionalGetElement", 15.., n => new OptionalGetElement()),
    ];
}
