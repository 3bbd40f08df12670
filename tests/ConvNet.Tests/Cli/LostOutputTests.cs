using System.Text;
using System.Text.Json;
using ConvNet.Cli;
using ConvNet.Tests.Data;
using NUnit.Framework;

namespace ConvNet.Tests.Cli;

/// <summary>Standard streams that take nothing: a full disk, a pipe whose reader has gone.</summary>
public sealed class LostOutputTests
{
    private const int BrokenPipe = 32, NoSpace = 28;

    private TinyData _data = null!;

    [OneTimeSetUp]
    public void WriteData() => _data = new TinyData();

    [OneTimeTearDown]
    public void DeleteData() => _data.Dispose();

    private string[] Training
        => ["train", "--backend", "managed", "--data", _data.Folder, "--model", _data.Model, "--epochs", "2"];

    [Test]
    public void ALostProgressDisplayEndsNoTraining()
    {
        using var output = new StringWriter();
        using var full = new LostStream(NoSpace);
        Assert.That(App.Run([.. Training, "--json", "--save", _data.File("a.safetensors")], output, full),
            Is.EqualTo(ExitCode.Ok));
        Assert.That(JsonDocument.Parse(output.ToString()).RootElement.GetProperty("epochs").GetArrayLength(),
            Is.EqualTo(2));
        Assert.That(_data.File("a.safetensors"), Does.Exist);
    }

    [Test]
    public void ALostDisplayOfResultsEndsNoTrainingEitherAndIsSaid()
    {
        using var full = new LostStream(NoSpace);
        using var error = new StringWriter();
        Assert.That(App.Run([.. Training, "--save", _data.File("b.safetensors")], full, error),
            Is.EqualTo(ExitCode.WrongUsage));
        Assert.That(error.ToString(),
            Does.Contain("convnet: Writing the results to standard output failed: "));
        Assert.That(_data.File("b.safetensors"), Does.Exist);
    }

    [TestCase(NoSpace)]
    [TestCase(BrokenPipe)]
    public void ALostDocumentIsAnError(int cause)
    {
        using var lost = new LostStream(cause);
        using var error = new StringWriter();
        Assert.That(App.Run(["summary", "--json"], lost, error), Is.EqualTo(ExitCode.WrongUsage));
        Assert.That(error.ToString(),
            Does.StartWith("convnet: Writing the document of --json to standard output failed: "));
    }

    [Test]
    public void AReaderThatHasSeenEnoughMayGo()
    {
        using var gone = new LostStream(BrokenPipe);
        using var error = new StringWriter();
        Assert.That(App.Run(["summary"], gone, error), Is.EqualTo(ExitCode.Ok));
        Assert.That(error.ToString(), Is.Empty);
    }

    [Test]
    public void ErrorsKeepTheirCodeWhereNobodyReadsThem()
    {
        using var output = new StringWriter();
        using var full = new LostStream(NoSpace);
        Assert.That(App.Run(["train", "--epochs", "abc"], output, full), Is.EqualTo(ExitCode.WrongUsage));
        Assert.That(App.Run([.. Training, "--lr", "1e25"], output, full), Is.EqualTo(ExitCode.Failed));
        Assert.That(App.Run([], output, full), Is.EqualTo(ExitCode.WrongUsage));
    }

    [TestCase("summary --json >/dev/full", ExpectedResult = ExitCode.WrongUsage)]
    [TestCase("summary >/dev/full", ExpectedResult = ExitCode.WrongUsage)]
    [TestCase("summary --json 2>/dev/full", ExpectedResult = ExitCode.Ok)]
    [TestCase("train --epochs 1 --json 2>/dev/full", ExpectedResult = ExitCode.Ok)]
    [TestCase("train --epochs abc 2>/dev/full", ExpectedResult = ExitCode.WrongUsage)]
    [TestCase("summary --json | true", ExpectedResult = ExitCode.WrongUsage)]
    [TestCase("summary | true", ExpectedResult = ExitCode.Ok)]
    [TestCase("summary | head -1", ExpectedResult = ExitCode.Ok)]
    [Platform("Linux")]
    public int AShellSeesTheSame(string words)
        => Repository.Run(Path.GetTempPath(), "bash", ["-c",
            $"dotnet exec '{typeof(App).Assembly.Location}' {words}; exit ${{PIPESTATUS[0]}}"]).ExitCode;

    /// <summary>A stream on which every write fails.</summary>
    private sealed class LostStream(int error) : TextWriter
    {
        public override Encoding Encoding => Encoding.UTF8;

        public override void Write(char value) => throw new IOException("The disk is full, or nobody reads.", error);
    }
}
