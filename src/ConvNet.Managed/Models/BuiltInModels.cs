namespace ConvNet.Models;

/// <summary>The built-in networks by name.</summary>
/// <remarks>
/// Sources: LeNet-5, LeCun et al., Proc. IEEE 1998 (with ReLU and max pooling); AlexNet, Krizhevsky, arXiv:1404.5997
/// (one tower); VGG, Simonyan and Zisserman, ICLR 2015; ResNet, He et al., CVPR 2016.
/// </remarks>
public static class BuiltInModels
{
    private static readonly Dictionary<string, (Shape Input, int Classes, Func<Shape, int, Graph> Build)> Models =
        new(StringComparer.Ordinal)
        {
            ["lenet5"] = (new(1, 28, 28), 10, LeNet5),
            ["cifarnet"] = (new(3, 32, 32), 10, CifarNet),
            ["alexnet"] = (new(3, 224, 224), 1000, AlexNet),
            ["vgg11"] = (new(3, 224, 224), 1000, Vgg11),
            ["resnet18"] = (new(3, 224, 224), 1000, ResNet18),
            ["resnet20"] = (new(3, 32, 32), 10, ResNet20),
            ["digits"] = (new(1, 8, 8), 10, Digits),
        };

    /// <summary>The names of the networks.</summary>
    public static IReadOnlyCollection<string> Names => Models.Keys;

    /// <summary>Returns the image shape that a network was designed for.</summary>
    /// <exception cref="ArgumentException">There is no network of this name.</exception>
    public static Shape InputOf(string name) => Find(name).Input;

    /// <summary>Creates the graph of a network.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <param name="input">The shape of the images; by default the network's own.</param>
    /// <param name="classes">The number of classes; by default the network's own.</param>
    /// <exception cref="ArgumentException">There is no network of this name, or it does not accept images of this
    /// shape.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="classes"/> is less than 1.</exception>
    public static Graph Create(string name, Shape? input = null, int? classes = null)
    {
        (Shape own, int ownClasses, Func<Shape, int, Graph> build) = Find(name);
        if (classes < 1)
            throw new ArgumentOutOfRangeException(nameof(classes),
                $"The number of classes is {classes}; it must be at least 1.");
        try
        {
            return build(input ?? own, classes ?? ownClasses);
        }
        catch (ArgumentException error) when (input is { } images && images.Length > 0)
        {
            Shape[] fit = [.. Fitting(shape => build(shape, classes ?? ownClasses), images, own)];
            string taken = fit.Length > 0 ? $"Images of {string.Join(" and ", fit)} fit." : "No similar size fits.";
            throw new ArgumentException(
                $"The model {name}, designed for {own} images, does not accept {images}: {error.Problem()} {taken}",
                error);
        }
    }

    // The nearest sizes below and above. Rows and columns are independent, so each is searched separately.
    private static IEnumerable<Shape> Fitting(Func<Shape, Graph> build, Shape images, Shape own)
    {
        int farthest = 2 * Math.Max(own.H, own.W);
        foreach (int way in (int[])[-1, 1])
        {
            int h = Nearest(images.H, h => Builds(h, own.W)), w = Nearest(images.W, w => Builds(own.H, w));
            if (h > 0 && w > 0 && Builds(h, w))
                yield return new Shape(images.C, h, w);

            int Nearest(int from, Func<int, bool> builds) => (int)Enumerable.Range(0, farthest)
                .Select(i => from + (long)way * i)
                .FirstOrDefault(size => size is > 0 and <= int.MaxValue && builds((int)size));
        }

        bool Builds(int h, int w)
        {
            try
            {
                build(new Shape(images.C, h, w));
                return true;
            }
            catch (ArgumentException)
            {
                return false;
            }
        }
    }

    private static (Shape Input, int Classes, Func<Shape, int, Graph> Build) Find(string name)
        => Models.TryGetValue(name, out var model)
        ? model
        : throw new ArgumentException($"There is no model \"{name}\". The built-in models are "
            + $"{string.Join(", ", Names)}.", nameof(name));

    private static Graph LeNet5(Shape input, int classes) => Sequential.Of(input,
        new Conv2d(6, 5, padding: 2), new Relu(), new MaxPool2d(2),
        new Conv2d(16, 5), new Relu(), new MaxPool2d(2),
        new Flatten(), new Linear(120), new Relu(), new Linear(84), new Relu(), new Linear(classes));

