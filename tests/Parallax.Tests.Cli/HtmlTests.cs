using System.Text.RegularExpressions;
using System.Xml.Linq;
using Parallax.Onnx;
using Parallax.Planning;
using Parallax.Zoo;
using Xunit;

namespace Parallax.Tests.Cli;

/// <summary>The page is well-formed XML as well as HTML, so a parser of the one proves that no element is left open.</summary>
public class HtmlTests
{
    private static (string Text, XElement Page, PlanReport Plan) Written(string network, string[]? more = null, PlanOptions? machine = null)
    {
        using var folder = new TemporaryFolder();
        CliRun run = CliRun.Of(["inspect", $"zoo:{network}", "--threads", "4", "--mode", "parallel", "--html", folder["plan.html"], "--json", folder["plan.json"], .. more ?? []]);
        Assert.Equal((0, ""), (run.Code, run.Error));
        string text = File.ReadAllText(folder["plan.html"]);
        var options = new SessionOptions { Threads = 4, Mode = ScheduleMode.Parallel, Dimensions = ZooCatalog.Find(network).DefaultDims };
        using var session = new InferenceSession(Importer.Import(ZooCatalog.Find(network).Build(new ZooOptions(Dynamic: false))), options);
        return (text, XDocument.Parse(text).Root!, session.Explain(machine));
    }

    [Fact]
    public void The_page_is_well_formed_and_needs_no_network()
    {
        (string text, XElement page, PlanReport plan) = Written("swinv2-tiny", ["--accelerator", "snapdragon-8-gen-1"], new PlanOptions { Accelerators = [NullAccelerator.OfPreset("snapdragon-8-gen-1")] });
        Assert.StartsWith("<!DOCTYPE html>", text);
        foreach (string external in (string[])["http", "src=", "@import", "url(", "<link", "fetch(", "XMLHttpRequest"]) Assert.DoesNotContain(external, text, StringComparison.OrdinalIgnoreCase);
        Assert.All(page.Descendants().Attributes("href"), href => Assert.StartsWith("#", href.Value));
        string style = page.Descendants("style").Single().Value;
        Assert.Contains("prefers-color-scheme: dark", style);
        Assert.Contains("width=device-width", text);
        // What HTML reads as raw text must not need XML's escapes.
        foreach (XElement raw in page.Descendants().Where(e => e.Name.LocalName is "style" or "script")) Assert.DoesNotMatch("[<>&]", raw.Value);
        // An empty element in short form is open to HTML, unless it is void or of SVG.
        Assert.DoesNotMatch(new Regex("<(?!(meta|br|rect|path|line)\\b)[a-z0-9]+[^<>]*/>"), text);
        Assert.Equal(plan.Memory.Buffers.Count(b => b.Bytes > 0), Classed(page, "buffer"));
        Assert.Equal(plan.Regions.Length, page.Descendants("td").Count(t => t.Value is "kept" or "refused"));
    }

    [Fact]
    public void Joint_planning_has_a_section_with_every_operator()
    {
        (string text, XElement page, PlanReport plan) = Written("clip-text", ["--accelerator", "integrated-gpu"], new PlanOptions { Accelerators = [NullAccelerator.OfPreset("integrated-gpu")] });
        Assert.Contains(plan.Joint!.Why, page.Value);
        XElement section = page.Descendants("section").Last(s => s.Element("h2")?.Value == "Shared with integrated-gpu");
        Assert.Equal(plan.Joint.Operators.Length, section.Descendants("tr").Count() - 1);
        Assert.DoesNotMatch(new Regex("<(?!(meta|br|rect|path|line)\\b)[a-z0-9]+[^<>]*/>"), text);
    }

    [Fact]
    public void Deep_graphs_are_folded_and_shallow_ones_are_not()
    {
        (_, XElement deep, PlanReport deepPlan) = Written("swinv2-tiny");
        Assert.InRange(Classed(deep, "box"), 10, deepPlan.Branches.Length * 2 / 3);
        Assert.Contains("times the same", deep.Value);
        (_, XElement shallow, PlanReport shallowPlan) = Written("yolov8n");
        Assert.Equal(shallowPlan.Branches.Length, Classed(shallow, "box"));
    }

    private static int Classed(XElement page, string name) => page.Descendants("rect").Count(r => (string?)r.Attribute("class") == name);
}
