using System.Text.Json;
using ConvNet.Cli;
using ConvNet.Tests.Data;
using NUnit.Framework;

namespace ConvNet.Tests.Cli;

public sealed class GradcheckTests
{
    private TinyData _data = null!;

    [OneTimeSetUp]
    public void WriteData() => _data = new TinyData();

    [OneTimeTearDown]
    public void DeleteData() => _data.Dispose();

    [Test]
    public void BackendsThatAgreePass()
    {
        JsonElement json = CommandLine.Run("gradcheck", "--model", _data.Model, "--backends", "managed", "native:scalar", "--json").Json();
        Assert.Multiple(() =>
        {
            Assert.That(json.GetProperty("verdict").GetString(), Is.EqualTo("pass"));
            Assert.That(json.GetProperty("failed").GetInt64(), Is.Zero);
            Assert.That(json.GetProperty("checked").GetInt64(), Is.GreaterThan(1_000));
            Assert.That(json.GetProperty("layers").EnumerateArray().Select(layer => layer.GetProperty("backend").GetString()).Distinct(),
                Is.SupersetOf((string[])["native/scalar"]));
            Assert.That(json.GetProperty("layers").EnumerateArray().Select(layer => layer.GetProperty("layer").GetString()).Distinct(),
                Is.SupersetOf((string[])["conv1", "relu1", "maxpool1", "flatten1", "dense1"]));
        });
    }

    [Test]
    public void PeopleSeeATableAndTheVerdict()
    {
        CommandLine run = CommandLine.Run("gradcheck", "--model", _data.Model, "--backends", "managed");
        Assert.That(run.ExitCode, Is.EqualTo(App.Ok), run.Error);
        Assert.That(run.Output, Does.Contain("conv1").And.Contain("equal").And.Contain("pass: "));
    }

    [Test]
    public void AnUnknownBackendIsRefused()
        => CommandLine.Run("gradcheck", "--model", _data.Model, "--backends", "managed", "abacus").IsRefusedWith("\"abacus\"");
}
