using System.Diagnostics;
using ConvNet.Cli;
using ConvNet.Serialization;
using ConvNet.Tests.Data;
using NUnit.Framework;

namespace ConvNet.Tests.Cli;

/// <summary>Checkpoints on a disk that is full, or becomes full: a file system of half a megabyte in memory. To mount
/// one, the tests must run as root.</summary>
[Platform("Linux")]
public sealed class FullDiskTests
{
    private const int DiskKilobytes = 512, TinyKilobytes = 8;

    private TinyData _data = null!;
    private string _disk = null!;

    [SetUp]
    public void Mount()
    {
        _data = new TinyData();
        _disk = _data.File("disk");
        Directory.CreateDirectory(_disk);
        using Process mount = Process.Start(new ProcessStartInfo("mount",
            ["-t", "tmpfs", "-o", $"size={DiskKilobytes}k", "tmpfs", _disk])
        { RedirectStandardError = true })!;
        mount.WaitForExit();
        if (mount.ExitCode == 0)
            return;
        _data.Dispose();
        Assert.Ignore($"No file system can be mounted: {mount.StandardError.ReadToEnd()}");
    }

    [TearDown]
    public void Unmount()
    {
        if (!Directory.Exists(_disk))
            return;
        using (var unmount = Process.Start("umount", [_disk]))
            unmount.WaitForExit();
        _data.Dispose();
    }

    [Test]
    public void AFullDiskIsAnErrorBeforeTheTraining()
    {
        Fill(leave: TinyKilobytes);
        CommandLine run = Train("--epochs", "1");
        run.IsRefusedWith("there is not enough space", "5 files of the training");
        Assert.That(Directory.GetFiles(Path.Combine(_disk, "runs"), "*.safetensors*"), Is.Empty);
    }

    [Test]
    public void ADiskThatBecomesFullIsAWarningAndTheLastFileStaysIntact()
    {
        using Process process = Process.Start(new ProcessStartInfo("dotnet", ["exec", typeof(App).Assembly.Location,
            .. Words("--epochs", "60", "--every", "3steps", "--json")])
        { RedirectStandardError = true, RedirectStandardOutput = true })!;
        Task<string> error = process.StandardError.ReadToEndAsync(), output = process.StandardOutput.ReadToEndAsync();
        string runs = Path.Combine(_disk, "runs");
        var clock = Stopwatch.StartNew();
        while (!process.HasExited && clock.Elapsed < TimeSpan.FromSeconds(60)
            && (!Directory.Exists(runs) || Directory.GetFiles(runs, "epoch-*.safetensors").Length == 0))
            Thread.Sleep(5);
        Fill(leave: 0);
        Assert.That(process.WaitForExit(TimeSpan.FromMinutes(2)));
        Assert.That(error.Result, Does.Contain("warning: ").And.Contain("there is not enough space")
            .And.Contain("The training goes on."), "while it trains");
        Assert.That(process.ExitCode, Is.EqualTo(ExitCode.WrongUsage), "the end of the training is not saved");
        FoundCheckpoint found = CheckpointFolder.FindNewest(runs)!;
        Assert.That(found.Damaged, Is.Empty);
        File.Delete(Path.Combine(_disk, "filling"));
        CommandLine.Run("train", "--backend", "managed", "--resume", runs, "--epochs", "60").Succeeds();
    }

    private string[] Words(params string[] more) => ["train", "--backend", "managed", "--data", _data.Folder,
        "--model", _data.Model, "--checkpoint", Path.Combine(_disk, "runs"), .. more];

    private CommandLine Train(params string[] more) => CommandLine.Run(Words(more));

    private void Fill(int leave)
    {
        using FileStream filling = File.Create(Path.Combine(_disk, "filling"), 1);
        var block = new byte[1024];
        try
        {
            while (true)
                filling.Write(block);
        }
        catch (IOException)
        {
            // The disk is full.
        }
        filling.SetLength(Math.Max(0, filling.Length - leave * 1024));
    }
}
