using System.Text;
using System.Text.Json;
using ConvNet.Serialization;

namespace ConvNet.GradientChecking;

/// <summary>Reads and writes gradient check cases as JSON. A case does not name any backends.</summary>
/// <remarks>
/// <code>{ "format": "convnet-gradient-case", "version": 1, "modes": ["exact"], "batch": 1, "seed": 7,
///   "largestInteger": 16, "values": "uniform", "mostTerms": 134217728,
///   "layer": { "layer": "conv", "outChannels": 1, "kernelSize": [1, 3] }, "inputs": [[1, 1, 4]] }</code>
/// A whole graph is stored as <c>graph</c>, in the format of <see cref="GraphJson"/>, instead of <c>layer</c> and
/// <c>inputs</c>; a loss as <c>loss</c> and <c>classes</c>, such as <c>"loss": { "loss": "svm" }, "classes": 10</c>.
/// </remarks>
public static class GradientCaseFile
{
    /// <summary>The default name of the case file of a failed check, without its extension.</summary>
    internal const string FailureName = "gradcheck-failure";

    private const string Format = "convnet-gradient-case";
    private const int Version = 1;

    // The maximum number of values in a tensor of the whole batch. No useful check needs more.
    private const long MaxValues = 1 << 28;

    // Files written when finite differences checked the reference name that mode.
    private const string FormerForwardMode = "finite-differences";

    private static readonly (string Name, CheckModes Mode)[] Modes =
    [
        ("exact", CheckModes.Exact), ("real", CheckModes.Real), ("segments", CheckModes.Segments),
            ("end-to-end", CheckModes.EndToEnd),
        ("forward", CheckModes.ForwardMode), ("plan-exact", CheckModes.PlanExact),
        ("plan-real", CheckModes.PlanReal), ("steps", CheckModes.Trajectories),
    ];

    /// <summary>Writes a case as JSON.</summary>
    /// <exception cref="ArgumentNullException"><paramref name="made"/> is null.</exception>
    /// <exception cref="NotSupportedException">A layer or a loss has no declaration and cannot be written as
    /// JSON.</exception>
    public static string Write(GradientCase made)
    {
        ArgumentNullException.ThrowIfNull(made);
        return JsonText.Of(writer =>
        {
            writer.WriteStartObject();
            writer.WriteString("format", Format);
            writer.WriteNumber("version", Version);
            WriteOptions(writer, made.Options);
            WriteSubject(writer, made);
            writer.WriteEndObject();
        }, new JsonWriterOptions { Indented = true });
    }

    /// <summary>Reads a case from JSON.</summary>
    /// <param name="json">The JSON text.</param>
    /// <param name="source">The origin of the text, for error messages.</param>
    /// <param name="layers">The supported layers; those of this library if null.</param>
    /// <exception cref="ArgumentNullException"><paramref name="json"/> is null.</exception>
    /// <exception cref="InvalidDataException">The text does not describe a case. The message gives the place and the
    /// reason.</exception>
    public static GradientCase Read(string json, string source = "case", LayerSet? layers = null)
    {
        ArgumentNullException.ThrowIfNull(json);
        return Read(InputFile.ToUtf8(json, source), source, layers);
    }

    /// <summary>Reads a case from JSON in UTF-8.</summary>
    internal static GradientCase Read(ReadOnlyMemory<byte> utf8, string source, LayerSet? layers = null)
    {
        using JsonDocument document = JsonReader.Parse(utf8, source);
        var root = new JsonReader(document.RootElement, source);
        root.CheckFormat(Format, Version, "a case of a gradient check");
        GradientCheckOptions options = ReadOptions(root);
        GradientCase read = root.Optional("graph") is { } graph
            ? new GraphGradientCase(GraphJson.Read(graph, $"{source}, graph", layers), options)
            : root.Optional("loss") is { } loss ? ReadLoss(root, new JsonReader(loss, $"{source}, loss"), options)
            : ReadLayer(root, source, options, layers ?? LayerSet.BuiltIn);
        root.RejectOthers();
        CheckSize(root, read);
        return read;
    }

