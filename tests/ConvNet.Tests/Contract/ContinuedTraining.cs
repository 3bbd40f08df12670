using System.Globalization;
using ConvNet.Serialization;
using static ConvNet.Tests.Contract.SmallTraining;

namespace ConvNet.Tests.Contract;

/// <summary>A training that stops after some steps and goes on in another process.</summary>
internal static class ContinuedTraining
{
    /// <summary>A network with dropout and batch normalisation, trained by Adam.</summary>
    public static IExecutable Compile(IBackend backend)
    {
        Graph graph = Sequential.Of(new Shape(2, 6, 5), new Conv2d(17, 3, padding: 1), new BatchNorm2d(), new Relu(),
            new Dropout(0.25f), new Conv2d(17, 3, groups: 17), new BatchNorm2d(), new Flatten(), new Dropout(0.5f),
            new Linear(3));
        var optimizer = new Adam(weightDecay: 1e-3f) { Groups = [new("*.bias") { LearningRateFactor = 2 }] };
        IExecutable net = backend.Compile(graph, Spec(optimizer));
        // As the second of two that share a batch.
        net.SampleOffset = Batch;
        return net;
    }

    /// <summary>Makes some steps. One in three clips its gradients; after the first of these, a layer is
    /// frozen.</summary>
    public static void Run(IExecutable net, int from, int to) => SmallTraining.Run(net, from, to, () =>
    {
        net.ClipGradientNorm(0.5f);
        net.Step(Rate);
        net.Freeze("conv1.*", "bn1.*");
    });

    /// <summary>Goes on in a new process.</summary>
    /// <returns>The state at the end.</returns>
    public static TrainingState InNewProcess(string backend, TrainingState state, int from, int to)
    {
        using var folder = new TemporaryFolder();
        string begin = Path.Combine(folder.Path, "begin.safetensors"),
            end = Path.Combine(folder.Path, "end.safetensors");
        state.Write(begin);
        CommandResult result = Repository.Run(Repository.Root, "dotnet", ["exec",
            typeof(ContinuedTraining).Assembly.Location, Program.Continue, backend, begin, $"{from}", $"{to}", end]);
        return result.ExitCode == 0 ? TrainingState.Read(end) : throw new InvalidOperationException(result.Output);
    }

    /// <summary>What the new process does: loads a state, makes some steps and saves.</summary>
    public static void Continue(string[] words)
    {
        (string name, string begin, string end) = (words[0], words[1], words[4]);
        int from = int.Parse(words[2], CultureInfo.InvariantCulture), to = int.Parse(words[3],
            CultureInfo.InvariantCulture);
        using IBackend backend = Backends.All.Concat(Backends.Shared).Single(each => each.Name == name)
            .Open(threads: 1);
        using IExecutable net = Compile(backend);
        net.LoadState(TrainingState.Read(begin));
        Run(net, from, to);
        net.SaveState().Write(end);
    }
}
