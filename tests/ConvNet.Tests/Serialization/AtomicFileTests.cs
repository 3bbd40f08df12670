using System.Diagnostics;
using System.Runtime.Versioning;
using ConvNet.Serialization;
using NUnit.Framework;

namespace ConvNet.Tests.Serialization;

public sealed class AtomicFileTests
{
    private TemporaryFolder _folder = null!;
    private string _path = null!;

    [SetUp]
    public void MakeFolder()
    {
        _folder = new TemporaryFolder();
        _path = _folder.File("model.safetensors");
    }

    [TearDown]
    public void DeleteFolder() => _folder.Dispose();

    [TestCase(UnixFileMode.UserRead | UnixFileMode.UserWrite)]
    [TestCase((UnixFileMode)0b110_110_110)]
    [TestCase(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupRead)]
    [UnsupportedOSPlatform("windows")]
    [Platform(Exclude = "Win")]
    public void TheModeOfAFileThatIsReplacedIsKept(UnixFileMode mode)
    {
        File.WriteAllText(_path, "old");
        File.SetUnixFileMode(_path, mode);
        string link = _folder.File("link");
        File.CreateSymbolicLink(link, _path);
        foreach (string name in (string[])[_path, link])
        {
            AtomicFile.Write(name, "the file", stream =>
            {
                string unfinished = Directory.GetFiles(_folder.Path).Single(IsUnfinished);
                Assert.That(File.GetUnixFileMode(unfinished), Is.EqualTo(mode), "while it is written");
                stream.Write("new"u8);
            }, 3);
            Assert.That(File.GetUnixFileMode(_path), Is.EqualTo(mode));
            Assert.That(File.ReadAllText(_path), Is.EqualTo("new"));
        }
    }

    [Test]
    public void ALinkInTheCurrentFolderIsFollowed()
    {
        string name = $"link-{Path.GetRandomFileName()}", link = Path.GetFullPath(name);
        File.WriteAllText(_path, "old");
        File.CreateSymbolicLink(link, Path.GetRelativePath(Path.GetDirectoryName(link)!, _path));
        try
        {
            AtomicFile.Probe(name, "the file");
            AtomicFile.Write(name, "the file", stream => stream.Write("new"u8), 3);
            Assert.That(File.ReadAllText(_path), Is.EqualTo("new"));
            Assert.That(new FileInfo(link).LinkTarget, Is.Not.Null);
        }
        finally
        {
            File.Delete(link);
        }
    }

    [Test]
    [UnsupportedOSPlatform("windows")]
    [Platform(Exclude = "Win")]
    public void AFileThatIsReadOnlyIsNotReplaced()
    {
        File.WriteAllText(_path, "old");
        File.SetUnixFileMode(_path, UnixFileMode.UserRead);
        foreach (Action attempt in (
            Action[])[() => AtomicFile.Probe(_path, "the model"), ()
            => AtomicFile.Write(_path, "the model", stream => stream.WriteByte(1))])
            Assert.That(
                attempt, Throws.TypeOf<UnauthorizedAccessException>().With.Message.StartsWith(_path)
                .And.Message.Contains("read-only").And.Message.Contains("chmod u+w"));
        Assert.That(File.ReadAllText(_path), Is.EqualTo("old"));
        Assert.That(Directory.GetFiles(_folder.Path), Has.Length.EqualTo(1));
    }

    [Test]
    public void WhatAnEndedWriterLeftIsRemovedByTheNextSaveAndByTheNextCheck([Values] bool save)
    {
        string stale = Unfinished(_path), other = Unfinished(_folder.File("other.safetensors")),
            named = $"{_path}.unfinished-notes";
        foreach (string file in (string[])[stale, other, named])
            File.WriteAllText(file, "left behind");
        if (save)
            AtomicFile.Write(_path, "the model", stream => stream.WriteByte(1));
        else
            AtomicFile.Probe(_path, "the model");
        Assert.That(File.Exists(stale), Is.False);
        Assert.That(File.Exists(other) && File.Exists(named), "what belongs to another file stays");
    }

    [Test]
    public void WhatAnotherWriterIsWritingStays()
    {
        AtomicFile.Write(_path, "the model", first =>
        {
            first.WriteByte(1);
            AtomicFile.Probe(_path, "the model");
            AtomicFile.Write(_path, "the model", second => second.WriteByte(2));
            Assert.That(File.ReadAllBytes(_path), Is.EqualTo((byte[])[2]));
        }, 1);
        Assert.That(File.ReadAllBytes(_path), Is.EqualTo((byte[])[1]));
        Assert.That(Directory.GetFiles(_folder.Path), Is.EqualTo((string[])[_path]));
    }

    [Test]
    public void ANameThatIsTooLongIsSaidToBe()
    {
        string name = new('a', 300);
        Assert.That(() => AtomicFile.Probe(_folder.File(name), "the model"), Throws.InstanceOf<IOException>()
            .With.Message.Contains("is too long; use a shorter one. No file was created."));
    }

