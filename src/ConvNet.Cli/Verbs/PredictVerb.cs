using System.CommandLine;
using System.Diagnostics;
using ConvNet.Backends;
using ConvNet.Data;
using ConvNet.GradientChecking;
using ConvNet.Interpretation;
using ConvNet.Serialization;
using Spectre.Console;

namespace ConvNet.Cli.Verbs;

/// <summary><c>convnet predict</c>: the most probable classes of images.</summary>
internal sealed class PredictVerb : Verb
{
    private const string StandardOutput = "-";

    private readonly Argument<string[]> _images;
    private readonly Option<string> _load, _backend, _precision;
    private readonly DataOptions _data;
    private readonly Option<string?> _csv;
    private readonly NormalizeOption _normalize;
    private readonly Option<int> _top, _batch, _workers;
    private readonly Option<int?> _threads;
    private readonly AveragedOption _averaged;

    public PredictVerb() : base("predict", "Names the most probable classes of images.",
        "predict --load photos.safetensors cat.jpg dog.png",
        "predict --load photos.safetensors photos --top 1 --csv classes.csv",
        "predict --load resnet18.onnx --normalize imagenet photos --csv - | head",
        "predict --load digits.safetensors --data digits --json")
    {
        _images = new Argument<string[]>("IMAGE")
        {
            Description = "Image files, and folders that are searched for images: JPEG, PNG, WebP, BMP, GIF. Each is "
                + "scaled until it covers the images that the network reads, and the middle is taken.",
            Arity = ArgumentArity.ZeroOrMore,
        };
        AddPaths(_images);
        _load = RequiredFile("--load", NetworkFile.Description, FileUse.Read);
        _data = ReadsData();
        _top = Number("--top", "Number of classes that are named for each image.", 3, NumberRanges.FromOne, "N");
        _csv = Optional<string>("--csv", "Write the classes as CSV, a line for each image and class, to this file; "
            + "- is standard output, in the place of the table.", "FILE");
        Files.Add(_csv, FileUse.Written, command => ValueOf(command, _csv).Where(file => file != StandardOutput));
        _normalize = new NormalizeOption(this);
        _backend = BackendOrAutoOption();
        _precision = PrecisionOption();
        _batch = Number("--batch", "Number of images that are computed together.", 16, NumberRanges.FromOne, "N");
        _threads = ThreadsOption();
        _workers = Number("--workers", "Number of threads that decode images ahead.", 1,
            NumberRanges.Whole(0, NumberRanges.MostThreads), "N");
        _averaged = new AveragedOption(this);
    }

    public override int Run(ParseResult command, Terminal terminal)
    {
        string load = command.GetValue(_load)!;
        if (command.GetValue(_csv) == StandardOutput && terminal.Json)
            throw new ArgumentException($"Both --json and {_csv.Name} {StandardOutput} write to standard output. Use "
                + "one of them, or name a file.");
        SavedModel saved = NetworkFile.Load(load);
        CheckNetwork(saved.Graph, load);
        Normalization normalization = _normalize.Of(command, saved, load);
        PredictedImages images = ImagesOf(command, terminal, saved, normalization);
        int batch = Math.Min(command.GetValue(_batch), images.Dataset.Count);
        DataLoader loader = TestLoader(images.Dataset, images.Normalization, batch, command.GetValue(_workers));
        BackendChoice choice = BackendRegistry.Choose(command.GetValue(_backend)!, command.GetValue(_threads),
            PrecisionOf(command, _precision), terminal.Cancellation);
        using IBackend backend = choice.Backend;
        using IExecutable network = backend.CompileInference(saved.Graph, batch);
        _averaged.Copy(command, saved, load, network);
        long start = Stopwatch.GetTimestamp();
        Prediction[] predictions = Predict(network, loader, images, command.GetValue(_top), terminal.Cancellation);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        if (command.GetValue(_csv) is { } csv && csv != StandardOutput)
        {
            PredictionCsv.Write(csv, predictions, images.NameOf);
            terminal.Wrote(csv);
        }
        string speed = FormattableString.Invariant(
            $"{predictions.Length:N0} images in {seconds:F2} s, {predictions.Length / seconds:N0} images/s, with ")
            + $"decoding; {BackendText.Of(backend.Info)}";
        if (command.GetValue(_csv) == StandardOutput)
        {
            terminal.WriteText(PredictionCsv.TextOf(predictions, images.NameOf));
            terminal.Progress(speed);
        }
        else
        {
            Print(terminal, images, predictions);
            terminal.People.WriteLine(speed);
        }
        terminal.WriteJson(new
        {
            model = load,
            backend = choice.Name,
            candidates = choice.Trials,
            choice.SelfTest,
            precision = BackendText.Words(backend.Info.Precision),
            threads = backend.Info.Threads,
            predictions = predictions.Select(each => new
            {
                each.Image,
                trueClass = each.Label,
                classes = each.Classes.Select(of => new
                {
                    of.Class,
                    name = of.Class < images.ClassNames.Count ? images.ClassNames[of.Class] : null,
                    of.Probability,
                }),
                each.Error,
            }),
            seconds,
            imagesPerSecond = predictions.Length / seconds,
        });
        return Judge(terminal, predictions);
    }

