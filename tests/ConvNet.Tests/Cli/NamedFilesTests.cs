using ConvNet.Cli;
using ConvNet.Cli.Verbs;
using ConvNet.Tests.Data;
using NUnit.Framework;

namespace ConvNet.Tests.Cli;

/// <summary>No verb writes over a file that it reads, or writes twice.</summary>
public sealed class NamedFilesTests
{
    private const string Precious = "precious";

    private static readonly Dictionary<string, string[]> s_needed = new()
    {
        ["compare"] = ["--model", "digits"],
        ["show"] = ["--load", "m.safetensors"],
        ["predict"] = ["--load", "m.safetensors"],
        ["export"] = ["--load", "m.safetensors"],
        ["import"] = ["m.onnx"],
        ["bench"] = ["--model", "digits"],
    };

    private TemporaryFolder _folder = null!;

    private string File => _folder.File("f");

    [SetUp]
    public void WriteFile()
    {
        _folder = new TemporaryFolder();
        System.IO.File.WriteAllText(File, Precious);
    }

    [TearDown]
    public void DeleteFolder() => _folder.Dispose();

    private static IEnumerable<TestCaseData> Pairs => from verb in App.Describe().Subcommands.OfType<Verb>()
                                                      from written in verb.Files.Options
                                                      where written.Use != FileUse.Read
                                                      from other in verb.Files.Options
                                                      where other.Option != written.Option
                                                          && other.Option.Name != "--data"
                                                          && (written.Option.Name,
                                                              other.Option.Name)
                                                              is not ("--save", "--resume" or "--weights")
                                                      select new TestCaseData(verb.Name, written.Option.Name,
                                                          other.Option.Name)
                                                          .SetArgDisplayNames(verb.Name, written.Option.Name,
                                                              other.Option.Name);

    [TestCaseSource(nameof(Pairs))]
    public void AFileOfTwoOptionsIsRefusedBeforeAnythingIsDone(string verb, string written, string other)
    {
        Directory.CreateDirectory(_folder.File("sub"));
        System.IO.File.CreateSymbolicLink(_folder.File("link"), File);
        System.IO.File.CreateSymbolicLink(_folder.File("link-to-link"), "link");
        Directory.CreateSymbolicLink(_folder.File("folder"), _folder.Path);
        string relative = Path.GetRelativePath(Environment.CurrentDirectory, File);
        string[] needed = s_needed.TryGetValue(verb, out string[]? before) && before[0] != other ? before : [];
        foreach (string name in (string[])[File, _folder.File("link"), _folder.File("link-to-link"),
            _folder.File("folder/f"), _folder.File("sub/../f"), _folder.File("folder/folder/link"), relative])
        {
            CommandLine.Run([verb, .. needed, written, File, other, name])
                .IsRefusedWith(written, other, "the same file");
            CommandLine.Run([verb, .. needed, written, name, other, File])
                .IsRefusedWith(written, other, "the same file");
        }
        Assert.That(System.IO.File.ReadAllText(File), Is.EqualTo(Precious));
        Assert.That(Directory.GetFileSystemEntries(_folder.Path), Has.Length.EqualTo(5), "no other file");
    }

    [Test]
    public void EveryVerbThatNamesAFileDeclaresIt()
    {
        foreach (Verb verb in App.Describe().Subcommands.OfType<Verb>())
        {
            IEnumerable<string> files = verb.Options.Where(option => option.HelpName is "FILE" or "MODEL" or "DATA"
                or "PATH")
                .Select(option => option.Name);
            Assert.That(verb.Files.Options.Select(each => each.Option.Name), Is.EquivalentTo(files), verb.Name);
        }
    }

    [Test]
    public void FilesThatAreNotThereYetAreComparedToo()
        => CommandLine.Run("train", "--save", _folder.File("new"), "--report", _folder.File("./new"))
            .IsRefusedWith("--save and --report name the same file");

    [Test]
    public void AModelWithItsBatchIsComparedWithoutIt()
        => CommandLine.Run("bench", "--model", $"{File}:3", "--trace", File)
            .IsRefusedWith("--trace would overwrite the input of --model");

    [Test]
    public void TheFilesOfTheDataAreNotWrittenOver()
    {
        using var data = new TinyData();
        string images = data.File("train-images-idx3-ubyte");
        byte[] before = System.IO.File.ReadAllBytes(images);
        CommandLine.Run("train", "--data", data.Folder, "--model", data.Model, "--save", images)
            .IsRefusedWith("--save would overwrite the input of --data");
        Assert.That(System.IO.File.ReadAllBytes(images), Is.EqualTo(before));
    }

    [Test]
    public void ATrainingMaySaveOverTheModelThatItWentOnFrom()
    {
        using var data = new TinyData();
        string file = data.File("model.safetensors");
        string[] words = ["train", "--data", data.Folder, "--backend", "managed", "--lr", "0.001", "--save", file];
        Assert.That(CommandLine.Run([.. words, "--model", data.Model, "--epochs", "1"]).ExitCode,
            Is.EqualTo(ExitCode.Ok));
        foreach (string[] more in (string[][])[["--load", file, "--epochs", "2"], ["--weights", file, "--epochs", "1"]])
        {
            byte[] before = System.IO.File.ReadAllBytes(file);
            CommandLine run = CommandLine.Run([.. words, .. more]);
            Assert.That(run.ExitCode, Is.EqualTo(ExitCode.Ok), run.Error);
            Assert.That(System.IO.File.ReadAllBytes(file), Is.Not.EqualTo(before));
        }
        Assert.That(CommandLine.Run("eval", "--data", data.Folder, "--backend", "managed", "--load", file).ExitCode,
            Is.EqualTo(ExitCode.Ok));
    }
}
