using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using ConvNet.Cli;
using ConvNet.Serialization;
using ConvNet.Tests.Cli;
using ConvNet.Tests.Data;
using NUnit.Framework;

namespace ConvNet.Tests.Ranks;

/// <summary>The tool on several ranks, started by <c>mpirun</c>.</summary>
public sealed class MpirunTests
{
    private const string Mpirun = "mpirun";

    // Of sums in another order, after two epochs.
    private const float Rounding = 1e-4f;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60), s_bound = TimeSpan.FromSeconds(10);

    private static readonly string s_tool = typeof(App).Assembly.Location;

    private TinyData _data = null!;

    [OneTimeSetUp]
    public void NeedMpi()
    {
        bool isThere = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':')
            .Any(folder => File.Exists(Path.Combine(folder, Mpirun)));
        if (!isThere)
            Assert.Ignore("There is no mpirun. Install Open MPI with eng/setup mpi, and build again.");
        _data = new TinyData();
    }

    [OneTimeTearDown]
    public void DeleteData() => _data?.Dispose();

    [Test]
    public void RanksTrainAsOneProcessAndGiveTheSameBitsOnEveryRun()
    {
        string model = _data.NormalizedModel();
        CommandResult first = Run(model, 3, "--epochs", "2", "--deterministic", "--sync-batchnorm", "--json", "--save",
            _data.File("first"));
        Assert.That(first.ExitCode, Is.Zero, first.Output);
        // The document on standard output comes first, without control sequences of the terminal.
        string output = first.Output.ReplaceLineEndings("\n");
        using var document = JsonDocument.Parse(output.Split("\n}\n")[0] + "\n}");
        JsonElement sums = document.RootElement.GetProperty("allReduce");
        Assert.Multiple(() =>
        {
            Assert.That(document.RootElement.GetProperty("ranks").GetInt32(), Is.EqualTo(3));
            Assert.That(CommandLine.NamesOf(sums), Is.EqualTo("seconds, hiddenShare, bucketBytes"));
            Assert.That(first.Output.Split("epoch 2/2"), Has.Length.EqualTo(2), "one rank prints");
        });
        CommandResult second = Run(model, 3, "--epochs", "2", "--deterministic", "--sync-batchnorm", "--save",
            _data.File("second"));
        Assert.That(second.ExitCode, Is.Zero, second.Output);
        Assert.That(Weights("second"), Is.EqualTo(Weights("first")));
        CommandLine.Run([.. OptionsFor(model), "--epochs", "2", "--save", _data.File("alone")]).Succeeds();
        Assert.That(Weights("first"), Is.EqualTo(Weights("alone")).Within(Rounding));
    }

    [Test]
    public void ATrainingGoesOnWithAnotherNumberOfRanks()
    {
        string folder = _data.File("checkpoints");
        CommandResult first = Run(2, "--epochs", "1", "--checkpoint", folder, "--resume"),
            resumed = Run(3, "--epochs", "2", "--resume", folder, "--save", _data.File("resumed"));
        Assert.That((first.ExitCode, resumed.ExitCode), Is.EqualTo((0, 0)), first.Output + resumed.Output);
        Assert.That(resumed.Output, Does.Contain("resuming at epoch 2 of 2"));
        // Only rank 0 opens the folder.
        CommandResult again = Run(2, "--epochs", "1", "--checkpoint", folder);
        Assert.That(again.ExitCode, Is.Not.Zero);
        Assert.That(again.Output, Does.Contain($"convnet: {folder} contains checkpoints")
            .And.Contain("add --resume").And.Not.Contain("no error").And.Not.Contain("Rank"));
        CommandLine.Run([.. Options, "--epochs", "1", "--checkpoint", _data.File("one")]).Succeeds();
        CommandLine.Run([.. Options, "--epochs", "2", "--resume", _data.File("one"), "--save", _data.File("whole")])
            .Succeeds();
        Assert.That(Weights("resumed"), Is.EqualTo(Weights("whole")).Within(Rounding));
    }

    [TestCase("--seed", "7", "Rank 0: 1. Ranks 1 and 2: 7.")]
    [TestCase("--rank-timeout", "30s", "Rank 0: not given. Ranks 1 and 2: 30s.")]
    public void AWrongSetUpIsOneErrorThatNamesTheRanks(string option, string value, string shown)
    {
        string[] program = ["dotnet", s_tool, .. Options];
        CommandResult result = Repository.Run(_data.Folder, Mpirun, ["--allow-run-as-root", "--oversubscribe",
            "-n", "1", .. program, "--epochs", "1", ":", "-n", "2", .. program, "--epochs", "1", option, value]);
        Assert.That(result.ExitCode, Is.Not.Zero);
        Assert.That(result.Output.Split('\n').Count(line => line.Contains("convnet: ", StringComparison.Ordinal)),
            Is.EqualTo(1), result.Output);
        Assert.That(result.Output, Does.Contain($"convnet: The ranks would train differently: {option} is not the same "
            + $"on all. {shown}"));
    }

    [Test]
    public void RankZeroHasRoomForNoticesToAThousandRanks()
    {
        CommandResult result = Repository.Run(_data.Folder, Mpirun, ["--allow-run-as-root", "-n", "1", "dotnet",
            typeof(ManyNotices).Assembly.Location, Program.Many]);
        Assert.That(result.Output, Does.Contain(ManyNotices.Arrive));
    }

    [Test]
    public void ARankThatRunsButDoesNotComeIsNamed()
    {
        CommandResult result = Repository.Run(_data.Folder, Mpirun, ["--allow-run-as-root", "--oversubscribe",
            "-n", "2", "dotnet", typeof(LateRank).Assembly.Location, Program.Late]);
        Assert.That(result.ExitCode, Is.Not.Zero);
        Assert.That(result.Output, Does.Contain("because rank 1 (process").And.Contain("waited for it for 2 s."));
        CommandLine.Run("train", "--data", _data.Folder, "--model", _data.Model, "--rank-timeout", "0.5s")
            .IsRefusedWith("--rank-timeout", "0.5 s", "1 s");
    }

    [TestCase("KILL")]
    [TestCase("STOP")]
    public void ARankThatEndsOrHangsEndsTheTrainingOfAll(string signal)
    {
        string folder = _data.File($"killed-{signal}");
        using Process mpirun = Start(3, "--epochs", "1000000", "--checkpoint", folder, "--every", "20steps");
        Task<string> output = mpirun.StandardOutput.ReadToEndAsync(), error = mpirun.StandardError.ReadToEndAsync();
        try
        {
            WaitFor(() => Directory.Exists(folder) && Directory.EnumerateFiles(folder, "*.safetensors")
                .Any(file => Path.GetFileName(file) != "best.safetensors"));
            int[] ranks = ChildrenOf(mpirun.Id);
            int victim = ranks.Single(id => VariableOf(id, "OMPI_COMM_WORLD_RANK") == "1");
            var clock = Stopwatch.StartNew();
            using (var kill = Process.Start("kill", [$"-{signal}", victim.ToString(CultureInfo.InvariantCulture)]))
                kill.WaitForExit();
            Assert.That(mpirun.WaitForExit(s_bound), $"still running after {s_bound.TotalSeconds} s");
            string said = output.Result + error.Result;
            Assert.That(mpirun.ExitCode, Is.Not.Zero, said);
            // mpirun may end the other ranks before they can say what has happened. Then it says so itself.
            Assert.That(said, Does.Contain($"rank 1 (process {victim}").Or.Contain("process rank 1 "));
            Assert.That(() => ranks.Any(id => Directory.Exists($"/proc/{id}")), Is.False.After(5_000, 50));
            Assert.That(CheckpointFolder.FindNewest(folder)!.Damaged, Is.Empty);
        }
        finally
        {
            if (!mpirun.HasExited)
                mpirun.Kill(entireProcessTree: true);
        }
    }

    [Test]
    public void ThePredictionOfScaleIsComparedWithRanks()
    {
        JsonElement json = CommandLine.Run("scale", "--model", _data.Model, "--batch", "4", "--nodes", "2", "--check",
            "2", "--json").Json();
        JsonElement check = json.GetProperty("checks")[0];
        Assert.That(CommandLine.NamesOf(check), Is.EqualTo("ranks, processors, bandwidthGbit, latencySeconds, "
            + "aloneSeconds, predictedSeconds, measuredSeconds, error"));
        double predicted = check.GetProperty("predictedSeconds").GetDouble(),
            measured = check.GetProperty("measuredSeconds").GetDouble();
        Assert.That(check.GetProperty("error").GetDouble(), Is.EqualTo((predicted - measured) / measured).Within(1e-9));
        Assert.That(predicted, Is.GreaterThan(check.GetProperty("aloneSeconds").GetDouble()));
    }

    private string[] Options => OptionsFor(_data.Model);

    private string[] OptionsFor(string model) => ["train", "--data", _data.Folder, "--model", model, "--batch", "20",
        "--threads", "1", "--precision", "accurate"];

    private float[] Weights(string file)
        => [.. SafeTensors.Read(_data.File(file)).Tensors.SelectMany(tensor => tensor.Values)];

    private CommandResult Run(int ranks, params string[] options) => Run(_data.Model, ranks, options);

    private CommandResult Run(string model, int ranks, params string[] options)
        => Repository.Run(_data.Folder, Mpirun, Arguments(model, ranks, options));

    private Process Start(int ranks, params string[] options)
        => Process.Start(new ProcessStartInfo(Mpirun, Arguments(_data.Model, ranks, options))
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;

    private string[] Arguments(string model, int ranks, string[] options) => ["--allow-run-as-root",
        "--oversubscribe", "-x", "TERM=xterm", "-n", $"{ranks}", "dotnet", s_tool, .. OptionsFor(model), .. options];

    private static int[] ChildrenOf(int id) => [.. Directory.EnumerateDirectories($"/proc/{id}/task")
        .SelectMany(task => File.ReadAllText(Path.Combine(task, "children")).Split(' ',
            StringSplitOptions.RemoveEmptyEntries)).Select(child => int.Parse(child, CultureInfo.InvariantCulture))];

    private static string? VariableOf(int id, string name) => File.ReadAllText($"/proc/{id}/environ").Split('\0')
        .FirstOrDefault(each => each.StartsWith($"{name}=", StringComparison.Ordinal))?[(name.Length + 1)..];

    private static void WaitFor(Func<bool> condition)
    {
        var clock = Stopwatch.StartNew();
        while (!condition())
        {
            Assert.That(clock.Elapsed, Is.LessThan(s_patience), "it never came to it");
            Thread.Sleep(50);
        }
    }
}
