using Parallax.Graphs.Ops;
using Parallax.Kernels.MachineLearning;

namespace Parallax.Runtime.Cpu.Hosts;

/// <summary>Support vector machines.</summary>
internal static class SvmHost
{
    internal static Datum?[] Run(SvmRegressor op, HostContext context)
    {
        Tensor rows = context.Tensor(0), result = context.Allocate(DType.Float32, [rows.Dims[0], 1]);
        int width = Width(op.Model, rows, Math.Max(1, op.VectorCount));
        var compared = new double[Math.Max(1, op.VectorCount)];
        for (int i = 0; i < rows.Dims[0]; i++)
        {
            double sum = op.Model.Rho[0];
            ReadOnlySpan<float> row = rows.Span<float>().Slice(i * width, width);
            if (op.VectorCount == 0) sum += Compare(op.Model, row, op.Model.Coefficients.AsSpan());
            else
            {
                CompareAll(op.Model, row, compared);
                for (int v = 0; v < compared.Length; v++) sum += op.Model.Coefficients[v] * compared[v];
            }
            result.Span<float>()[i] = op.OneClass ? (sum > 0 ? 1 : -1) : (float)sum;
        }
        return [result];
    }

    internal static Datum?[] Run(SvmClassifier op, HostContext context)
    {
        Tensor rows = context.Tensor(0);
        int count = (int)rows.Dims[0], classes = op.ClassCount, vectors = op.VectorsPerClass.Sum();
        int width = Width(op.Model, rows, vectors == 0 ? classes : vectors), outputs = Math.Max(2, op.ScoreCount);
        Tensor scores = context.Allocate(DType.Float32, [count, outputs]);
        var winners = new int[count];
        var compared = new double[vectors];
        var values = new double[vectors == 0 ? classes : classes * (classes - 1) / 2];
        var votes = new int[classes];
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<float> row = rows.Span<float>().Slice(i * width, width);
            if (vectors == 0) for (int c = 0; c < classes; c++) values[c] = op.Model.Rho[0] + Compare(op.Model, row, op.Model.Coefficients.AsSpan().Slice(c * width, width));
            else
            {
                CompareAll(op.Model, row, compared);
                SvmScores.Decide(compared, op.Model.Coefficients.AsSpan(), op.VectorsPerClass.AsSpan(), op.Model.Rho.AsSpan(), values, votes);
            }
            winners[i] = vectors == 0 ? Array.IndexOf(values, values.Max()) : Array.IndexOf(votes, votes.Max());
            double[] given = op.ProbA.IsEmpty ? values : SvmScores.Couple(values, op.ProbA.AsSpan(), op.ProbB.AsSpan(), classes);
            Write(op.Transform, given, scores.Span<float>().Slice(i * outputs, outputs));
        }
        return [LabelHost.Labels(op.Labels, winners), scores];
    }

    /// <summary>A single decision value becomes the scores of two classes: its negative, and itself.</summary>
    private static void Write(ScoreTransform transform, double[] values, Span<float> target)
    {
        if (values.Length == 1) (target[0], target[1]) = ((float)-values[0], (float)values[0]);
        else for (int i = 0; i < values.Length; i++) target[i] = (float)values[i];
        LabelHost.Transform(transform, target);
    }

    private static int Width(SvmModel model, Tensor rows, int vectors)
    {
        long given = (model.Vectors.IsEmpty ? model.Coefficients : model.Vectors).Length / vectors;
        return rows.Dims[1] == given ? (int)given : throw new InvalidInputException($"rows must have {given} features, got {rows}");
    }

    private static void CompareAll(SvmModel model, ReadOnlySpan<float> row, Span<double> compared)
    {
        for (int v = 0; v < compared.Length; v++) compared[v] = Compare(model, row, model.Vectors.AsSpan().Slice(v * row.Length, row.Length));
    }

    private static double Compare(SvmModel model, ReadOnlySpan<float> row, ReadOnlySpan<float> vector) =>
        SvmScores.Compare((SvmKernel)model.Kernel, row, vector, model.Gamma, model.Coef0, model.Degree);
}