    private static void CheckNetwork(Graph graph, string load)
    {
        if (graph.Inputs is not [_])
            throw new ArgumentException($"{load} has {graph.Inputs.Count} inputs; predict is for networks that read "
                + "one image.");
        if (!ClassScores.Has(graph))
            throw new ArgumentException($"The outputs of {load} are "
                + $"{string.Join(" and ", graph.Outputs.Select(output => output.Shape))}; predict is for networks with "
                + "one vector of scores of classes.");
    }

    private PredictedImages ImagesOf(ParseResult command, Terminal terminal, SavedModel saved,
        Normalization normalization)
    {
        string[] paths = command.GetValue(_images)!;
        bool isData = IsGiven(command, _data.Data);
        if (paths.Length == 0 != isData)
            throw new ArgumentException(isData ? $"Both images and {_data.Data.Name} are given. Use one of them."
                : $"No image is given. Name image files or folders, or test images by {_data.Data.Name}.");
        Shape shape = saved.Graph.Input.Shape;
        if (!isData)
        {
            string[] files = [.. paths.SelectMany(ImageFiles.Find)];
            NetworkFile.CheckKept(_csv, command.GetValue(_csv), files);
            var images = new ImageFiles(files, shape, _data.Skips(command) ? BadImages.Skip : BadImages.Stop);
            return new PredictedImages(images, new Normalization(byte.MaxValue, normalization.Mean,
                normalization.StandardDeviation), saved.ClassNames, i => files[i]);
        }
        ImageSource source = _data.Open(command, terminal, command.GetValue(_data.Data)!, shape,
            saved.Training?.Split);
        normalization.CheckFor(source.Shape, source.MaxValue);
        return new PredictedImages(source.Test, normalization,
            saved.ClassNames is [] ? source.ClassNames : saved.ClassNames,
            i => source.Test.FileOf(i) ?? $"test image {i}");
    }

    private static Prediction[] Predict(IExecutable network, DataLoader loader, PredictedImages images, int top,
        CancellationToken cancellation)
    {
        var predictions = new List<Prediction>(images.Dataset.Count);
        int classes = network.Graph.Output.Shape.C;
        foreach (Batch batch in loader.Epoch(1, cancellation))
        {
            using (batch)
            {
                float[] probabilities = ClassScores.Of(network, batch.Input);
                for (int i = 0; i < batch.Count; i++)
                    predictions.Add(images.Judge(batch, i, probabilities.AsSpan(i * classes, classes), top));
            }
        }
        return [.. predictions];
    }

    private static void Print(Terminal terminal, PredictedImages images, Prediction[] predictions)
    {
        bool isLabelled = predictions.Any(each => each.Label is not null);
        var table = new TextTable(1, ["image", .. isLabelled ? (TableHead[])["true class"] : [], "class",
            TableHead.Figure("probability"), TableHead.Prose("next")]);
        foreach (Prediction each in predictions.Where(each => each.Error is null))
        {
            (int of, double probability) = each.Classes[0];
            table.Add([Excerpt.Of(each.Image), .. each.Label is { } label ? (TableCell[])[images.NameOf(label)] : [],
                images.NameOf(of), $"{probability:0.0%}", string.Join(", ",
                    each.Classes.Skip(1).Select(next => $"{images.NameOf(next.Class)} {next.Probability:0.0%}"))]);
        }
        terminal.People.Write(table);
        if (isLabelled)
        {
            int correct = predictions.Count(each => each.Label == each.Classes.Select(of => of.Class)
                .Cast<int?>().FirstOrDefault());
            terminal.People.WriteLine($"{correct:N0} of {predictions.Length:N0} are named rightly");
        }
    }

    private static int Judge(Terminal terminal, Prediction[] predictions)
    {
        Prediction[] bad = [.. predictions.Where(each => each.Error is not null)];
        foreach (Prediction each in bad)
            terminal.Warn(each.Error!);
        // Files that cannot be read are left out on request; scores that are not finite say that the model is broken.
        int broken = bad.Count(each => each.IsNotFinite);
        if (bad.Length == predictions.Length && broken == 0)
            return terminal.Fail($"None of the {bad.Length:N0} images could be read.");
        return broken == 0 ? ExitCode.Ok : terminal.Fail($"The scores of {broken:N0} images are not finite numbers. "
            + "The model is damaged, or the images do not suit it.");
    }
}
