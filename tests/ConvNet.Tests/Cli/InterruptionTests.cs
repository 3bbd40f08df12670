using System.Diagnostics;
using System.Globalization;
using ConvNet.Cli;
using ConvNet.Serialization;
using NUnit.Framework;

namespace ConvNet.Tests.Cli;

/// <summary>Signals to the tool in a process of its own.</summary>
[Platform("Linux")]
public sealed class InterruptionTests
{
    private const string Terminate = "TERM", Interrupt = "INT";
    private const int TerminateSignal = 15;

    // What would run for minutes; a process that is still there then does not react.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    // One layer of the reference in double: nothing between two steps.
    private static readonly string[] s_whole = ["gradcheck", "--layer", "mb64ic256ih56oc256oh56kh3ph1", "--whole",
        "--mode", "real", "--backends", "managed"];

    private static readonly string[] s_training = ["train", "--backend", "managed", "--data", "digits", "--epochs",
        "1000000", "--save", "model.safetensors", "--report", "page.html"];

    private static readonly string[] s_sweep = ["gradcheck", "--sweep", "1000000", "--backends", "managed", "--log",
        "sweep.jsonl"];

    private static readonly string[] s_bench = ["bench", "--layer", "mb64ic256ih56oc256oh56kh3ph1", "--backends",
        "managed", "--update", "page.md"];

    private static readonly string[] s_compare = ["compare", "--model", "resnet18", "--backends", "managed",
        "--seconds", "3600", "--report", "page.html"];

    private static IEnumerable<TestCaseData> Commands =>
    [
        new TestCaseData(s_whole, Interrupt, 130, "nothing was saved").SetArgDisplayNames("whole", Interrupt),
        new TestCaseData(s_whole, Terminate, 143, "nothing was saved").SetArgDisplayNames("whole", Terminate),
        new TestCaseData(s_training, Interrupt, 130, "saved before: model.safetensors")
            .SetArgDisplayNames("train", Interrupt),
        new TestCaseData(s_training, Terminate, 143, "saved before: model.safetensors")
            .SetArgDisplayNames("train", Terminate),
        new TestCaseData(s_sweep, Terminate, 143, "saved before: sweep.jsonl").SetArgDisplayNames("sweep", Terminate),
        new TestCaseData(s_bench, Interrupt, 130, "nothing was saved").SetArgDisplayNames("bench", Interrupt),
        new TestCaseData(s_bench, Terminate, 143, "nothing was saved").SetArgDisplayNames("bench", Terminate),
        new TestCaseData(s_compare, Terminate, 143, "nothing was saved").SetArgDisplayNames("compare", Terminate),
    ];