    /// <summary>Reads a case from a file.</summary>
    /// <param name="path">The path of the file.</param>
    /// <param name="layers">The supported layers; those of this library if null.</param>
    /// <exception cref="ArgumentNullException"><paramref name="path"/> is null.</exception>
    /// <exception cref="InvalidDataException">The file does not describe a case. The message gives the place and the
    /// reason.</exception>
    /// <exception cref="IOException">The file cannot be read or is not a regular file.</exception>
    /// <exception cref="ArgumentException">The path is empty.</exception>
    /// <exception cref="UnauthorizedAccessException">There is no permission to read the file.</exception>
    public static GradientCase Load(string path, LayerSet? layers = null)
        => Read(InputFile.Bytes(path, "case of a gradient check"), path, layers);

    /// <summary>Writes a case to a file atomically: the file is either complete or not written.</summary>
    /// <exception cref="ArgumentNullException"><paramref name="path"/> or <paramref name="made"/> is null.</exception>
    /// <exception cref="NotSupportedException">A layer or a loss has no declaration and cannot be written as
    /// JSON.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="ArgumentException">The path is empty.</exception>
    /// <exception cref="UnauthorizedAccessException">There is no permission to write to the folder or file.</exception>
    public static void Save(string path, GradientCase made)
    {
        byte[] text = Encoding.UTF8.GetBytes(Write(made));
        AtomicFile.Write(path, "the case", stream => stream.Write(text), text.Length);
    }

    /// <summary>Returns the name of a file that does not exist in the current directory: <see cref="FailureName"/>,
    /// with a suffix -2, -3 and so on if needed.</summary>
    /// <param name="isTaken">Returns whether a name is reserved for another file.</param>
    internal static string UnusedName(Func<string, bool>? isTaken = null)
    {
        string path = $"{FailureName}.json";
        for (int number = 2; File.Exists(path) || isTaken?.Invoke(path) == true; number++)
            path = $"{FailureName}-{number}.json";
        return path;
    }

    /// <summary>Returns the <c>convnet gradcheck</c> option that names a file, quoted for a shell.</summary>
    /// <param name="path">The path of the file.</param>
    internal static string OptionFor(string path)
        => path.Any(c => !char.IsAsciiLetterOrDigit(c) && c is not ('/' or '.' or '-' or '_'))
            ? $"--case '{path.Replace("'", "'\\''", StringComparison.Ordinal)}'"
            : $"--case {path}";

    private static void WriteOptions(Utf8JsonWriter writer, GradientCheckOptions options)
    {
        writer.WriteStartArray("modes");
        foreach ((string name, _) in Modes.Where(mode => options.Modes.HasFlag(mode.Mode)))
            writer.WriteStringValue(name);
        writer.WriteEndArray();
        writer.WriteNumber("batch", options.BatchSize);
        writer.WriteNumber("seed", options.Seed);
        writer.WriteNumber("largestInteger", options.LargestInteger);
        writer.WriteString("values", Word(options.Values));
        writer.WriteNumber("mostTerms", options.MostTerms);
        if (options.Training is { } training)
        {
            writer.WriteStartObject("training");
            SpecJson.Write(writer, training);
            writer.WriteEndObject();
        }
        if (options.Frozen.Count == 0)
            return;
        writer.WriteStartArray("frozen");
        foreach (string pattern in options.Frozen)
            writer.WriteStringValue(pattern);
        writer.WriteEndArray();
    }

    private static void WriteSubject(Utf8JsonWriter writer, GradientCase made)
    {
        if (made is LossGradientCase { Loss: var loss, Classes: var classes })
        {
            Declaration<Loss> known = loss.Declaration ?? throw new NotSupportedException(
                $"A {loss.GetType().Name} cannot be written as JSON because it has no Declaration.");
            writer.WriteStartObject("loss");
            writer.WriteString("loss", known.Kind);
            known.Write(writer, loss);
            writer.WriteEndObject();
            writer.WriteNumber("classes", classes);
            return;
        }
        if (made is not LayerGradientCase { Layer: var layer } alone)
        {
            writer.WritePropertyName("graph");
            writer.WriteRawValue(GraphJson.Write(((GraphGradientCase)made).Graph));
            return;
        }
        LayerDeclaration declaration = layer.Declaration ?? throw new NotSupportedException(
            $"A {layer.GetType().Name} cannot be written as JSON because it has no LayerDeclaration.");
        writer.WriteStartObject("layer");
        writer.WriteString("layer", declaration.Kind);
        declaration.Write(writer, layer);
        writer.WriteEndObject();
        writer.WriteStartArray("inputs");
        foreach (Shape shape in alone.Inputs)
        {
            writer.WriteStartArray();
            foreach (int size in (int[])[shape.C, shape.H, shape.W])
                writer.WriteNumberValue(size);
            writer.WriteEndArray();
        }
        writer.WriteEndArray();
    }