    [Test]
    public void ManyWritersOfOneFileAllEndWell()
    {
        byte[][] contents = [.. Enumerable.Range(0, 8).Select(i => Enumerable.Repeat((byte)i, 10_000).ToArray())];
        Parallel.ForEach(Enumerable.Range(0, 400), new ParallelOptions { MaxDegreeOfParallelism = 8 }, i =>
            AtomicFile.Write(_path, "the model", stream => stream.Write(contents[i % 8]), 10_000));
        Assert.That(contents, Does.Contain(File.ReadAllBytes(_path)));
        Assert.That(Directory.GetFiles(_folder.Path), Is.EqualTo((string[])[_path]));
    }

    [Test]
    [Platform("Linux")]
    public void AWriterThatIsKilledLeavesTheOldFileAndWhatItLeftGoesWithTheNext()
    {
        File.WriteAllText(_path, "old");
        string held = Unfinished(_path);
        // A process of another program that holds the lock as a writer does, and is killed.
        var start = new ProcessStartInfo("flock", ["--exclusive", "--close", held, "sleep", "600"]);
        using Process writer = Process.Start(start)!;
        while (!File.Exists(held) || !IsHeld(held))
            Thread.Sleep(10);
        AtomicFile.Probe(_path, "the model");
        Assert.That(File.Exists(held), "it is being written");
        writer.Kill(entireProcessTree: true);
        writer.WaitForExit();
        AtomicFile.Probe(_path, "the model");
        Assert.That(Directory.GetFiles(_folder.Path), Is.EqualTo((string[])[_path]));
        Assert.That(File.ReadAllText(_path), Is.EqualTo("old"));
    }

    [Test]
    [Platform("Linux")]
    public void AFullDiskIsToldWithWhatWasToBeWrittenAndHowMuchRoomItNeeds([Values] bool replaced)
    {
        string disk = _folder.File("disk");
        Directory.CreateDirectory(disk);
        if (Repository.Run(_folder.Path, "mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", disk]).ExitCode != 0)
            Assert.Ignore("A disk of 64 KB cannot be mounted here.");
        try
        {
            string path = Path.Combine(disk, "model.safetensors");
            if (replaced)
                File.WriteAllText(path, "old");
            using var backend = new ManagedBackend(threads: 1);
            using IExecutable network = backend.CompileInference(Sequential.Of(Shape.Vector(1000), new Linear(100)), 1);
            network.Initialize(new HeNormal(1));
            string needed = $"{SizeOf(network):N0} bytes";
            Assert.That(() => SavedModel.Save(path, network), Throws.TypeOf<IOException>()
                .With.Message.StartsWith(path).And.Message.Contains("the trained model")
                    .And.Message.Contains("not enough space").And.Message.Contains(needed)
                .And.Message.Contains(replaced ? "unchanged" : "No file was created")
                    .And.Message.Not.Contains("unfinished"));
            Assert.That(
                () => SavedModel.CheckPath(path, network.Graph),
                Throws.TypeOf<IOException>().With.Message.Contains("not enough space for the trained model")
                .And.Message.Contains(needed));
            Assert.That(Directory.GetFiles(disk), Has.Length.EqualTo(replaced ? 1 : 0));
            if (replaced)
                Assert.That(File.ReadAllText(path), Is.EqualTo("old"));
        }
        finally
        {
            Repository.Run(_folder.Path, "umount", [disk]);
        }
    }

    [Test]
    public void AStreamThatFailsHalfWayIsToldWithoutTheTemporaryName()
    {
        Assert.That(() => AtomicFile.Write(_path, "the report", stream =>
        {
            stream.Write(new byte[10_000]);
            throw new IOException($"No space left on device : '{((FileStream)stream).Name}'", 28);
        }, 20_000),
            Throws.TypeOf<IOException>()
            .With.Message.StartsWith($"{_path}: the report cannot be written: there is not enough space.")
            .And.Message.Contains("It needs 20,000 bytes")
            .And.Message.Contains("No file was created").And.Message.Not.Contains("unfinished"));
        Assert.That(
            () => AtomicFile.Write(
            _path, "the report", stream => throw new IOException($"Broken : '{((FileStream)stream).Name}'"), 1),
            Throws.TypeOf<IOException>().With.Message.Contains("Broken. It needs 1 bytes")
                .And.Message.Not.Contains("unfinished"));
        Assert.That(Directory.GetFiles(_folder.Path), Is.Empty);
    }

    private static string Unfinished(string path) => $"{path}.unfinished-{Guid.NewGuid():N}";

    private static bool IsUnfinished(string path) => path.Contains(".unfinished-", StringComparison.Ordinal);

    private static bool IsHeld(string path)
    {
        try
        {
            new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None).Dispose();
            return false;
        }
        catch (IOException)
        {
            return true;
        }
    }

    private static long SizeOf(IExecutable network)
    {
        using var folder = new TemporaryFolder();
        SavedModel.Save(folder.File("model"), network);
        return new FileInfo(folder.File("model")).Length;
    }
}
