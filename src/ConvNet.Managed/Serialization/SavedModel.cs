using ConvNet.Data;
using ConvNet.Training;

namespace ConvNet.Serialization;

/// <summary>A trained network in a file: the graph, the values of all parameters and buffers, and the normalisation of
/// its images. Optionally, the file also contains everything needed to resume training.</summary>
/// <remarks>
/// The file is a safetensors file of <see cref="SafeTensors"/>. Its metadata contains <c>graph</c>
/// (<see cref="GraphJson"/>), <c>normalization</c>
/// (<c>{"maxValue": 255, "mean": [0.286], "standardDeviation": [0.353]}</c>), and <c>checksum</c>, the SHA-256 of the
/// whole file with zeros as its digits, which is verified on loading; and <c>classes</c>
/// (<c>{"names": ["cat", "dog"]}</c>), if the names of the classes are known. To resume training, it also contains
/// <c>training</c> (<see cref="SavedTraining"/>), and the counters and the optimiser's state in the form of a
/// <see cref="TrainingState"/>, and the averages of the weights under names such as <c>conv1.weight/average</c>.
/// </remarks>
public sealed class SavedModel
{
    private const string Content = "the trained model";

    // Files of the current format have a checksum.
    private const string FormatKey = "format", Format = "convnet/2";

    /// <summary>The entry of the metadata that a saved model has.</summary>
    internal const string GraphKey = "graph";

    private readonly Dictionary<string, float[]> _values;
    private readonly TrainingState? _state;
    private IReadOnlyList<NamedTensor> _averages = [];

    private SavedModel(Graph graph, Normalization? normalization, SavedTraining? training, TrainingState? state,
        Dictionary<string, float[]> values)
    {
        (Graph, Normalization, Training, _state, _values) = (graph, normalization, training, state, values);
    }

    /// <summary>The graph.</summary>
    public Graph Graph { get; }

    /// <summary>The normalisation of the images; null if the file has none.</summary>
    public Normalization? Normalization { get; }

    /// <summary>The names of the classes, in the order of the channels of the only output; empty if the file has
    /// none.</summary>
    public IReadOnlyList<string> ClassNames { get; private init; } = [];

    /// <summary>The training to resume; null if the file contains only the model.</summary>
    public SavedTraining? Training { get; }

    /// <summary>The names of the parameters that are frozen in the training to resume.</summary>
    internal IReadOnlyList<string> Frozen => _state?.Frozen ?? [];

    /// <summary>Saves the graph and the parameters of an executable. The file is replaced as a whole or not at
    /// all.</summary>
    /// <param name="path">The path of the file. An existing file is replaced and keeps its mode.</param>
    /// <param name="executable">The executable to save.</param>
    /// <param name="normalization">The normalisation of the images, to be stored in the file; null for none.</param>
    /// <param name="allowNonFinite">
    /// Whether NaN and infinite values may be saved.
    /// <see cref="Load(string, bool, LayerSet?, TrainingKinds?)"/> reads them only if its argument is true too.
    /// </param>
    /// <param name="training">The training, if it is to be resumed from the file. The state of the executable is then
    /// saved too, and saving needs memory for a copy of that state.</param>
    /// <param name="averages">The averages of the weights; required if the training averages them.</param>
    /// <param name="classNames">The names of the classes, one for each channel of the only output; null for
    /// those of the training, if there is one.</param>
    /// <exception cref="ArgumentNullException"><paramref name="executable"/> is null.</exception>
    /// <exception cref="InvalidDataException">A value is NaN or infinite; an existing file is unchanged.</exception>
    /// <exception cref="ArgumentException">The training spec of the executable differs from that of the training, or
    /// its averages are missing, or the names of the classes do not fit the outputs.</exception>
    /// <exception cref="NotSupportedException">
    /// A layer of the graph or a part of the training has no JSON form, or the JSON is too large for the header of the
    /// file.
    /// </exception>
    /// <exception cref="IOException">The file cannot be written; an existing file is unchanged.</exception>
    /// <exception cref="UnauthorizedAccessException">There is no permission to write to the folder or file.</exception>
    public static void Save(string path, IExecutable executable, Normalization? normalization = null,
        bool allowNonFinite = false, SavedTraining? training = null, AveragedWeights? averages = null,
        IReadOnlyList<string>? classNames = null)
    {
        ArgumentNullException.ThrowIfNull(executable);
        IReadOnlyList<string> classes = classNames ?? training?.ClassNames ?? [];
        if (ClassNamesJson.Mismatch(executable.Graph, classes) is { } mismatch)
            throw new ArgumentException(mismatch, nameof(classNames));
        if (training?.Options.Averaging is not null && averages is null)
            throw new ArgumentException("The training averages the weights. Pass the averages of its trainer.",
                nameof(averages));
        if (training is not null && !training.Spec.Equals(executable.Spec))
            throw new ArgumentException("The training has another spec than the executable. Use that of the "
                + "executable.",
                nameof(training));
        Graph graph = executable.Graph;
        TrainingState? state = training is null ? null : executable.SaveState();
        byte[] header = Header(graph, normalization, training, state?.Step ?? 0, state?.Pass ?? 0,
            state?.Frozen ?? [], classes);
        AtomicFile.Probe(path, Content);
        var buffer = new float[state is null ? graph.Parameters.Select(p => p.Length).DefaultIfEmpty().Max() : 0];
        ReadOnlyMemory<float> ValuesOf(Parameter parameter)
        {
            executable.Read(parameter, buffer.AsSpan(0, parameter.Length));
            return buffer.AsMemory(0, parameter.Length);
        }
        IEnumerable<(string Name, ReadOnlyMemory<float> Values)> tensors = state is null
            ? graph.Parameters.Select(parameter => ($"{parameter}", ValuesOf(parameter)))
            : state.Tensors.Concat(training!.Options.Averaging is null ? [] : averages!.Save())
                .Select(tensor => (NameOf(tensor), (ReadOnlyMemory<float>)tensor.Values));
        foreach ((string name, ReadOnlyMemory<float> values) in allowNonFinite ? [] : tensors)
        {
            if (Floats.IndexOfNonFinite(values.Span) is >= 0 and var bad)
                throw new InvalidDataException(
                    $"{path} was not written, because the training has failed: {Excerpt.Of(name)} has "
                    + $"{values.Span[bad]} at index {bad:N0}. To save the model nevertheless, call Save with "
                    + $"{nameof(allowNonFinite)}: true.");
        }
        SafeTensors.Write(path, Content, header, Count(graph, training), tensors.Select(tensor => tensor.Values));
    }

