using System.CommandLine;
using ConvNet.Backends;
using ConvNet.Data;
using ConvNet.Interpretation;
using ConvNet.Reports;
using ConvNet.Reports.Pages;
using ConvNet.Serialization;
using Spectre.Console;

namespace ConvNet.Cli.Verbs;

/// <summary><c>convnet show</c>: what a trained network computes from an image, in pictures.</summary>
internal sealed class ShowVerb : Verb
{
    // Four samples are needed for a receptive field; more save passes of the occlusion.
    private const int Batch = 16;

    private readonly Option<string> _load, _backend;
    private readonly Option<string?> _unit, _pictures;
    private readonly ShownImage _image;
    private readonly Option<int> _shift, _top;
    private readonly Option<int?> _class, _patch, _threads;
    private readonly AveragedOption _averaged;
    private readonly ReportOptions _report;

    public ShowVerb() : base("show", "Shows what a trained network computes from an image, in pictures: filters, "
        + "feature maps, a receptive field, and where the answer comes from.",
        "show --load photos.safetensors --image cat.jpg",
        "show --load digits.safetensors --data digits --sample 7 --unit conv2:3,3",
        "show --load photos.safetensors --image cat.jpg --report cat.html --pictures cat --json")
    {
        _load = RequiredFile("--load", "The saved model, as written by train --save.", FileUse.Read);
        Option<string?> image = Optional<string>("--image", "An image file: JPEG, PNG, WebP, BMP or GIF. It is scaled "
            + "until it covers the images that the network reads, and the middle is taken.", "FILE");
        Files.Add(image, FileUse.Read, command => ValueOf(command, image));
        _image = new ShownImage(image, ReadsData(), Number("--sample", "Without --image: the number of a test image of "
            + "--data.", 0, NumberRanges.FromZero, "N"));
        _unit = Optional<string>("--unit", "The unit whose receptive field is drawn: a node, and the row and column in "
            + "its maps. Default: the middle of the last maps with more than one unit.", "NODE:Y,X");
        _class = OptionalNumber("--class", "The class of the occlusion map. Default: the one with the highest "
            + "probability.", NumberRanges.FromZero, "N");
        _patch = OptionalNumber("--patch", "Rows and columns of the patch that covers parts of the image. Default: a "
            + "seventh of the image.", NumberRanges.FromOne, "N");
        _shift = Number("--shift", "Rows and columns by which the second image is shifted.", 2, NumberRanges.FromZero,
            "N");
        _top = Number("--top", "Number of classes that are listed.", 5, NumberRanges.FromOne, "N");
        _averaged = new AveragedOption(this);
        _backend = BackendOption();
        _threads = ThreadsOption();
        _pictures = Optional<string>("--pictures", "Write every picture to this folder as a PNG file too.", "FOLDER");
        Option<string?> html = WithDefault<string?>("--report", "The page, a self-contained HTML file.", "show.html",
            "FILE");
        Files.Add(html, FileUse.Written, command => ValueOf(command, html));
        _report = new ReportOptions(html, Written("--markdown", "Write the page without its pictures to this file as "
            + "Markdown."));
    }

    public override int Run(ParseResult command, Terminal terminal)
    {
        string load = command.GetValue(_load)!;
        SavedModel saved = NetworkFile.Load(load);
        Graph graph = saved.Graph;
        if (graph.Inputs is not [{ Shape: var shape }])
            throw new ArgumentException($"{load} has {graph.Inputs.Count} inputs. A network that is shown reads one "
                + "image.");
        Normalization normalization = saved.Normalization
            ?? throw new InvalidDataException($"{load} does not contain the normalisation of the images. Save the "
                + "model with train --save.");
        if (command.GetValue(_class) is not null && !ClassScores.Has(graph))
            throw new ArgumentException($"{_class.Name} names a class, but the outputs of {load} are "
                + $"{string.Join(" and ", graph.Outputs.Select(output => output.Shape))}. Omit it.");
        ShownSample sample = _image.Read(command, terminal, saved, normalization);
        using IBackend backend = BackendRegistry.Create(command.GetValue(_backend)!, command.GetValue(_threads),
            Precision.Accurate);
        using IExecutable network = backend.CompileInference(graph, Batch);
        _averaged.Copy(command, saved, load, network);
        var view = NetworkView.Of(network, Path.GetFileName(load), sample, normalization, new NetworkViewOptions
        {
            Unit = Unit(command),
            Class = command.GetValue(_class),
            Patch = command.GetValue(_patch),
            Shift = command.GetValue(_shift),
            Top = command.GetValue(_top),
        }, terminal.Cancellation);
        object document = DocumentOf(load, sample, shape, backend.Info.Name, view);
        Print(terminal, view, sample);
        _report.Write(command, terminal, origin =>
        {
            Page page = ShowPage.Of(view, origin, [new Fact("Backend", $"{backend.Info.Name} {backend.Info.Version}"),
                new Fact("Weights", _averaged.Of(command, saved, load) ? "averaged" : "of the last step")], document);
            WritePictures(command.GetValue(_pictures), page, terminal);
            return page;
        });
        terminal.WriteJson(document);
        return ExitCode.Ok;
    }

