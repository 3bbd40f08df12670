using NUnit.Framework;

namespace ConvNet.Tests.Contract;

/// <summary>Executables that nobody disposes are collected before they fill the memory.</summary>
[TestFixtureSource(typeof(Backends), nameof(Backends.All))]
public sealed class ForgottenExecutableContract(BackendCase backend)
{
    // In a process of its own: the runtime lets native memory grow by a third of the managed heap, and for five times
    // as long as the last collection took, and both are large among thousands of tests.
    [Test]
    public void MemoryStaysFarBelowThatOfAll()
    {
        CommandResult result = Repository.Run(Repository.Root, "dotnet",
            ["exec", typeof(ForgottenExecutables).Assembly.Location, Program.Forget, backend.Name]);
        Assert.That(result.ExitCode, Is.Zero, result.Output);
        TestContext.Out.WriteLine(result.Output);
    }
}