    private static GradientCheckOptions ReadOptions(JsonReader root)
    {
        CheckModes modes = CheckModes.None;
        foreach (string text in root.Texts("modes"))
        {
            modes |= text == FormerForwardMode ? CheckModes.ForwardMode
                : Array.Find(Modes, mode => mode.Name == text) is { Name: not null } known ? known.Mode
                : throw root.Error(
                    $"the mode \"{Excerpt.Of(text)}\" is unknown; use one of "
                    + $"{string.Join(", ", Modes.Select(mode => mode.Name))}.");
        }
        if (modes == CheckModes.None)
            throw root.Error("\"modes\" must name at least one mode.");
        RealValues[] distributions = Enum.GetValues<RealValues>();
        int values = root.Text("values") is { } word ? Array.FindIndex(distributions, each => Word(each) == word) : 0;
        if (values < 0)
            throw root.Error(
                $"\"values\" is \"{Excerpt.Of(root.Text("values"))}\"; it must be one of "
                + $"{string.Join(", ", distributions.Select(Word))}.");
        var usual = new GradientCheckOptions();
        TrainingSpec? training = null;
        if (root.Optional("training") is { } element)
        {
            var json = new JsonReader(element, root.PlaceOf("training"));
            training = SpecJson.Read(json, new TrainingKinds());
            json.RejectOthers();
        }
        return root.Checked(() => new GradientCheckOptions
        {
            Modes = modes,
            Training = training,
            Values = distributions[values],
            BatchSize = root.Int("batch"),
            Seed = root.Long("seed"),
            LargestInteger = root.Int("largestInteger", usual.LargestInteger),
            Frozen = root.Texts("frozen"),
            MostTerms = (long)Math.Min(root.Long("mostTerms", (ulong)usual.MostTerms), long.MaxValue),
        });
    }

    private static string Word(RealValues values) => $"{values}".ToLowerInvariant();

    private static LossGradientCase ReadLoss(JsonReader root, JsonReader json, GradientCheckOptions options)
    {
        Loss loss = Loss.BuiltIn.Read(json);
        json.RejectOthers();
        int classes = root.Int("classes");
        return classes >= 1
            ? new LossGradientCase(loss, classes, options)
            : throw root.Error($"\"classes\" is {classes}; it must be at least 1.");
    }

    private static LayerGradientCase ReadLayer(JsonReader root, string source, GradientCheckOptions options,
        LayerSet layers)
    {
        if (root.Optional("layer") is not { } element)
            throw root.Error("\"graph\", \"layer\" or \"loss\" is missing.");
        var json = new JsonReader(element, $"{source}, layer");
        Layer layer = layers.Read(json);
        json.RejectOthers();
        Shape[] inputs = [.. root.List("inputs").Select(shape => ReadShape(root, shape))];
        root.Checked(() => layer.Infer(inputs));
        return new LayerGradientCase(layer, inputs, options);
    }

    private static Shape ReadShape(JsonReader root, JsonElement element)
    {
        int[] sizes = element.ValueKind == JsonValueKind.Array
            ? [.. element.EnumerateArray().Select(size => size.ValueKind == JsonValueKind.Number
            && size.TryGetInt32(out int value) ? value : 0)] : [];
        return sizes is [> 0, > 0, > 0]
            ? root.Checked(() => new Shape(sizes[0], sizes[1], sizes[2]))
            : throw root.Error("\"inputs\" must list the channels, rows and columns of each input, such as [[3, 5, "
                + "7]].");
    }

    private static void CheckSize(JsonReader root, GradientCase read)
    {
        // The pass before the checked batch has one sample more.
        long n = Math.Max(read.Options.BatchSize + 1L, read.Options.Training?.BatchSize ?? 0);
        long largest = read is LossGradientCase loss
            ? n * LossCheck.ShapeOf(loss.Loss, loss.Classes).Length
            : root.Checked(() => read.Layers.Max(each => Math.Max(
                n * each.Inputs.Append(each.Layer.Infer(each.Inputs)).Max(shape => shape.Length),
                each.Layer.Parameters(each.Inputs).Select(spec => (long)spec.Length).DefaultIfEmpty().Max())));
        if (largest > MaxValues)
            throw root.Error($"a tensor of {largest:N0} values is too large for a check; the limit is {MaxValues:N0}.");
    }
}
