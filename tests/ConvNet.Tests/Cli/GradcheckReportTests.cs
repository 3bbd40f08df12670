using System.Xml.Linq;
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
            Sequential.Of(new Shape(2, 5, 4), new Conv2d(3, 3, padding: 1), new Relu()), [right, wrong]);
        _result = new GradcheckResult("faulty | <net>", [right, wrong], report, TimeSpan.FromSeconds(1.5), Again);
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
}