    /// <summary>Creates the model of a file of another kind.</summary>
    internal static SavedModel Of(Graph graph, Normalization? normalization, IReadOnlyList<string> classNames,
        Func<Parameter, float[]> valuesOf)
        => new(graph, normalization, null, null, graph.Parameters.ToDictionary(parameter => parameter.Name, valuesOf,
            StringComparer.Ordinal))
        {
            ClassNames = classNames,
        };

    /// <summary>Throws if <see cref="Save"/> could not write to a path. Call it before a long training.</summary>
    /// <exception cref="ArgumentNullException"><paramref name="path"/> is null.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">There is no permission to write to the folder or file.</exception>
    /// <exception cref="ArgumentException">The path is empty.</exception>
    public static void CheckPath(string path) => AtomicFile.Probe(path, Content);

    /// <summary>
    /// Throws if <see cref="Save"/> could not write this graph to a path. Call it before a long training.
    /// </summary>
    /// <param name="path">The path of the file.</param>
    /// <param name="graph">The graph.</param>
    /// <param name="normalization">The normalisation of the images.</param>
    /// <param name="training">The training, if it is to be resumed from the file.</param>
    /// <exception cref="ArgumentNullException"><paramref name="graph"/> is null.</exception>
    /// <exception cref="NotSupportedException">
    /// A layer of the graph or a part of the training has no JSON form, or the JSON is too large for the header of the
    /// file.
    /// </exception>
    /// <exception cref="IOException">The file cannot be written, or the disk has too little space.</exception>
    /// <exception cref="UnauthorizedAccessException">There is no permission to write to the folder or file.</exception>
    /// <exception cref="ArgumentException">The path is empty.</exception>
    public static void CheckPath(string path, Graph graph, Normalization? normalization = null,
        SavedTraining? training = null)
        => CheckPath(path, graph, normalization, training, files: 1);

    /// <summary>Throws if <see cref="Save"/> could not write a number of such files.</summary>
    internal static void CheckPath(string path, Graph graph, Normalization? normalization, SavedTraining? training,
        int files)
    {
        ArgumentNullException.ThrowIfNull(graph);
        long bytes = SafeTensors.FileBytes(Header(graph, normalization, training, long.MaxValue, long.MaxValue,
            graph.Parameters.Where(p => p.Trainable).Select(p => p.Name), training?.ClassNames ?? []),
            Count(graph, training));
        AtomicFile.Probe(path, files == 1 ? Content : $"{files} files of the training", files * bytes);
    }

