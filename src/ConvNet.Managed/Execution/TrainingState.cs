using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace ConvNet.Serialization;

/// <summary>Everything that determines the result of the next training step, with the same names on every
/// backend.</summary>
/// <remarks>
/// <see cref="IExecutable.SaveState"/> creates a state and <see cref="IExecutable.LoadState"/> restores it, also on
/// another backend. A resumed run computes the same results as an uninterrupted one; they are bitwise identical on the
/// same backend with the same instruction set and precision. The state does not contain the arguments of a training:
/// the graph, the <see cref="TrainingSpec"/> with its seed, the batches, the learning rates, and the
/// <see cref="IExecutable.SampleOffset"/>. Executables that share a batch therefore load the same state. The tensors
/// are the parameters and buffers under their names, such as <c>conv1.weight</c>, and the optimiser's state under names
/// such as <c>conv1.weight/momentum_buffer</c>. The state of a parameter that has never been trained is zero.
/// </remarks>
/// <param name="Step">The number of steps made.</param>
/// <param name="Pass">The index of the next training pass, which keys its random masks.</param>
/// <param name="Tensors">The parameters, the buffers and the optimiser's state.</param>
public sealed record TrainingState(long Step, long Pass, IReadOnlyList<NamedTensor> Tensors)
{
    private const string StepKey = "step", PassKey = "pass", FrozenKey = "frozen";

    /// <summary>The names of the frozen parameters. An executable that loads the state freezes exactly these
    /// parameters.</summary>
    public IReadOnlyList<string> Frozen { get; init; } = [];

    /// <summary>Gets the name of a component of the optimiser's state of a parameter.</summary>
    /// <param name="parameter">The parameter.</param>
    /// <param name="state">One of <see cref="Optimizer.StateNames"/>.</param>
    /// <exception cref="ArgumentNullException"><paramref name="parameter"/> is null.</exception>
    public static string NameOf(Parameter parameter, string state)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        return $"{parameter.Name}/{state}";
    }

    /// <summary>Writes the state to a safetensors file. The file is written completely or not at all.</summary>
    /// <inheritdoc cref="SafeTensors.Write(string)"/>
    public void Write(string path)
        => new SafeTensors(new Dictionary<string, string>(Metadata(Step, Pass, Frozen)), Tensors).Write(path);

    /// <summary>Reads a state written by <see cref="Write"/>.</summary>
    /// <inheritdoc cref="SafeTensors.Read(string)"/>
    public static TrainingState Read(string path)
    {
        SafeTensors file = SafeTensors.Read(path);
        return Of(file.Metadata, file.Tensors, path);
    }

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(TrainingState), (nameof(Step), Step),
        (nameof(Pass), Pass), (nameof(Frozen), Frozen), (nameof(Tensors), Tensors));

    // Files written before parameters could be frozen have no such list.
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
                $"{path}: \"{key}\" is \"{Excerpt.Of(text)}\"; it must be a JSON array of names.", error);
        }
    }

    /// <summary>Formats the counters and the names of the frozen parameters as the metadata of a file.</summary>
    internal static IEnumerable<KeyValuePair<string, string>> Metadata(long step, long pass,
        IEnumerable<string> frozen) =>
    [
        new(StepKey, step.ToString(CultureInfo.InvariantCulture)),
        new(PassKey, pass.ToString(CultureInfo.InvariantCulture)),
        new(FrozenKey, new JsonArray([.. frozen.Select(name => JsonValue.Create(name))]).ToJsonString()),
    ];

    /// <summary>Creates the state from the contents of a file.</summary>
    /// <exception cref="InvalidDataException">A counter is missing or invalid.</exception>
    internal static TrainingState Of(IReadOnlyDictionary<string, string> metadata, IReadOnlyList<NamedTensor> tensors,
        string path)
        => new(Number(metadata, StepKey, path), Number(metadata, PassKey, path), tensors)
        {
            Frozen = Names(metadata, FrozenKey, path),
        };

    private static long Number(IReadOnlyDictionary<string, string> metadata, string key, string path)
    {
        if (!metadata.TryGetValue(key, out string? text))
            throw new InvalidDataException($"{path} is not a training state: its metadata has no \"{key}\".");
        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long number)
            ? number
            : throw new InvalidDataException(
                $"{path}: \"{key}\" is \"{Excerpt.Of(text)}\"; it must be a whole number of at least 0.");
    }
}
