using System.Net.Sockets;
using ConvNet.Cli.Gradcheck;
using ConvNet.Data;
using ConvNet.GradientChecking;
using ConvNet.Measurement;
using ConvNet.Models;
using ConvNet.Serialization;
using ConvNet.Tests.Data;
using NUnit.Framework;

namespace ConvNet.Tests.Serialization;

/// <summary>
/// Pipes, sockets, devices and folders where a file is to be read or written: none is opened, each is named.
/// </summary>
[Platform("Linux")]
[CancelAfter(60_000)]
public sealed class SpecialFileTests
{
    private static readonly (string Name, Action<string> Read)[] Readers =
    [
        ("graph", path => GraphJson.Load(path)),
        ("case", path => GradientCaseFile.Load(path)),
        ("saved model", path => SavedModel.Load(path)),
        ("tensors", path => SafeTensors.Read(path)),
        ("IDX file", path => IdxFile.Read(path)),
        ("list of shapes", path => ShapeFile.Read(path)),
        ("section", path => MarkedSection.Check(path, "x")),
        ("section to replace", path => MarkedSection.Replace(path, "x", "y")),
        ("log of a sweep", path => SweepLog.Open(path, ["managed"]).Dispose()),
    ];

    private static readonly (string Name, Action<string> Write)[] Writers =
    [
        ("saved model", path => SavedModel.CheckPath(path)),
        ("case", path => GradientCaseFile.Save(path, RandomCases.Layer(1))),
        ("tensors", path => new SafeTensors(new Dictionary<string, string>(), []).Write(path)),
        ("any file", path => AtomicFile.Write(path, "the file", _ => { })),
    ];

    private static IEnumerable<TestCaseData> Cases() =>
        from each in (
            IEnumerable<(string Name, Action<string> Do)>)[.. Readers,
            .. Writers.Select(writer => ($"{writer.Name}, written", writer.Write))]
        from kind in (string[])["pipe", "link to a pipe", "socket", "device", "folder", "descriptor"]
        select new TestCaseData(each.Do, kind).SetArgDisplayNames(each.Name, kind);

    [TestCaseSource(nameof(Cases))]
    public void WhatIsNoRegularFileIsRefusedAndNotOpened(Action<string> act, string kind)
    {
        using var folder = new TemporaryFolder();
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        using var pipe = new System.IO.Pipes.AnonymousPipeServerStream(System.IO.Pipes.PipeDirection.Out);
        string path = folder.File("input");
        string words = kind;
        switch (kind)
        {
            case "pipe":
                Assert.That(Repository.Run(folder.Path, "mkfifo", [path]).ExitCode, Is.Zero);
                break;
            case "link to a pipe":
                Assert.That(Repository.Run(folder.Path, "mkfifo", [folder.File("pipe")]).ExitCode, Is.Zero);
                File.CreateSymbolicLink(path, folder.File("pipe"));
                words = "pipe";
                break;
            case "socket":
                socket.Bind(new UnixDomainSocketEndPoint(path));
                break;
            case "device":
                path = "/dev/zero";
                break;
            case "folder":
                path = folder.Path;
                break;
            default:
                path = $"/proc/self/fd/{pipe.ClientSafePipeHandle.DangerousGetHandle()}";
                words = "pipe";
                break;
        }
        Assert.That(() => act(path), Throws.TypeOf<IOException>().With.Message.StartsWith($"{path} is a {words}"));
        Assert.That(Directory.GetFiles(folder.Path, "*.unfinished-*"), Is.Empty);
    }

    [Test]
    public void ALinkToARegularFileIsRead()
    {
        using var folder = new TemporaryFolder();
        string file = folder.File("model.json"), link = folder.File("link"), second = folder.File("second");
        File.WriteAllText(file, GraphJson.Write(BuiltInModels.Create("digits")));
        File.CreateSymbolicLink(link, file);
        File.CreateSymbolicLink(second, link);
        Assert.That(GraphJson.Load(second).Nodes, Has.Count.GreaterThan(2));
    }

    [Test]
    public void APipeAmongTheFilesOfADataSetOrInTheirPlaceIsRefused()
    {
        using var data = new TinyData();
        File.Delete(data.File("train-images-idx3-ubyte"));
        Repository.Run(data.Folder, "mkfifo", [data.File("train-images-idx3-ubyte")]);
        Assert.That(
            () => ImageData.Open(data.Folder),
            Throws.TypeOf<IOException>()
            .With.Message.Contains("train-images-idx3-ubyte is a pipe (FIFO), not a regular file"));
        Assert.That(
            () => ImageData.Open(data.File("train-images-idx3-ubyte")),
            Throws.TypeOf<IOException>().With.Message.Contains("is a pipe (FIFO), not a folder"));
        Assert.That(
            () => ImageData.Open(data.Model),
            Throws.TypeOf<IOException>().With.Message.Contains("is a file. Name the folder"));
    }

    [Test]
    public void AFileThatIsTooLargeIsRefusedByItsSizeAlone()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("large");
        using (FileStream file = File.Create(path))
            file.SetLength(50L << 30);
        foreach ((string name, Action<string> read) in Readers
            .Where(reader => reader.Name is not ("tensors" or "saved model")))
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            Assert.That(() => read(path), Throws.InstanceOf<Exception>().With.Message.StartsWith(path), name);
            Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(1 << 20), name);
        }
    }
}