    /// <summary>Loads a file. Everything is validated: lengths, offsets, shapes against the graph, and that all values
    /// are finite.</summary>
    /// <param name="path">The path of the file.</param>
    /// <param name="allowNonFinite">Whether NaN and infinite values are accepted.</param>
    /// <param name="layers">The recognised layers; by default those of this library.</param>
    /// <param name="kinds">The recognised parts of a training; by default those of this library.</param>
    /// <exception cref="ArgumentNullException"><paramref name="path"/> is null.</exception>
    /// <exception cref="InvalidDataException">The file is damaged or has other content; the message gives the
    /// reason.</exception>
    /// <exception cref="IOException">The file cannot be read, or is not a regular file.</exception>
    /// <exception cref="ArgumentException">The path is empty.</exception>
    /// <exception cref="UnauthorizedAccessException">There is no permission to read the file.</exception>
    public static SavedModel Load(string path, bool allowNonFinite = false, LayerSet? layers = null,
        TrainingKinds? kinds = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        using FileStream file = InputFile.Open(path);
        return Load(file, path, allowNonFinite, layers, kinds);
    }

    /// <summary>Loads from an open file.</summary>
    internal static SavedModel Load(Stream file, string path, bool allowNonFinite = false, LayerSet? layers = null,
        TrainingKinds? kinds = null)
    {
        SafeTensorsHeader header = SafeTensors.ReadHeader(file, path);
        SavedModelDescription described = Describe(header, path, layers, kinds);
        (Graph graph, SavedTraining? training) = (described.Graph, described.Training);
        var values = new Dictionary<string, float[]>(StringComparer.Ordinal);
        foreach (TensorEntry entry in header.Tensors)
        {
            if (!entry.Type.IsReal())
                throw new InvalidDataException($"{path}: {Excerpt.Of(entry.Name)} has whole numbers ({entry.Type}); "
                    + "a saved model has real ones only. The file is damaged.");
            float[] read = SafeTensors.ReadValues(file, entry);
            if (!allowNonFinite && Floats.IndexOfNonFinite(read) is >= 0 and var bad)
                throw new InvalidDataException(
                    $"{path}: {Excerpt.Of(entry.Name)} ({Excerpt.OfSizes(entry.Dimensions)}) has {read[bad]} at "
                        + $"index {bad:N0}, because its training has failed. To load the model nevertheless, call "
                        + $"Load with {nameof(allowNonFinite)}: true.");
            values[entry.Name] = read;
        }
        HashSet<string> averages = training?.Options.Averaging is null ? []
            : [.. graph.Parameters.Select(AveragedWeights.NameOf)];
        ILookup<bool, NamedTensor> tensors = header.Tensors
            .Select(entry => new NamedTensor(entry.Name, entry.Dimensions, values[entry.Name]))
            .ToLookup(tensor => averages.Contains(tensor.Name));
        TrainingState? state = training is null ? null
            : TrainingState.Of(header.Metadata, [.. tensors[false]], path);
        return new SavedModel(graph, described.Normalization, training, state, values)
        {
            _averages = [.. tensors[true]],
            ClassNames = described.ClassNames,
        };
    }

    /// <summary>Reads everything but the values.</summary>
    /// <param name="header">The header of the file.</param>
    /// <param name="path">The path of the file, for error messages.</param>
    /// <param name="layers">The recognised layers; by default those of this library.</param>
    /// <param name="kinds">The recognised parts of a training; by default those of this library.</param>
    /// <exception cref="InvalidDataException">The file is damaged or has other content.</exception>
    internal static SavedModelDescription Describe(SafeTensorsHeader header, string path, LayerSet? layers = null,
        TrainingKinds? kinds = null)
    {
        if (header.Metadata.GetValueOrDefault(FormatKey) == Format && !header.Metadata.ContainsKey(ContentChecksum.Key))
            throw new InvalidDataException($"{path}: its metadata has the format {Format} but no "
                + $"\"{ContentChecksum.Key}\". The file is damaged.");
        if (!header.Metadata.TryGetValue(GraphKey, out string? json))
            throw new InvalidDataException($"{path} is not a saved model: its metadata has no \"{GraphKey}\". "
                + "A file of weights alone needs its network: convnet import FILE --model NETWORK --save MODEL, or "
                + $"{nameof(WeightFile)} in a program.");
        Graph graph = GraphJson.Read(json, $"{path}, {GraphKey}", layers);
        Normalization? normalization = header.Metadata.TryGetValue(NormalizationJson.Key, out string? text)
            ? NormalizationJson.Read(text, $"{path}, {NormalizationJson.Key}") : null;
        IReadOnlyList<string> classNames = header.Metadata.TryGetValue(ClassNamesJson.Key, out string? names)
            ? ClassNamesJson.Read(names, $"{path}, {ClassNamesJson.Key}", graph) : [];
        SavedTraining? training = header.Metadata.TryGetValue(TrainingJson.Key, out string? trained)
            ? TrainingJson.Read(trained, $"{path}, {TrainingJson.Key}", normalization,
                kinds ?? new TrainingKinds()) with
            { ClassNames = classNames } : null;
        CheckTensors(graph, training, header.Tensors, path);
        return new SavedModelDescription(graph, normalization, classNames, training);
    }

