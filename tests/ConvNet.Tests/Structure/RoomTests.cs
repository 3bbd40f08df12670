using System.Reflection;
using ConvNet.Backends;
using ConvNet.Cli;
using ConvNet.Data;
using ConvNet.GradientChecking;
using ConvNet.GradientChecking.Research;
using ConvNet.Measurement;
using ConvNet.Mpi;
using ConvNet.Reports;
using ConvNet.Serve;
using NUnit.Framework;

namespace ConvNet.Tests.Structure;

/// <summary>The folders of every project stand one above the other: none uses what uses it.</summary>
public sealed class RoomTests
{
    private static IEnumerable<TestCaseData> Projects { get; } =
    [
        Project(typeof(Graph), "ConvNet.Managed"), Project(typeof(ImageSource), "ConvNet.Data"),
        Project(typeof(GradientCheck), "ConvNet.GradientCheck"),
        Project(typeof(Canary), "ConvNet.GradientCheck.Research"), Project(typeof(NativeBackend), "ConvNet.Native"),
        Project(typeof(TorchSharpBackend), "ConvNet.TorchSharp"), Project(typeof(BackendRegistry), "ConvNet.Backends"),
        Project(typeof(BenchPass), "ConvNet.Measurement"), Project(typeof(Page), "ConvNet.Reports"),
        Project(typeof(LivePage), "ConvNet.Serve"), Project(typeof(DataParallelBackend), "ConvNet.Mpi"),
        Project(typeof(App), "ConvNet.Cli"),
    ];

    [TestCaseSource(nameof(Projects))]
    public void NoFolderUsesOneThatUsesIt(Assembly assembly, string project)
    {
        ILookup<(string From, string To), string> uses = new Rooms(assembly, project).Uses();
        ILookup<string, string> next = uses.ToLookup(use => use.Key.From, use => use.Key.To);
        string[] back = [.. uses.Where(use => Reaches(next, use.Key.To, use.Key.From)).Select(use
            => $"{Name(use.Key.From)} → {Name(use.Key.To)}: {string.Join(", ", use.Take(5))}").Order()];
        Assert.That(back, Is.Empty, $"{project} has folders that use one another:\n{string.Join('\n', back)}");
    }

    [Test]
    public void AllSourceFoldersAreLookedAt()
    {
        string[] folders = [.. Directory.EnumerateFiles(Repository.Path("src", "ConvNet.Managed"), "*.cs",
            SearchOption.AllDirectories).Select(file => Path.GetDirectoryName(Path.GetRelativePath(
                Repository.Path("src", "ConvNet.Managed"), file))!)
            .Where(folder => folder.Split(Path.DirectorySeparatorChar)[0] is not ("obj" or "bin")).Distinct()];
        Assert.That(new Rooms(typeof(Graph).Assembly, "ConvNet.Managed").Names, Is.EquivalentTo(folders));
    }

    [Test]
    public void UsesAreFound() => Assert.That(new Rooms(typeof(Graph).Assembly, "ConvNet.Managed").Uses()
        [("Graphs", "Layers")], Does.Contain("Node uses Layer"));

    private static TestCaseData Project(Type type, string name)
        => new TestCaseData(type.Assembly, name).SetArgDisplayNames(name);

    private static bool Reaches(ILookup<string, string> next, string from, string to)
    {
        var seen = new HashSet<string>();
        var left = new Stack<string>([from]);
        while (left.TryPop(out string? folder))
        {
            if (folder == to)
                return true;
            if (!seen.Add(folder))
                continue;
            foreach (string further in next[folder])
                left.Push(further);
        }
        return false;
    }

    private static string Name(string folder) => folder.Length == 0 ? "(root)" : folder;
}
