using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace ConvNet.Serialization;

/// <summary>Everything that decides what the next training step computes, under names alike on every backend.</summary>
/// <remarks>
/// <see cref="IExecutable.SaveState"/> gives it and <see cref="IExecutable.LoadState"/> takes it, also on another
/// backend. A run that goes on from it computes what it would have without a break: bit for bit on the same backend
/// with the same instruction set and precision. What it does not hold are arguments: the graph, the
/// <see cref="TrainingSpec"/> with its seed, the batches, the learning rates, and the
/// <see cref="IExecutable.SampleOffset"/>, so that executables which share a batch load one state. Tensors are the
/// parameters and buffers under their names, as <c>conv1.weight</c>, and the optimiser's state as
/// <c>conv1.weight/momentum_buffer</c>; that of a parameter which was frozen from the start is zero.
/// </remarks>
/// <param name="Step">Steps made.</param>
/// <param name="Pass">The number of the next training pass, which keys its random masks.</param>
/// <param name="Tensors">Parameters, buffers and the optimiser's state.</param>
public sealed record TrainingState(long Step, long Pass, IReadOnlyList<NamedTensor> Tensors)
{
    private const string StepKey = "step", PassKey = "pass", FrozenKey = "frozen";

    /// <summary>The names of the frozen parameters; an executable that loads the state freezes these and no
    /// others.</summary>
    public IReadOnlyList<string> Frozen { get; init; } = [];

    /// <summary>The name of a parameter's state.</summary>
    /// <param name="parameter">The parameter.</param>
    /// <param name="state">One of <see cref="Optimizer.StateNames"/>.</param>
    public static string NameOf(Parameter parameter, string state)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        return $"{parameter.Name}/{state}";
    }

    /// <summary>Writes it as a safetensors file: whole or not at all.</summary>
    /// <inheritdoc cref="SafeTensors.Write(string)"/>
    public void Write(string path)
        => new SafeTensors(new Dictionary<string, string>(Metadata(Step, Pass, Frozen)), Tensors).Write(path);

    /// <summary>Reads what <see cref="Write"/> has written.</summary>
    /// <inheritdoc cref="SafeTensors.Read(string)"/>
    public static TrainingState Read(string path)
    {
        SafeTensors file = SafeTensors.Read(path);
        return Of(file.Metadata, file.Tensors, path);
    }

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(TrainingState), (nameof(Step), Step),
        (nameof(Pass), Pass), (nameof(Frozen), Frozen), (nameof(Tensors), Tensors));

    // A file from before parameters could be frozen has no such list.
    private static string[] Names(IReadOnlyDictionary<string, string> metadata, string key, string path)
    {
        if (!metadata.TryGetValue(key, out string? text))
            return [];
        try
        {
            return [.. JsonNode.Parse(text)!.AsArray().Select(name => name!.GetValue<string>())];
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or NullReferenceException)
        {
            throw new InvalidDataException(
                $"{path}: \"{key}\" is \"{Excerpt.Of(text)}\"; it is a JSON array of names.", error);
        }
    }

    /// <summary>The counters and the names of frozen parameters as a file has them.</summary>
    internal static IEnumerable<KeyValuePair<string, string>> Metadata(long step, long pass,
        IEnumerable<string> frozen) =>
    [
        new(StepKey, step.ToString(CultureInfo.InvariantCulture)),
        new(PassKey, pass.ToString(CultureInfo.InvariantCulture)),
        new(FrozenKey, new JsonArray([.. frozen.Select(name => JsonValue.Create(name))]).ToJsonString()),
    ];

    /// <summary>The state of a file.</summary>
    /// <exception cref="InvalidDataException">A counter is missing or is none.</exception>
    internal static TrainingState Of(IReadOnlyDictionary<string, string> metadata, IReadOnlyList<NamedTensor> tensors,
        string path)
        => new(Number(metadata, StepKey, path), Number(metadata, PassKey, path), tensors)
        {
            Frozen = Names(metadata, FrozenKey, path),
        };

    private static long Number(IReadOnlyDictionary<string, string> metadata, string key, string path)
    {
        if (!metadata.TryGetValue(key, out string? text))
            throw new InvalidDataException($"{path}: its metadata has no \"{key}\"; it is no training state.");
        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long number)
            ? number
            : throw new InvalidDataException(
                $"{path}: \"{key}\" is \"{Excerpt.Of(text)}\"; it is a whole number from 0.");
    }
}