    // Before values are read: every parameter and state needs a tensor of its dimensions, and no other tensors may
    // exist.
    private static void CheckTensors(Graph graph, SavedTraining? training, IReadOnlyList<TensorEntry> tensors,
        string path)
    {
        var missing = TensorsOf(graph, training).ToDictionary(each => each.Name, each => each.Parameter,
            StringComparer.Ordinal);
        foreach (TensorEntry tensor in tensors)
        {
            if (!missing.Remove(tensor.Name, out Parameter? parameter))
                throw new InvalidDataException(
                    $"{path}: the file contains a tensor \"{Excerpt.Of(tensor.Name)}\", but the graph has no "
                    + "parameter of that name.");
            if (!tensor.Dimensions.SequenceEqual(parameter.Dimensions))
                throw new InvalidDataException(
                    $"{path}: the graph has {Excerpt.Of($"{parameter}")}, but the tensor of the file is "
                    + $"{Excerpt.OfSizes(tensor.Dimensions)}.");
        }
        if (missing.Count == 0)
            return;
        (string name, Parameter first) = missing.First();
        throw new InvalidDataException(name == first.Name
            ? $"{path}: the file has no tensor for {Excerpt.Of($"{first}")} of the graph."
            : $"{path}: the file has no tensor for \"{Excerpt.Of(name)}\" of the optimiser.");
    }

    // The tensors of the file in order: parameters and buffers, then the optimiser's state.
    private static IEnumerable<(string Name, Parameter Parameter)> TensorsOf(Graph graph, SavedTraining? training)
    {
        IReadOnlyList<string> states = training?.Spec.Optimizer.StateNames ?? [];
        return graph.Parameters.Select(parameter => (parameter.Name, parameter))
            .Concat(from parameter in graph.Parameters
                    where parameter.Trainable
                    from state in states
                    select (TrainingState.NameOf(parameter, state), parameter))
            .Concat(training?.Options.Averaging is null ? []
                : graph.Parameters.Select(parameter => (AveragedWeights.NameOf(parameter), parameter)));
    }

    private static string NameOf(NamedTensor tensor) => $"{tensor.Name} ({string.Join('×', tensor.Dimensions)})";

    /// <summary>Loads the state of the training into an executable of <see cref="Graph"/> that was compiled with
    /// <see cref="SavedTraining.Spec"/>, on any backend.</summary>
    /// <exception cref="ArgumentNullException"><paramref name="executable"/> is null.</exception>
    /// <exception cref="ArgumentException">
    /// The executable has other parameters or another optimiser; it is unchanged.
    /// </exception>
    /// <exception cref="InvalidOperationException">The file contains no training, or the executable is not compiled for
    /// training.</exception>
    public void LoadStateInto(IExecutable executable)
    {
        ArgumentNullException.ThrowIfNull(executable);
        executable.LoadState(_state ?? throw new InvalidOperationException(
            $"The file contains a model but no training. Use {nameof(CopyTo)} for its parameters."));
    }

    /// <summary>Loads the averages of the weights into those of a trainer that resumes the training.</summary>
    /// <param name="averages">The averages of an executable of <see cref="Graph"/>.</param>
    /// <exception cref="ArgumentNullException"><paramref name="averages"/> is null.</exception>
    /// <exception cref="InvalidOperationException">The file contains no averages.</exception>
    public void LoadAveragesInto(AveragedWeights averages)
    {
        ArgumentNullException.ThrowIfNull(averages);
        CheckAverages();
        averages.Load(Training!.Progress.Averaged, _averages);
    }

    /// <summary>Copies the averages of the weights into an executable of <see cref="Graph"/>, or of another graph with
    /// the same parameters.</summary>
    /// <exception cref="ArgumentNullException"><paramref name="executable"/> is null.</exception>
    /// <exception cref="ArgumentException">The executable has other parameters; it is unchanged.</exception>
    /// <exception cref="InvalidOperationException">The file contains no averages, or its training has not averaged
    /// yet.</exception>
    public void CopyAveragesTo(IExecutable executable)
    {
        ArgumentNullException.ThrowIfNull(executable);
        CheckAveraged();
        Copy(executable, parameter => _values[AveragedWeights.NameOf(parameter)]);
    }

