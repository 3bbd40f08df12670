namespace ConvNet.Models;

/// <summary>The built-in networks by name.</summary>
/// <remarks>
/// Layers and parameters have the names of torchvision, where it has the network. The networks of the benchmarks,
/// <c>alexnet</c>, <c>vgg11</c>, <c>resnet18</c> and <c>resnet20</c> among them, have no dropout. Every family has a
/// class with its blocks, from which other networks can be built.
/// </remarks>
public static class BuiltInModels
{
    private const string LeCun = "LeCun et al. 1998", Krizhevsky = "Krizhevsky 2014",
        Simonyan = "Simonyan, Zisserman 2015", He = "He et al. 2016", Huang = "Huang et al. 2017",
        Szegedy = "Szegedy et al. 2015", Iandola = "Iandola et al. 2016", Howard = "Howard et al. 2017",
        Sandler = "Sandler et al. 2018", Howard3 = "Howard et al. 2019", Tan = "Tan, Le 2019", Ma = "Ma et al. 2018",
        Liu = "Liu et al. 2022", Ronneberger = "Ronneberger et al. 2015", Jordan = "Jordan 2024";

    private static readonly Shape s_large = new(3, 224, 224), s_cifar = new(3, 32, 32);

    private static readonly Dictionary<string, BuiltInModel> s_models = new BuiltInModel[]
    {
        new("digits", new(1, 8, 8), 10, LeCun, LeNet.Digits),
        new("lenet5", new(1, 28, 28), 10, LeCun, LeNet.LeNet5),
        new("cifarnet", s_cifar, 10, LeCun, LeNet.CifarNet),
        new("airbench94", s_cifar, 10, Jordan, Airbench.Create),
        new("resnet20", s_cifar, 10, He, (input, classes) => ResNet.ForCifar(input, classes, 3)),
        new("resnet32", s_cifar, 10, He, (input, classes) => ResNet.ForCifar(input, classes, 5)),
        new("resnet56", s_cifar, 10, He, (input, classes) => ResNet.ForCifar(input, classes, 9)),
        Large("alexnet", Krizhevsky, AlexNet.Create),
        Large("vgg11", Simonyan, Vgg.Plain11),
        Large("vgg13", Simonyan, (input, classes) => Vgg.Create(input, classes, [2, 2, 2, 2, 2])),
        Large("vgg16", Simonyan, (input, classes) => Vgg.Create(input, classes, [2, 2, 3, 3, 3])),
        Large("vgg19", Simonyan, (input, classes) => Vgg.Create(input, classes, [2, 2, 4, 4, 4])),
        Large("vgg11_bn", Simonyan, (input, classes) => Vgg.Create(input, classes, [1, 1, 2, 2, 2], batchNorm: true)),
        Large("vgg13_bn", Simonyan, (input, classes) => Vgg.Create(input, classes, [2, 2, 2, 2, 2], batchNorm: true)),
        Large("vgg16_bn", Simonyan, (input, classes) => Vgg.Create(input, classes, [2, 2, 3, 3, 3], batchNorm: true)),
        Large("vgg19_bn", Simonyan, (input, classes) => Vgg.Create(input, classes, [2, 2, 4, 4, 4], batchNorm: true)),
        Large("googlenet", Szegedy, (input, classes) => GoogLeNet.Create(input, classes)),
        Large("googlenet_aux", Szegedy, (input, classes) => GoogLeNet.Create(input, classes, auxiliary: true)),
        Large("resnet18", He, (input, classes) => ResNet.Create(input, classes, [2, 2, 2, 2])),
        Large("resnet34", He, (input, classes) => ResNet.Create(input, classes, [3, 4, 6, 3])),
        Large("resnet50", He, (input, classes) => ResNet.Create(input, classes, [3, 4, 6, 3], bottlenecks: true)),
        Large("resnet101", He, (input, classes) => ResNet.Create(input, classes, [3, 4, 23, 3], bottlenecks: true)),
        Large("squeezenet1_1", Iandola, SqueezeNet.Create),
        Large("densenet121", Huang, (input, classes) => DenseNet.Create(input, classes, [6, 12, 24, 16])),
        Large("mobilenet_v1", Howard, MobileNetV1.Create),
        Large("mobilenet_v2", Sandler, MobileNetV2.Create),
        Large("mobilenet_v3_small", Howard3, MobileNetV3.Small),
        Large("mobilenet_v3_large", Howard3, MobileNetV3.Large),
        Large("shufflenet_v2_x1_0", Ma, ShuffleNetV2.Create),
        Large("efficientnet_b0", Tan, EfficientNet.B0),
        Large("convnext_tiny", Liu, ConvNeXt.Tiny),
        new("unet", new(1, 512, 512), 2, Ronneberger, (input, classes) => UNet.Create(input, classes)),
    }.ToDictionary(model => model.Name, StringComparer.Ordinal);

    /// <summary>All networks.</summary>
    public static IReadOnlyCollection<BuiltInModel> All => s_models.Values;

    /// <summary>The names of the networks.</summary>
    public static IReadOnlyCollection<string> Names => s_models.Keys;

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
        => Find(name).Create(input, classes);

    private static BuiltInModel Large(string name, string source, Func<Shape, int, Graph> build)
        => new(name, s_large, 1000, source, build);

    private static BuiltInModel Find(string name)
        => s_models.TryGetValue(name, out BuiltInModel? model)
        ? model
        : throw new ArgumentException($"There is no model \"{name}\". The built-in models are "
            + $"{string.Join(", ", Names)}.", nameof(name));
}
