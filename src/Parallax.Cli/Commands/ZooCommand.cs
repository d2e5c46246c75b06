using System.CommandLine;
using Parallax.Cli.Output;
using Parallax.Onnx;
using Parallax.Zoo;

namespace Parallax.Cli.Commands;

/// <summary><c>zoo list</c> and <c>zoo export NAME FILE</c>: the built-in networks.</summary>
internal static class ZooCommand
{
    private static readonly Argument<string> NetworkName = new("NAME") { Description = "A network of 'zoo list', with or without zoo: before it." };
    private static readonly Argument<string> File = new("FILE") { Description = "The ONNX file to write." };
    private static readonly Option<bool> Dynamic = new("--dynamic") { Description = "Image sizes and the batch stay symbolic." };

    internal static Command Create()
    {
        var list = new Command("list", "Lists the networks.");
        CommonOptions.AddJsonTo(list);
        list.SetAction(parsed => List(parsed.InvocationConfiguration.Output, CommonOptions.Read(parsed).Json));
        var export = new Command("export", "Writes a network as an ONNX file.") { NetworkName, File, Dynamic };
        export.SetAction(parsed => Export(parsed));
        return new Command("zoo", "The built-in networks, with seeded weights.") { list, export };
    }

    private static int List(TextWriter output, JsonTarget? target)
    {
        if (target is not { Path: null })
            Tables.Print(output, ["name", ">parameters", "dimensions", "network"], ZooCatalog.Entries.Select(e => (string[])
                [e.Name, $"{e.Parameters:N0}", string.Join(" ", e.DefaultDims.Select(d => $"{d.Key}={d.Value}")), e.Description]));
        if (target is not null)
            JsonOutput.Write(target, output, json =>
            {
                json.WriteStartArray();
                foreach (ZooEntry entry in ZooCatalog.Entries)
                {
                    json.WriteStartObject();
                    json.WriteString("name", entry.Name);
                    json.WriteString("description", entry.Description);
                    json.WriteNumber("parameters", entry.Parameters);
                    json.WriteStartObject("dimensions");
                    foreach ((string name, long size) in entry.DefaultDims) json.WriteNumber(name, size);
                    json.WriteEndObject();
                    json.WriteEndObject();
                }
                json.WriteEndArray();
            });
        return ExitCode.Done;
    }

    private static int Export(ParseResult parsed)
    {
        string name = parsed.GetValue(NetworkName)!, path = parsed.GetValue(File)!;
        ModelProto model = ZooCatalog.Find(name.StartsWith("zoo:", StringComparison.Ordinal) ? name[4..] : name).Build(new ZooOptions(Dynamic: parsed.GetValue(Dynamic)));
        AtomicFile.Write(path, model.Save);
        parsed.InvocationConfiguration.Output.WriteLine($"{path}: {Numbers.Bytes(new FileInfo(path).Length)}");
        return ExitCode.Done;
    }
}
