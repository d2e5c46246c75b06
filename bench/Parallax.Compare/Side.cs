using Parallax.OrtPeer;

namespace Parallax.Compare;

/// <summary>One comparison, start to end.</summary>
internal static class Side
{
    /// <summary>Runs a model on both sides, prints outputs, times and the verdict. False where outputs differ or are not finite.</summary>
    public static bool BySide(string name, CompareOptions options)
    {
        using var model = new ModelFile(name, options);
        Dictionary<string, Tensor> inputs = model.MakeInputs(options.Seed, options.Inputs);
        Console.WriteLine($"{name}: {string.Join(", ", inputs.Select(i => $"{i.Key} {i.Value}"))}");
        var sides = new List<Contestant>();
        try
        {
            if (options.Only != "onnxruntime") sides.Add(new ParallaxContestant(model, inputs, options));
            if (options.Only != "parallax") sides.Add(new OrtContestant(model, inputs, options));
            bool isGood = CompareOutputs(sides, options.Tolerance);
            Race(sides, options);
            foreach (Contestant side in sides)
                Console.WriteLine($"  {side.Name,-20} median {side.MedianMs,9:F3} ms   min {side.MinMs,9:F3} ms   load {side.LoadMs,7:F0} ms");
            if (sides.Count == 2)
                Console.WriteLine($"  {name}: {(isGood ? "same outputs" : "OUTPUTS DIFFER")}, {sides[1].MedianMs / sides[0].MedianMs:F2} x as fast by median, {sides[1].MinMs / sides[0].MinMs:F2} x by minimum");
            return isGood;
        }
        finally
        {
            foreach (Contestant side in sides) side.Dispose();
        }
    }

    private static void Race(List<Contestant> sides, CompareOptions options)
    {
        foreach (Contestant side in sides)
            for (int i = 0; i < options.Warmup; i++) side.Run();
        for (int done = 0; done < options.Runs; done += options.Turn)
            foreach (Contestant side in sides)
            {
                if (sides.Count > 1) Thread.Sleep(OrtSession.Settling);
                side.Run(); // untimed: wakes threads and caches after the other side's turn
                for (int i = done; i < Math.Min(options.Runs, done + options.Turn); i++) side.RunTimed();
            }
    }

    private static bool CompareOutputs(List<Contestant> sides, double tolerance)
    {
        List<Dictionary<string, Tensor>> outputs = [.. sides.Select(s => s.Outputs())];
        bool isGood = true;
        foreach (var (name, tensor) in outputs[0])
        {
            TensorSummary summary = TensorSummary.Of(tensor);
            string line = $"  {name} {tensor}: {summary}";
            isGood &= summary.IsFinite;
            if (outputs.Count == 2)
            {
                OutputDifference difference = OutputDifference.Between(tensor, outputs[1][name]);
                isGood &= difference.Relative <= tolerance;
                line += $"; {difference}";
            }
            Console.WriteLine(line);
        }
        return isGood;
    }
}