    private static Graph CifarNet(Shape input, int classes) => Sequential.Of(input,
        new Conv2d(32, 3, padding: 1), new Relu(), new Conv2d(32, 3, padding: 1), new Relu(), new MaxPool2d(2),
        new Conv2d(64, 3, padding: 1), new Relu(), new Conv2d(64, 3, padding: 1), new Relu(), new MaxPool2d(2),
        new Flatten(), new Linear(256), new Relu(), new Linear(classes));

    private static Graph Digits(Shape input, int classes) => Sequential.Of(input,
        new Conv2d(16, 3, padding: 1), new Relu(), new Conv2d(32, 3, padding: 1), new Relu(), new MaxPool2d(2),
        new Conv2d(64, 3, padding: 1), new Relu(), new MaxPool2d(2),
        new Flatten(), new Linear(classes));

    private static Graph AlexNet(Shape input, int classes) => Sequential.Of(input,
        new Conv2d(64, 11, stride: 4, padding: 2, rounding: Rounding.Floor), new Relu(), new MaxPool2d(3, stride: 2),
        new Conv2d(192, 5, padding: 2), new Relu(), new MaxPool2d(3, stride: 2),
        new Conv2d(384, 3, padding: 1), new Relu(), new Conv2d(256, 3, padding: 1), new Relu(),
            new Conv2d(256, 3, padding: 1), new Relu(),
        new MaxPool2d(3, stride: 2),
        new Flatten(), new Linear(4096), new Relu(), new Linear(4096), new Relu(), new Linear(classes));

    private static Graph Vgg11(Shape input, int classes)
    {
        var graph = new Graph(input);
        Node x = graph.Input;
        foreach (int[] stage in (int[][])[[64], [128], [256, 256], [512, 512], [512, 512]])
        {
            foreach (int filters in stage)
                x = graph.Append(x, new Conv2d(filters, 3, padding: 1), new Relu());
            x = graph.Add(new MaxPool2d(2), x);
        }
        graph.Append(x, new Flatten(), new Linear(4096), new Relu(), new Linear(4096), new Relu(), new Linear(classes));
        return graph;
    }

    private static Graph ResNet18(Shape input, int classes)
    {
        var graph = new Graph(input);
        Node x = graph.Append(graph.Input,
            new Conv2d(64, 7, stride: 2, padding: 3, bias: false, rounding: Rounding.Floor),
            new BatchNorm2d(), new Relu(),
            new MaxPool2d(3, stride: 2, padding: 1, rounding: Rounding.Floor));
        foreach ((int filters, int stride) in ((int, int)[])[(64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1),
            (512, 2), (512, 1)])
            x = BasicBlock(graph, x, filters, stride);
        graph.Append(x, new GlobalAvgPool2d(), new Linear(classes));
        return graph;
    }

    private static Graph ResNet20(Shape input, int classes)
    {
        var graph = new Graph(input);
        Node x = graph.Append(graph.Input, new Conv2d(16, 3, padding: 1, bias: false), new BatchNorm2d(), new Relu());
        foreach (int filters in (int[])[16, 32, 64])
        {
            for (int block = 0; block < 3; block++)
                x = BasicBlock(graph, x, filters, block == 0 && filters > 16 ? 2 : 1);
        }
        graph.Append(x, new GlobalAvgPool2d(), new Linear(classes));
        return graph;
    }

    private static Node BasicBlock(Graph graph, Node x, int filters, int stride)
    {
        Rounding rounding = stride > 1 ? Rounding.Floor : Rounding.Exact;
        Node branch = graph.Append(x,
            new Conv2d(filters, 3, stride, padding: 1, bias: false, rounding: rounding), new BatchNorm2d(),
                new Relu(),
            new Conv2d(filters, 3, padding: 1, bias: false), new BatchNorm2d());
        Node shortcut = stride > 1 || x.Shape.C != filters
            ? graph.Append(x, new Conv2d(filters, 1, stride, bias: false, rounding: rounding), new BatchNorm2d())
            : x;
        return graph.Add(new Relu(), graph.Add(new Add(), branch, shortcut));
    }
}
