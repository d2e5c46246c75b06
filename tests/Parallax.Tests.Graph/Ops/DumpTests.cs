using Parallax.Graphs;
using Parallax.Graphs.Ops;
using Xunit;

namespace Parallax.Tests.Ops;

public sealed class DumpTests
{
    [Fact]
    public void A_dump_shows_what_distinguishes_a_node()
    {
        var b = new GraphBuilder("small");
        ValueId x = b.Input("x", new TensorFact(DType.Float32, [2, 3]));
        ValueId turned = b.Add("turn", new Transpose([1, 0]), x), back = b.Add("back", new Transpose(), turned);
        b.Output("y", b.Add("join", new Concat(1), back, b.Add("flip", new Unary(UnaryFunction.Neg), x), b.Add("cut", new Trilu(), x)));
        string[] lines = b.Build().Dump().ReplaceLineEndings("\n").Split('\n');
        Assert.Contains("  %1:Float32[3x2] = Transpose { Permutation = [1, 0] }(%0)  # turn", lines);
        Assert.Contains("  %2:Float32[2x3] = Transpose(%1)  # back", lines);
        Assert.Contains("  %3:Float32[2x3] = Unary { Function = Neg, Alpha = 0, Beta = 0 }(%0)  # flip", lines);
        Assert.Contains("  %4:Float32[2x3] = Trilu { Upper = True }(%0)  # cut", lines);
        Assert.Contains("  %5:Float32[2x9] = Concat { Axis = 1 }(%2, %3, %4)  # join", lines);
    }
}
