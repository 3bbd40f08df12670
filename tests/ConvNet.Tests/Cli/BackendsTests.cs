using System.Text.Json;
using NUnit.Framework;

namespace ConvNet.Tests.Cli;

public sealed class BackendsTests
{
    [Test]
    public void EveryBackendSaysWhatItRunsOnOrWhyItCannot()
    {
        JsonElement[] backends = [.. CommandLine.Run("backends", "--json").Json().GetProperty("backends")
            .EnumerateArray()];
        Assert.That(backends.Select(backend => backend.GetProperty("name").GetString()),
            Is.EqualTo((string[])["managed", "native", "torchsharp"]));
        foreach (JsonElement backend in backends)
        {
            Assert.That(CommandLine.NamesOf(backend), Is
                .EqualTo("name, available, version, isa, precision, threads, library, libraryBytes, reason, selfTest, "
                + "limits"));
            bool available = backend.GetProperty("available").GetBoolean();
            Assert.That(backend.GetProperty("version").ValueKind,
                Is.EqualTo(available ? JsonValueKind.String : JsonValueKind.Null));
            Assert.That(backend.GetProperty("reason").ValueKind,
                Is.EqualTo(available ? JsonValueKind.Null : JsonValueKind.String));
        }
        Assert.That(backends[0].GetProperty("available").GetBoolean(), Is.True);
        Assert.That(backends.Where(backend => backend.GetProperty("available").GetBoolean())
            .Select(backend => backend.GetProperty("selfTest").GetProperty("passed").GetBoolean()), Is.All.True);
    }

    [Test]
    public void PeopleSeeATable()
        => Assert.That(CommandLine.Run("backends").Output, Does.Contain("managed").And.Contain("yes")
            .And.Contain("threads").And.Contain("--backend auto selects "));
}
