using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using ConvNet.Data;
using ConvNet.Serialization;

namespace ConvNet.Cli.Ranks;

/// <summary>What must be the same on all ranks of a training.</summary>
internal static class TrainingFacts
{
    // Samples that are compared, spread over a data set.
    private const int MostSamples = 64, ShownHash = 12;

    /// <summary>Returns the facts of a training that is ready to begin.</summary>
    /// <param name="backend">What this rank runs on.</param>
    /// <param name="network">The network with its initial state.</param>
    /// <param name="training">The training.</param>
    /// <param name="train">The loader of the training images.</param>
    /// <param name="test">The loader of the test images.</param>
    public static IReadOnlyList<KeyValuePair<string, string>> Of(BackendInfo backend, IExecutable network,
        SavedTraining training, DataLoader train, DataLoader test) =>
    [
        new("the version of the program", typeof(TrainingFacts).Assembly
            .GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion),
        .. Options(training.Recipe),
        new("the network", HashOf(Encoding.UTF8.GetBytes(GraphJson.Write(network.Graph)))),
        new("where the training begins", training.Progress.Position.ToString()),
        new("the state of the network", StateOf(network)),
        new("the backend", $"{backend.Name} {backend.Version}, {backend.Isa}, {backend.Precision}"),
        new("the training images", ImagesOf(train)),
        new("the test images", ImagesOf(test)),
    ];

    private static IEnumerable<KeyValuePair<string, string>> Options(string? recipe)
        => JsonNode.Parse(recipe ?? "{}")!.AsObject().Select(option
            => new KeyValuePair<string, string>($"--{option.Key}", option.Value!.ToString()));

    private static string StateOf(IExecutable network)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        TrainingState state = network.SaveState();
        foreach (NamedTensor tensor in state.Tensors)
            hash.AppendData(MemoryMarshal.AsBytes(tensor.Values.AsSpan()));
        return string.Create(CultureInfo.InvariantCulture, $"{state.Step} steps, ") + Shown(hash.GetHashAndReset());
    }

    private static string ImagesOf(DataLoader loader)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        int count = loader.Dataset.Count, compared = Math.Min(count, MostSamples);
        for (int i = 0; i < compared; i++)
        {
            SampleMemory sample = loader.SampleOf((int)((long)i * count / compared));
            for (int input = 0; input < loader.InputShapes.Count; input++)
                hash.AppendData(MemoryMarshal.AsBytes(sample.Input(input, 0)));
            for (int target = 0; target < loader.Targets.Count; target++)
            {
                hash.AppendData(MemoryMarshal.AsBytes(sample.Classes(target, 0)));
                hash.AppendData(MemoryMarshal.AsBytes(sample.Values(target, 0)));
            }
        }
        return string.Create(CultureInfo.InvariantCulture, $"{count:N0}, ") + Shown(hash.GetHashAndReset());
    }

    private static string HashOf(byte[] bytes) => Shown(SHA256.HashData(bytes));

    private static string Shown(byte[] hash) => $"checksum {Convert.ToHexStringLower(hash)[..ShownHash]}";
}
