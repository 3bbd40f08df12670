using ConvNet.Cli;
using ConvNet.Mpi;
using ConvNet.Mpi.Interop;
using NUnit.Framework;

namespace ConvNet.Tests.Ranks;

/// <summary>Without MPI, everything else works, and what needs it says in one line what is missing.</summary>
public sealed class MissingMpiTests
{
    [Test]
    public void TheToolSaysInOneLineWhatIsMissing()
    {
        CommandResult result = Repository.Run(Repository.Root, "dotnet", [typeof(App).Assembly.Location, "train"],
            new Dictionary<string, string?>
            {
                ["OMPI_COMM_WORLD_SIZE"] = "2",
                ["OMPI_COMM_WORLD_RANK"] = "0",
                [MpiLibraryFile.PathVariable] = "/nowhere/libconvnet_mpi.so",
            });
        Assert.That(result.ExitCode, Is.EqualTo(ExitCode.WrongUsage));
        Assert.That(result.Output.Trim(), Is.EqualTo("convnet: Training on several ranks needs MPI, but "
            + $"{MpiLibraryFile.FileName} is missing: it was not built. Install Open MPI, on Debian with apt-get "
            + "install openmpi-bin libopenmpi-dev (or eng/setup mpi), and build ConvNet.Mpi."));
    }

    [Test]
    public void AFileThatIsNoLibraryIsRefused()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("a.so"), "none");
        Assert.That(() => MpiLibraryFile.Open([folder.File("a.so")]), Throws.TypeOf<MpiUnavailableException>()
            .With.Message.Contains("a.so cannot be loaded").And.Message.Contains("Install Open MPI"));
    }
}