    private static object DocumentOf(string load, ShownSample sample, Shape shape, string backend,
        NetworkView view)
    {
        return new
        {
            model = load,
            image = sample.Name,
            trueClass = sample.Label,
            backend,
            shape = ShapeOf(shape),
            classes = view.Scores.Select(score => new { score.Class, score.Name, score.Probability }),
            operations = view.Maps.Select(each => new
            {
                name = $"{each.Maps.Operation}",
                shape = ShapeOf(each.Maps.Shape),
                smallest = each.Maps.Values.Min(),
                mean = each.Maps.Values.Average(),
                largest = each.Maps.Values.Max(),
                above0 = each.Maps.Active,
                deadMaps = each.Maps.Dead,
                afterShift = each.Response,
            }),
            receptiveField = new
            {
                node = view.Unit.Node,
                y = view.Unit.Y,
                x = view.Unit.X,
                top = view.Unit.Field.Top,
                left = view.Unit.Field.Left,
                bottom = view.Unit.Field.Bottom,
                right = view.Unit.Field.Right,
            },
            occlusion = view.Heat is not { } heat ? null : new
            {
                heat.Class,
                patch = (int[])[heat.Patch.H, heat.Patch.W],
                stride = (int[])[heat.Stride.H, heat.Stride.W],
                largestDrop = heat.Drops.Max(),
                largestRise = -heat.Drops.Min(),
            },
        };
    }

    private static int[] ShapeOf(Shape shape) => [shape.C, shape.H, shape.W];

    private (string Node, int Y, int X)? Unit(ParseResult command)
    {
        if (command.GetValue(_unit) is not { } text)
            return null;
        int colon = text.LastIndexOf(':');
        string[] places = colon < 0 ? [] : text[(colon + 1)..].Split(',');
        return places.Length == 2 && int.TryParse(places[0], out int y) && int.TryParse(places[1], out int x)
            ? (text[..colon], y, x)
            : throw new ArgumentException($"{_unit.Name} is \"{Excerpt.Of(text)}\"; it takes a node, a row and a "
                + "column, as in conv1:0,0.");
    }

    private static void Print(Terminal terminal, NetworkView view, ShownSample sample)
    {
        if (sample.Label is { } label)
            terminal.People.WriteLine($"{sample.Name}: {sample.NameOf(label)}");
        if (view.Scores.Count > 0)
        {
            var classes = new TextTable(1, ["class", .. TableHead.Figures("probability")]);
            foreach (ClassProbability score in view.Scores)
                classes.Add(score.Name, $"{score.Probability:0.00%}");
            terminal.People.Write(classes);
        }
        var table = new TextTable(1, ["operation", "shape",
            .. TableHead.Figures("smallest", "mean", "largest", "above 0", "dead maps", $"shift {view.Shift}")]);
        foreach (MapsView each in view.Maps)
            table.Add($"{each.Maps.Operation}", $"{each.Maps.Shape}", $"{each.Maps.Values.Min():0.###}",
                $"{each.Maps.Values.Average():0.###}", $"{each.Maps.Values.Max():0.###}", $"{each.Maps.Active:0%}",
                $"{each.Maps.Dead}", each.Response is { } response ? $"{response:0.0%}" : "–");
        terminal.People.Write(table);
        ReceptiveField field = view.Unit.Field;
        terminal.People.WriteLine($"unit ({view.Unit.Y}, {view.Unit.X}) of {view.Unit.Node} sees "
            + (field.IsEmpty ? "no pixel" : $"rows {field.Top} to {field.Bottom - 1} and columns {field.Left} to "
                + $"{field.Right - 1}"));
    }

    private static void WritePictures(string? folder, Page page, Terminal terminal)
    {
        if (folder is null)
            return;
        Directory.CreateDirectory(folder);
        int count = 0;
        foreach ((string name, byte[] png) in ShowPage.Pictures(page))
        {
            terminal.Cancellation.ThrowIfCancellationRequested();
            AtomicFile.Write(Path.Combine(folder, name), "the picture", stream => stream.Write(png));
            count++;
        }
        terminal.Progress($"{count} pictures written to {folder}");
    }
}
