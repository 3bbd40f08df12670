using System.Text.Json;
using System.Text.Json.Serialization;
using System.Xml.Linq;
using System.Xml.Schema;
using ConvNet.Cli.Gradcheck;
using ConvNet.GradientChecking;
using ConvNet.GradientChecking.Research;
using NUnit.Framework;
using Spectre.Console;

namespace ConvNet.Tests.Cli;

/// <summary>What the reports say of a backend that is right beside one that is not.</summary>
public sealed class GradcheckReportTests
{
    private const string Again = "convnet gradcheck --model faulty";

    private static readonly JsonSerializerOptions s_json = new(JsonSerializerDefaults.Web)
    {
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    private GradcheckResult _result = null!;
    private LayerReport[] _wrong = null!;

    [OneTimeSetUp]
    public void CheckAFaultyBackend()
    {
        using var right = new BackendVariant("right", new ManagedBackend(1));
        using var managed = new ManagedBackend(1);
        using var wrong = new BackendVariant("wrong",
            new FaultyBackend(managed, new Fault(FaultKind.SignFlipped, FaultTarget.WeightGradient)));
        GradientReport report = GradientCheck.Run(
            Sequential.Of(new Shape(2, 5, 4), new Conv2d(3, 3, padding: 1), new Relu()), [right, wrong],
            new GradientCheckOptions
            {
                Modes = CheckModes.Exact | CheckModes.Real | CheckModes.Segments | CheckModes.EndToEnd
                    | CheckModes.ForwardMode,
            });
        _result = new GradcheckResult("faulty | <net>", [right, wrong], report, TimeSpan.FromSeconds(1.5), Again)
        {
            SelfTests = [SelfTest.Of(right), SelfTest.Of(wrong)],
        };
        _wrong = [.. report.Layers.Where(layer => layer.Verdict == Verdict.Fail)];
        Assert.That(_wrong.Select(layer => layer.Backend).Distinct(), Is.EqualTo((string[])["wrong"]));
    }

    [Test]
    public void JUnitHasASuiteForEveryBackendAndAFailureForWhatIsWrong()
    {
        using var stream = new MemoryStream();
        JUnitReport.Write(stream, _result);
        XElement root = XDocument.Parse(System.Text.Encoding.UTF8.GetString(stream.ToArray())).Root!;
        Assert.That(root.Name.LocalName, Is.EqualTo("testsuites"));
        Assert.That(root.Elements().Select(suite => $"{suite.Name} {suite.Attribute("name")!.Value}"),
            Is.EqualTo((string[])["testsuite right", "testsuite wrong", "testsuite reference"]));
        foreach (XElement suite in root.Elements())
        {
            Assert.That((int)suite.Attribute("tests")!, Is.EqualTo(suite.Elements("testcase").Count()));
            Assert.That((int)suite.Attribute("failures")!, Is.EqualTo(suite.Descendants("failure").Count()));
        }
        Assert.That((int)root.Attribute("tests")!, Is.EqualTo(_result.Report.Layers.Count));
        Assert.That((int)root.Attribute("failures")!, Is.EqualTo(_wrong.Length));
        Assert.That(root.Attribute("time")!.Value, Is.EqualTo("1.500"));
        XElement failed = root.Descendants("failure").First().Parent!;
        Assert.That(failed.Attribute("name")!.Value, Is.EqualTo("conv1, exact"));
        Assert.That(failed.Attribute("classname")!.Value, Is.EqualTo("gradcheck.faulty | <net>.wrong"));
        Assert.That(failed.Element("failure")!.Attribute("message")!.Value,
            Does.Contain("dw of conv1 on wrong, exact: element "));
        Assert.That(failed.Element("failure")!.Value, Does.Contain($"reproduce: {Again}"));
    }

    [Test]
    public void JUnitWritesWhatXmlCannot()
    {
        using var stream = new MemoryStream();
        JUnitReport.Write(stream, _result with { Title = "a\u0001b" });
        Assert.That(System.Text.Encoding.UTF8.GetString(stream.ToArray()), Does.Contain("a?b"));
    }

    [Test]
    public void JUnitIsValid()
    {
        Assert.That(ErrorsOf(JUnit(_result)), Is.Empty);
        Assert.That(ErrorsOf(JUnit(Accepted())), Is.Empty);
        Assert.That(ErrorsOf(JUnit(_result with { Options = [new GradientCheckOptions()] })), Is.Empty);
        XDocument broken = JUnit(_result);
        broken.Root!.Elements().First().Attribute("tests")!.Remove();
        Assert.That(ErrorsOf(broken), Is.Not.Empty, "the schema is applied");
    }

    [Test]
    public void JUnitHasTheSettingsAsProperties()
    {
        XDocument xml = JUnit(_result with
        {
            Options = [new GradientCheckOptions { Seed = 7, BatchSize = 2 },
                new GradientCheckOptions { Seed = 7, BatchSize = 3 }],
        });
        Assert.That(xml.Root!.Elements().First().Descendants("property").Select(property
            => $"{property.Attribute("name")!.Value}={property.Attribute("value")!.Value}"),
            Does.Contain("threads=1").And.Contain("seed=7").And.Contain("batch=2,3").And.Contain("precision=accurate"));
        Assert.That(xml.Descendants().Attributes().Select(attribute => attribute.Name.LocalName),
            Does.Not.Contain("file").And.Not.Contain("line"), "a comparison has no place in a source file");
    }

    [Test]
    public void JUnitNamesOperationsOfThePlanApart()
    {
        const string Title = "conv1 + relu1 + maxpool1";
        LayerReport[] steps = [Step("forward"), Step("backward"), Step("backward", "conv_direct"),
            Step("backward", "conv_direct"), new("mine", "relu1", "relu", CheckModes.Exact, [])];
        XDocument xml = JUnit(_result with { Report = new GradientReport(steps, []) });
        Assert.That(xml.Descendants("testcase").Select(each => each.Attribute("name")!.Value), Is.EqualTo((string[])
            [$"{Title}, exact, forward", $"{Title}, exact, backward", $"{Title}, exact, backward, conv_direct",
                $"{Title}, exact, backward, conv_direct (2)", "relu1, exact"]));

        static LayerReport Step(string kind, string remark = "")
            => new("mine", Title, kind, CheckModes.Exact, [], remark);
    }

    [Test]
    public void AnAcceptedDeviationIsInEveryReport()
    {
        GradcheckResult accepted = Accepted();
        Assert.That(accepted.Report.Verdict, Is.EqualTo(Verdict.Accepted));
        XElement suite = JUnit(accepted).Root!.Elements().Single(each => each.Attribute("name")!.Value == "wrong");
        Assert.That(((int)suite.Attribute("failures")!, (int)suite.Attribute("skipped")!),
            Is.EqualTo((0, _wrong.Length)));
        Assert.That(suite.Descendants("skipped").First().Value, Does.Contain("dw of conv1 on wrong, exact: ")
            .And.Contain("; accepted until 9999-12-31: reported"));
        string markdown = MarkdownSummary.Of(accepted);
        Assert.That(markdown, Does.StartWith("### Gradient check of faulty \\| &lt;net>: accepted\n")
            .And.Contain("Accepted deviations:\n\n- dw of conv1 on wrong").And.Contain(", 1 accepted |"));
        using var document = JsonDocument.Parse(JsonSerializer.Serialize(GradcheckDocument.Of(accepted),
            s_json));
        JsonElement root = document.RootElement;
        Assert.That((root.GetProperty("verdict").GetString(), root.GetProperty("accepted").GetInt32()),
            Is.EqualTo(("accepted", accepted.Report.Accepted.Count())));
        JsonElement baseline = root.GetProperty("layers").EnumerateArray().SelectMany(layer
            => layer.GetProperty("tensors").EnumerateArray()).Select(tensor => tensor.GetProperty("baseline"))
            .First(each => each.ValueKind == JsonValueKind.Object);
        Assert.That((baseline.GetProperty("outcome").GetString(), baseline.GetProperty("entry").GetProperty("reason")
            .GetString()), Is.EqualTo(("accepted", "reported")));
        using var text = new StringWriter();
        IAnsiConsole people = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(text) });
        people.Profile.Width = 400;
        GradcheckTable.Write(people, accepted, details: false);
        Assert.That(text.ToString(), Does.Contain("accepted dw").And.Contain("accepted until 9999-12-31: reported")
            .And.Contain("deviations accepted, in 1.5 s"));
    }

    [Test]
    public void MarkdownHasTheVerdictATableAndWhatIsWrong()
    {
        string[] lines = MarkdownSummary.Of(_result).Split('\n');
        Assert.That(lines[0], Is.EqualTo("### Gradient check of faulty \\| &lt;net>: fail"));
        Assert.That(lines, Has.Some.EqualTo("| backend | exact | real | forward mode | segments | end to end |"));
        Assert.That(lines.Single(line => line.StartsWith("| right |", StringComparison.Ordinal)),
            Does.StartWith("| right | 2, equal | 2, 0."));
        Assert.That(lines.Single(line => line.StartsWith("| wrong |", StringComparison.Ordinal)),
            Does.StartWith("| wrong | **1 wrong** of 2, "));
        Assert.That(lines, Has.Some.StartsWith("- dw of conv1 on wrong, exact: element "));
        Assert.That(lines, Has.Some.EqualTo($"Reproduce: `{Again}`"));
    }

    [Test]
    public void PeopleReadWhatIsWrongAndHowToSeeItAgain([Values] bool details)
    {
        using var text = new StringWriter();
        IAnsiConsole people = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(text) });
        people.Profile.Width = 400;
        GradcheckTable.Write(people, _result, details);
        TensorReport dw = _wrong.Single(layer => layer.Mode == CheckModes.Exact)
            .Tensors.Single(tensor => tensor.Name == "dw");
        Assert.That(text.ToString(), Does.Contain($"dw of conv1 on wrong, exact: element {dw.Index} is {dw.Got:G9} "
            + $"and should be {dw.Truth:G9}, ")
            .And.Contain($"; 1 of {dw.Elements} are wrong").And.Contain($"reproduce: {Again}")
                .And.Contain("fail: "));
    }

    [Test]
    public void TheWorstComparisonIsTheOneThatIsMostWrong()
    {
        Assert.That(_result.Report.Worst!.Value.Layer.Backend, Is.EqualTo("wrong"));
        Assert.That(_result.Report.Worst.Value.Tensor.Verdict, Is.EqualTo(Verdict.Fail));
        Assert.That(_result.Report.Failures.Select(row => row.Layer), Is.EquivalentTo(_wrong));
    }

    private GradcheckResult Accepted() => _result with
    {
        Reproduce = null,
        Report = _result.Report.Accepting(new Baseline(new AcceptedDeviation("wrong", "reported",
            DateOnly.MaxValue))),
    };

    private static XDocument JUnit(GradcheckResult result)
    {
        using var stream = new MemoryStream();
        JUnitReport.Write(stream, result);
        stream.Position = 0;
        return XDocument.Load(stream);
    }

    private static List<string> ErrorsOf(XDocument document)
    {
        var schemas = new XmlSchemaSet();
        schemas.Add("", Repository.Path("tests", "ConvNet.Tests", "Docs", "Schemas", "jenkins-junit.xsd"));
        List<string> errors = [];
        document.Validate(schemas, (_, error) => errors.Add(error.Message));
        return errors;
    }
}
