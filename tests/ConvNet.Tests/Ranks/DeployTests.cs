using ConvNet.Cli;
using NUnit.Framework;
using YamlDotNet.RepresentationModel;

namespace ConvNet.Tests.Ranks;

/// <summary>The files of deploy/, as far as they can be checked where their engines are not at hand.</summary>
public sealed class DeployTests
{
    private static readonly string[] s_instructions = ["ARG", "FROM", "RUN", "COPY", "WORKDIR", "ENV", "USER", "CMD"],
        s_batchOptions = ["job-name", "nodes", "ntasks-per-node", "exclusive", "time", "signal", "requeue",
            "open-mode"];

    [Test]
    public void TheBatchScriptGivesSrunACommandThatTheToolAccepts()
    {
        string script = Repository.Path("deploy", "slurm", "train.sbatch");
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("srun"), "#!/bin/sh\nprintf '%s\\n' $SLURM_PMIX_FENCE \"$@\"\n");
        Repository.Run(folder.Path, "chmod", ["+x", "srun"]);
        CommandResult result = Repository.Run(folder.Path, "bash", [script, "--data", "digits", "--epochs", "2"],
            new Dictionary<string, string?>
            {
                ["PATH"] = $"{folder.Path}:{Environment.GetEnvironmentVariable("PATH")}",
            });
        Assert.That(result.ExitCode, Is.Zero, result.Output);
        string[] words = result.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.That(words.Take(4), Is.EqualTo(["ring", "--mpi=pmix", "--kill-on-bad-exit=1", "convnet"]));
        Accepts(words[4..]);
        const string Option = "#SBATCH --";
        string[] options = [.. File.ReadLines(script).Where(line => line.StartsWith(Option, StringComparison.Ordinal))
            .Select(line => line[Option.Length..].Split('=')[0])];
        Assert.That(options, Is.EquivalentTo(s_batchOptions));
    }

    [Test]
    public void TheMpiJobIsOneOfV2Beta1()
    {
        var job = (YamlMappingNode)Read("kubernetes", "mpijob.yaml");
        Assert.Multiple(() =>
        {
            Assert.That(Text(job, "apiVersion"), Is.EqualTo("kubeflow.org/v2beta1"));
            Assert.That(Text(job, "kind"), Is.EqualTo("MPIJob"));
            Assert.That(Text(job, "metadata", "name"), Is.EqualTo("convnet"));
            Assert.That(Keys(At(job, "spec")), Is.EquivalentTo(["slotsPerWorker", "sshAuthMountPath",
                "mpiImplementation", "launcherCreationPolicy", "runPolicy", "mpiReplicaSpecs"]));
            Assert.That(Keys(At(job, "spec", "runPolicy")), Is.EquivalentTo(["cleanPodPolicy", "backoffLimit"]));
            Assert.That(Text(job, "spec", "mpiImplementation"), Is.EqualTo("OpenMPI"));
        });
        foreach (string role in (string[])["Launcher", "Worker"])
        {
            YamlNode replica = At(job, "spec", "mpiReplicaSpecs", role), pod = At(replica, "template", "spec");
            YamlNode container = ((YamlSequenceNode)At(pod, "containers")).Single();
            Assert.That(Keys(container), Is.SupersetOf(["name", "image", "command", "args", "volumeMounts"]));
            Assert.That(Text(pod, "securityContext", "fsGroup"), Is.EqualTo(Text(container, "securityContext",
                "runAsUser")), "the user must be able to write checkpoints");
            // Each volume that a container mounts is one of its pod.
            Assert.That(((YamlSequenceNode)At(container, "volumeMounts")).Select(mount => Text(mount, "name")),
                Is.SubsetOf(((YamlSequenceNode)At(pod, "volumes")).Select(volume => Text(volume, "name"))));
        }
        string[] words = [.. ((YamlSequenceNode)At(((YamlSequenceNode)At(job, "spec", "mpiReplicaSpecs", "Launcher",
            "template", "spec", "containers")).Single(), "args")).Select(word => ((YamlScalarNode)word).Value!)];
        Assert.That(words[1], Is.EqualTo(Text(job, "spec", "mpiReplicaSpecs", "Worker", "replicas")), "ranks");
        Accepts(words[3..]);
    }

    [Test]
    public void TheComposeFileHasFourContainers()
    {
        var file = (YamlMappingNode)Read("compose", "compose.yaml");
        Assert.That(Keys(At(file, "services")), Is.EqualTo(["rank0", "rank1", "rank2", "rank3"]));
        string command = ((YamlScalarNode)((YamlSequenceNode)At(file, "services", "rank0", "command"))[2]).Value!;
        Assert.That(command, Does.Contain("mpirun --host rank0,rank1,rank2,rank3 -n 4 convnet train "));
        Accepts(command[(command.IndexOf("convnet ", StringComparison.Ordinal) + "convnet ".Length)..].Split(' '));
        CommandResult syntax = Repository.Run(Repository.Root, "sh", ["-n", "-c", command]);
        Assert.That(syntax.ExitCode, Is.Zero, syntax.Output);
    }

    [Test]
    public void TheDockerfileBuildsWhatIsThere()
    {
        string text = File.ReadAllText(Repository.Path("deploy", "Dockerfile")).Replace("\\\n", "");
        string[] lines = [.. text.Split('\n').Where(line => line.Length > 0 && line[0] != '#')];
        Assert.That(lines.Select(line => line.Split(' ')[0]).Distinct(), Is.SubsetOf(s_instructions));
        Assert.That(lines, Has.Some.StartsWith("RUN dotnet publish src/ConvNet.Cli "));
        Assert.That(lines, Has.Some.EqualTo("COPY --from=build /convnet /opt/convnet"));
        Assert.That(text, Does.Contain("exec dotnet /opt/convnet/convnet.dll"));
        foreach (string run in lines.Where(line => line.StartsWith("RUN ", StringComparison.Ordinal)))
        {
            CommandResult syntax = Repository.Run(Repository.Root, "sh", ["-n", "-c", run["RUN ".Length..]]);
            Assert.That(syntax.ExitCode, Is.Zero, syntax.Output);
        }
    }

    private static void Accepts(string[] words)
        => Assert.That(App.Describe().Parse(words).Errors.Select(error => error.Message), Is.Empty);

    private static YamlNode Read(params string[] path)
    {
        var stream = new YamlStream();
        using StreamReader reader = File.OpenText(Repository.Path(["deploy", .. path]));
        stream.Load(reader);
        return stream.Documents.Single().RootNode;
    }

    private static YamlNode At(YamlNode node, params string[] path)
        => path.Aggregate(node, (at, key) => ((YamlMappingNode)at).Children[key]);

    private static string Text(YamlNode node, params string[] path) => ((YamlScalarNode)At(node, path)).Value!;

    private static IEnumerable<string> Keys(YamlNode node)
        => ((YamlMappingNode)node).Children.Keys.Select(key => ((YamlScalarNode)key).Value!);
}
