using System.Text.Json;
using ConvNet.Backends;
using ConvNet.Cli;
using NUnit.Framework;

namespace ConvNet.Tests.Cli;

public sealed class DoctorTests
{
    [Test]
    public void EveryBackendIsExaminedOnEveryInstructionSet()
    {
        CommandLine run = CommandLine.Run("doctor", "--json");
        JsonElement json = run.Json();
        JsonElement[] backends = [.. json.GetProperty("backends").EnumerateArray()];
        string[] names = [.. backends.Select(backend => backend.GetProperty("name").GetString()!)];
        Assert.Multiple(() =>
        {
            Assert.That(CommandLine.NamesOf(json), Is.EqualTo("machine, backends, auto, right"));
            Assert.That(CommandLine.NamesOf(json.GetProperty("machine")), Is
                .EqualTo("processor, processors, usable, quota, system, runtime"));
            Assert.That(names, Is.SupersetOf((string[])["managed", "native", "torchsharp"]).And.Unique);
            Assert.That(names.Where(name => name.StartsWith("native:", StringComparison.Ordinal)),
                Is.EqualTo(BackendRegistry.InstructionSetWords.Select(isa => $"native:{isa}")
                    .Where(name => name != $"native:{IsaOf("native")}")));
            Assert.That(json.GetProperty("right").GetBoolean(), Is.True);
            Assert.That(json.GetProperty("auto").GetString(), Is.EqualTo("native"));
            foreach (JsonElement backend in backends
                .Where(backend => backend.GetProperty("library").ValueKind == JsonValueKind.String))
                Assert.That(backend.GetProperty("libraryBytes").GetInt64(), Is
                    .EqualTo(new FileInfo(backend.GetProperty("library").GetString()!).Length));
        });

        string IsaOf(string name)
            => backends.Single(backend => backend.GetProperty("name").GetString() == name).GetProperty("isa")
            .GetString()!;
    }

    [Test]
    public void OneBackendIsExaminedAlone()
    {
        JsonElement json = CommandLine.Run("doctor", "--backend", "native:scalar", "--threads", "1", "--json").Json();
        JsonElement backend = json.GetProperty("backends").EnumerateArray().Single();
        Assert.That((backend.GetProperty("name").GetString(), backend.GetProperty("isa").GetString(),
            backend.GetProperty("threads").GetInt32()), Is.EqualTo(("native:scalar", "scalar", 1)));
        Assert.That(json.GetProperty("auto").ValueKind, Is.EqualTo(JsonValueKind.Null));
    }

    [Test]
    public void WhatLimitsABackendStandsWithItsReasonAndAWayOut()
    {
        string[] words = ["doctor", "--backend", "managed", "--threads", $"{Environment.ProcessorCount + 1}"];
        JsonElement limit = CommandLine.Run([.. words, "--json"]).Json().GetProperty("backends")[0]
            .GetProperty("limits")[0];
        Assert.That(CommandLine.NamesOf(limit), Is.EqualTo("what, why, remedy"));
        CommandLine run = CommandLine.Run(words);
        Assert.That(run.ExitCode, Is.EqualTo(ExitCode.Ok), "a limit makes nothing wrong");
        foreach (JsonProperty part in limit.EnumerateObject())
            Assert.That(run.Output, Does.Contain(part.Value.GetString()));
        Assert.That(run.Output, Does.Contain($"{Environment.ProcessorCount + 1} threads run on ")
            .And.Contain("All backends that can run on this machine pass their self-tests.").And.Not.Contain("\u001b"));
    }

    [Test]
    [Platform("Linux")]
    public void ABackendThatEndsItsProcessIsWrongAndTheOthersAreExamined()
    {
        using var folder = new TemporaryFolder();
        string library = folder.File("libconvnet.so"), source = folder.File("abort.c");
        File.WriteAllText(source, """
            #include <stdlib.h>
            __attribute__((constructor)) static void end(void) { abort(); }
            """);
        CommandResult built = Repository.Run(folder.File("."), "cc", ["-shared", "-fPIC", "-o", library, source]);
        Assert.That(built.ExitCode, Is.Zero, built.Output);
        CommandResult run = Repository.Run(Repository.Root, "dotnet",
            ["exec", typeof(App).Assembly.Location, "doctor", "--json"],
            new Dictionary<string, string?> { ["CONVNET_NATIVE_LIBRARY"] = library });
        Assert.That(run.ExitCode, Is.EqualTo(ExitCode.Failed), run.Output);
        Assert.That(run.Output, Does.Contain("failed its self-test: the process ended with exit code 134")
            .And.Contain("convnet: native").And.Contain("passed its self-test").And.Contain("\"right\": false"));
    }

    [Test]
    public void ABackendThatCannotRunIsNamedWithItsReasonAndIsNoneToUse()
    {
        // As a process of its own: this one has its library already.
        CommandResult one = Repository.Run(Repository.Root, "dotnet",
            ["exec", typeof(App).Assembly.Location, "doctor", "--backend", "native"],
            new Dictionary<string, string?> { ["CONVNET_NATIVE_LIBRARY"] = "/no/such/libconvnet.so" });
        Assert.That(one.ExitCode, Is.EqualTo(ExitCode.Failed), one.Output);
        Assert.That(one.Output, Does.Contain("unavailable").And.Contain("/no/such/libconvnet.so")
            .And.Contain("native cannot run on this machine"));
        CommandResult all = Repository.Run(Repository.Root, "dotnet", ["exec", typeof(App).Assembly.Location, "doctor"],
            new Dictionary<string, string?> { ["CONVNET_NATIVE_LIBRARY"] = "/no/such/libconvnet.so" });
        Assert.That(all.ExitCode, Is.EqualTo(ExitCode.Ok), "the others can run, and are right");
        Assert.That(all.Output, Does.Contain("--backend auto selects torchsharp.")
            .Or.Contain("--backend auto selects managed."));
    }
}