    /// <summary>Copies the parameters into an executable of <see cref="Graph"/>, or of another graph with the same
    /// parameters; or those that it has in common with another network.</summary>
    /// <param name="executable">The executable.</param>
    /// <param name="strict">Whether all parameters must be the same. If not, the parameters and buffers with the same
    /// name and dimensions are copied, as for transfer learning (<see cref="Graph.WithLayer"/>).</param>
    /// <returns>The parameters and buffers of the executable that were not written; empty if it is strict.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="executable"/> is null.</exception>
    /// <exception cref="ArgumentException">The executable has other parameters; or it is not strict, and nothing is in
    /// common. The executable is unchanged.</exception>
    public IReadOnlyList<Parameter> CopyTo(IExecutable executable, bool strict = true)
    {
        ArgumentNullException.ThrowIfNull(executable);
        if (!strict)
            return MatchingParameters.Copy(Graph, parameter => _values[parameter.Name], executable);
        Copy(executable, parameter => _values[parameter.Name]);
        return [];
    }

    /// <summary>Returns the values of a parameter or buffer of <see cref="Graph"/>, or their average.</summary>
    /// <exception cref="InvalidOperationException">The file contains no averages, or its training has not averaged
    /// yet.</exception>
    internal float[] ValuesOf(Parameter parameter, bool averaged)
    {
        if (averaged)
            CheckAveraged();
        return _values[averaged ? AveragedWeights.NameOf(parameter) : parameter.Name];
    }

    /// <summary>Whether the file contains averages of at least one step.</summary>
    internal bool HasAverages => _averages.Count > 0 && Training!.Progress.Averaged > 0;

    private void CheckAveraged()
    {
        CheckAverages();
        if (!HasAverages)
            throw new InvalidOperationException("The training in the file has not averaged its weights yet. Use the "
                + "weights themselves.");
    }

    private void CheckAverages()
    {
        if (_averages.Count == 0)
            throw new InvalidOperationException("The file contains no averages of the weights. They are saved with a "
                + $"training that has {nameof(TrainerOptions.Averaging)}.");
    }

    private void Copy(IExecutable executable, Func<Parameter, float[]> valuesOf)
    {
        IReadOnlyList<Parameter> parameters = executable.Graph.Parameters;
        if (parameters.Count != Graph.Parameters.Count)
            throw new ArgumentException($"The saved model has {Graph.Parameters.Count} parameters, but the graph "
                + $"{parameters.Count}. Use an executable of the same network.", nameof(executable));
        for (int i = 0; i < parameters.Count; i++)
        {
            if (parameters[i].ToString() != Graph.Parameters[i].ToString())
                throw new ArgumentException($"The saved model has {Graph.Parameters[i]} where the graph has "
                    + $"{parameters[i]}. Use an executable of the same network.", nameof(executable));
        }
        foreach (Parameter parameter in parameters)
            executable.Write(parameter, valuesOf(parameter));
    }

    private static byte[] Header(Graph graph, Normalization? normalization, SavedTraining? training, long step,
        long pass, IEnumerable<string> frozen, IReadOnlyList<string> classNames)
    {
        var metadata = new Dictionary<string, string>
        {
            [FormatKey] = Format,
            [ContentChecksum.Key] = ContentChecksum.Placeholder,
            [GraphKey] = GraphJson.Write(graph),
        };
        if (normalization is not null)
            metadata[NormalizationJson.Key] = NormalizationJson.Write(normalization);
        if (classNames.Count > 0)
            metadata[ClassNamesJson.Key] = ClassNamesJson.Write(classNames);
        if (training is not null)
        {
            metadata[TrainingJson.Key] = TrainingJson.Write(training, normalization);
            foreach ((string key, string text) in TrainingState.Metadata(step, pass, frozen))
                metadata[key] = text;
        }
        try
        {
            return SafeTensors.Header(
                metadata, [.. TensorsOf(graph, training).Select(each => (each.Name, each.Parameter.Dimensions))]);
        }
        catch (ArgumentException error)
        {
            throw new NotSupportedException($"The graph cannot be saved. {error.Message}", error);
        }
    }

    private static long Count(Graph graph, SavedTraining? training)
        => TensorsOf(graph, training).Sum(each => (long)each.Parameter.Length);
}
