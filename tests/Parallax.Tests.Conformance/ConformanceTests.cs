using Parallax.Cli.Conformance;
using Parallax.Suite;
using Xunit;
using Xunit.Abstractions;

namespace Parallax.Tests.Conformance;

/// <summary>ONNX's own backend tests. What does not pass is listed by name, and a listed case that passes fails the test: the list cannot rot.</summary>
public sealed class ConformanceTests(ITestOutputHelper output)
{
    [SharedFact("onnx-backend-tests", "node")]
    public void Node_cases_pass() => Check("node", KnownFailures.None);

    [SharedFact("onnx-backend-tests", "simple")]
    public void Simple_cases_pass() => Check("simple", KnownFailures.Simple);

    [SharedFact("onnx-backend-tests", "pytorch-converted")]
    public void Converted_cases_pass() => Check("pytorch-converted", KnownFailures.None);

    [SharedFact("onnx-backend-tests", "pytorch-operator")]
    public void Operator_cases_pass() => Check("pytorch-operator", KnownFailures.None);

    [SharedFact("onnx-backend-tests", "light")]
    public void Whole_topologies_pass() => Check("light", KnownFailures.None);

    private void Check(string folder, IReadOnlySet<string> known)
    {
        var runner = new ConformanceRunner(new SessionOptions());
        int passed = 0, total = 0;
        var wrong = new List<string>();
        foreach (string path in ConformanceRunner.FindCases(SharedData.Path("onnx-backend-tests", folder)!))
        {
            CaseResult result = runner.Run(path, CancellationToken.None);
            bool passes = result.Outcome == Outcome.Passed;
            total++;
            if (passes) passed++;
            if (KnownFailures.Random.Contains(result.Name)) continue;
            if (!passes && !known.Contains(result.Name)) wrong.Add($"{result.Name}: {result.Reason}");
            if (passes && known.Contains(result.Name)) wrong.Add($"{result.Name}: is listed as failing, but passes");
        }
        output.WriteLine($"{passed} of {total} passed, {known.Count} known failures");
        Assert.True(wrong.Count == 0, string.Join(Environment.NewLine, wrong));
        Assert.True(passed > 0);
    }
}