    [TestCaseSource(nameof(Commands))]
    public void EveryVerbEndsWithTheCodeOfTheSignalAndSaysWhatWasSaved(string[] words, string signal, int code,
        string saved)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("page.md"), "<!-- bench results -->\n<!-- end -->\n");
        using Tool tool = new(folder.Path, words);
        Process process = tool.Process;
        Task<string> error = process.StandardError.ReadToEndAsync(), output = process.StandardOutput.ReadToEndAsync();
        WaitUntilItListens(process);
        if (words == s_sweep)
            WaitFor(() => File.Exists(folder.File("sweep.jsonl"))
                && File.ReadLines(folder.File("sweep.jsonl")).Count() > 2);
        else if (words == s_training)
            WaitFor(() => File.Exists(folder.File("model.safetensors")));
        else
            Thread.Sleep(TimeSpan.FromSeconds(3));
        if (words == s_bench || words == s_compare)
            WaitFor(() => ChildrenOf(process.Id).Length > 0);
        int[] children = ChildrenOf(process.Id);
        Signal(process.Id, signal);
        Assert.That(process.WaitForExit(s_patience), "the process ends");
        Assert.Multiple(() =>
        {
            Assert.That(process.ExitCode, Is.EqualTo(code), error.Result);
            Assert.That(error.Result, Does.Contain($"convnet: interrupted; {saved}.").And.Not.Contain("   at "));
            Assert.That(output.Result, Does.Not.Contain("interrupted"));
            string[] written = ["page.md", "sweep.jsonl",
                .. words == s_training ? ["model.safetensors"] : (string[])[]];
            Assert.That(Directory.GetFiles(folder.Path).Select(Path.GetFileName), Is.SubsetOf(written));
            Assert.That(File.ReadAllText(folder.File("page.md")), Is.EqualTo("<!-- bench results -->\n<!-- end -->\n"));
        });
        if (words == s_training)
            Assert.That(SavedModel.Load(folder.File("model.safetensors")).Training, Is.Not.Null);
        WaitFor(() => children.All(HasEnded));
    }

    [Test]
    public void TheSecondSignalEndsTheProcessAtOnce()
    {
        using var folder = new TemporaryFolder();
        // A step of the reference that takes minutes.
        File.WriteAllText(folder.File("wide.json"), GraphJson.Write(Sequential.Of(new Shape(1, 8, 8),
            new Conv2d(512, 3, padding: 1), new Conv2d(512, 3, padding: 1), new Flatten(), new Linear(10))));
        using Tool tool = new(folder.Path, ["train", "--backend", "managed", "--data", "digits", "--model", "wide.json",
            "--batch", "1024", "--save", "model.safetensors"]);
        Process process = tool.Process;
        Assert.That(process.StandardOutput.ReadLine(), Is.Not.Null, "it trains");
        TimeSpan before = process.TotalProcessorTime;
        WaitFor(() =>
        {
            process.Refresh();
            return process.TotalProcessorTime - before > TimeSpan.FromSeconds(3);
        });
        Signal(process.Id, Terminate);
        Assert.That(process.StandardError.ReadLine(), Does.Contain("A second signal ends at once, without saving."));
        Signal(process.Id, Terminate);
        Assert.That(process.WaitForExit(s_patience), "the process ends");
        Assert.That(process.ExitCode, Is.EqualTo(143));
        Assert.That(process.StandardError.ReadToEnd(), Is.Empty);
        Assert.That(File.Exists(folder.File("model.safetensors")), Is.False);
    }

    [Test]
    public void WhatWasSavedIsNamed()
    {
        var files = new FilesWritten();
        Assert.That(Interruption.Message(files), Is.EqualTo("convnet: interrupted; nothing was saved."));
        files.Add("a");
        files.Add("b");
        files.Add("a");
        Assert.That(Interruption.Message(files), Is.EqualTo("convnet: interrupted; saved before: a, b."));
        files.Resume = "./convnet train --resume a";
        Assert.That(Interruption.Message(files),
            Is.EqualTo("convnet: interrupted; saved before: a, b.\nTo resume: ./convnet train --resume a"));
    }

    private static void Signal(int process, string signal)
    {
        using var kill = Process.Start("kill", [$"-{signal}", process.ToString(CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
        Assert.That(kill.ExitCode, Is.Zero);
    }

    // The mask of the signals that the process catches: the tool listens once that of SIGTERM is in it.
    private static void WaitUntilItListens(Process process) => WaitFor(() =>
    {
        string? caught = File.ReadLines($"/proc/{process.Id}/status")
            .FirstOrDefault(line => line.StartsWith("SigCgt:", StringComparison.Ordinal));
        return caught is not null
            && (ulong.Parse(caught["SigCgt:".Length..].Trim(), NumberStyles.HexNumber,
            CultureInfo.InvariantCulture) >> (TerminateSignal - 1) & 1) == 1;
    });

    private static void WaitFor(Func<bool> condition)
    {
        var clock = Stopwatch.StartNew();
        while (!condition())
        {
            Assert.That(clock.Elapsed, Is.LessThan(s_patience), "it never came to it");
            Thread.Sleep(20);
        }
    }

    private static int[] ChildrenOf(int process)
        => [.. File.ReadAllText($"/proc/{process}/task/{process}/children")
        .Split(' ', StringSplitOptions.RemoveEmptyEntries)
        .Select(id => int.Parse(id, CultureInfo.InvariantCulture))];

    // Gone, or a zombie that nobody waits for.
    private static bool HasEnded(int process)
    {
        try
        {
            return File.ReadAllText($"/proc/{process}/stat").Split(") ")[1][0] is 'Z' or 'X';
        }
        catch (IOException)
        {
            return true;
        }
    }

    /// <summary>The tool in a process of its own, which ends with the test.</summary>
    private sealed class Tool : IDisposable
    {
        public Tool(string folder, string[] words)
        {
            // A shell gives what it runs in the background an ignored SIGINT, which would be handed on to here.
            string[] program = ["--default-signal=INT", "dotnet", "exec", typeof(App).Assembly.Location];
            Process = Process.Start(new ProcessStartInfo("env", [.. program, .. words])
            {
                WorkingDirectory = folder,
                RedirectStandardError = true,
                RedirectStandardOutput = true,
            })!;
        }

        public Process Process { get; }

        public void Dispose()
        {
            if (!Process.HasExited)
                Process.Kill(entireProcessTree: true);
            Process.Dispose();
        }
    }
}
