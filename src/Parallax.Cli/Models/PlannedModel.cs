using Parallax.Cli.Commands;

namespace Parallax.Cli.Models;

/// <summary>A model's session and the plan for the sizes that the call gives; dims that it leaves open stay open.</summary>
internal sealed record PlannedModel(InferenceSession Session, PlanReport Plan) : IDisposable
{
    internal static PlannedModel Load(string name, CommonSettings settings, PlanOptions machine)
    {
        ModelFile file = ModelFile.Open(name, settings.Dims);
        InferenceSession? session = null;
        try
        {
            Dictionary<string, long> dims = InputShapes.Bind(file.Graph, new Dictionary<string, Datum>(), settings.Shapes, settings.Dims, file.DefaultDims);
            session = new InferenceSession(file.Model, settings.Session(dims));
            return new PlannedModel(session, session.Explain(machine) with { Model = name });
        }
        catch
        {
            session?.Dispose();
            file.Dispose();
            throw;
        }
    }

    public void Dispose() => Session.Dispose();
}
