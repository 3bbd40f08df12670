using System.Text.Json;
using ConvNet.Cli;
using ConvNet.Models;
using ConvNet.Serialization;
using ConvNet.Summaries;
using NUnit.Framework;

namespace ConvNet.Tests.Models;

/// <summary>The built-in networks: their published sizes, and that they go through files unchanged.</summary>
public sealed class BuiltInModelTests
{
    // The published parameters, and the multiply-adds of convolutions and linear layers in 10⁹, with three decimals
    // where torchvision states them. Null: not published.
    private static readonly (string Name, long Parameters, double? Multiplies)[] s_published =
    [
        ("digits", 25_866, null), ("lenet5", 61_706, null), ("cifarnet", 1_116_970, null),
        ("airbench94", 1_972_792, null), ("resnet20", 272_474, null), ("resnet32", 466_906, null),
        ("resnet56", 855_770, null), ("alexnet", 61_100_840, 0.714), ("vgg11", 132_863_336, 7.609),
        ("vgg13", 133_047_848, 11.308), ("vgg16", 138_357_544, 15.47), ("vgg19", 143_667_240, 19.632),
        ("vgg11_bn", 132_868_840, 7.609), ("vgg13_bn", 133_053_736, 11.308), ("vgg16_bn", 138_365_992, 15.47),
        ("vgg19_bn", 143_678_248, 19.632), ("googlenet", 6_624_904, 1.498), ("googlenet_aux", 13_004_888, null),
        ("resnet18", 11_689_512, 1.814), ("resnet34", 21_797_672, 3.664), ("resnet50", 25_557_032, 4.089),
        ("resnet101", 44_549_160, 7.801), ("squeezenet1_1", 1_235_496, 0.349), ("densenet121", 7_978_856, 2.834),
        ("mobilenet_v1", 4_231_976, 0.569), ("mobilenet_v2", 3_504_872, 0.301),
        ("mobilenet_v3_small", 2_542_856, 0.057), ("mobilenet_v3_large", 5_483_032, 0.217),
        ("shufflenet_v2_x1_0", 2_278_604, 0.145), ("efficientnet_b0", 5_288_548, 0.386),
        ("convnext_tiny", 28_589_128, 4.456), ("unet", UNetParameters(channels: 1, classes: 2), null),
    ];

    private static IEnumerable<string> Names => BuiltInModels.Names;

    [TestCaseSource(nameof(Names))]
    public void ParametersAndMultiplyAddsAreThePublishedOnes(string name)
    {
        (_, long parameters, double? multiplies) = s_published.Single(model => model.Name == name);
        Graph graph = BuiltInModels.Create(name);
        Assert.That(graph.ParameterCount, Is.EqualTo(parameters));
        if (multiplies is { } published)
            Assert.That(graph.LayerNodes.Where(node => node.Layer is Convolution2d or Linear)
                .Sum(node => node.Layer!.MultiplyAdds(node.InputShapes)) / 1e9, Is.EqualTo(published).Within(6e-4));
    }

    [TestCaseSource(nameof(Names))]
    public void AFileComesBackByteForByte(string name)
    {
        string json = GraphJson.Write(BuiltInModels.Create(name));
        Assert.That(GraphJson.Write(GraphJson.Read(json)), Is.EqualTo(json));
    }

    [TestCaseSource(nameof(Names))]
    public void OtherImagesAndClassesFit(string name)
    {
        Shape own = BuiltInModels.InputOf(name);
        int size = own.H == 224 ? 96 : 2 * own.H;
        Graph graph = BuiltInModels.Create(name, new Shape(own.C, size, size), classes: 3);
        Assert.That(graph.Outputs.Select(output => output.Shape.C), Is.All.EqualTo(3));
        Assert.That(ModelSummary.Of(graph).Parameters, Is.EqualTo(graph.ParameterCount));
    }

    [Test]
    public void EveryNetworkSaysWhereItComesFrom() => Assert.That(BuiltInModels.All.Select(model => model.Source),
        Has.All.Match(@"^\w.* \d{4}$"));

    [Test]
    public void TheNetworksOfTheRecipesAreAsDescribed()
    {
        Assert.That(SizeOf("fashion-small"), Is.EqualTo((97_914L, 10_336_736L)));
        Assert.That(SizeOf("fashion-large"), Is.EqualTo((1_161_234L, 59_670_400L)));
        Assert.That(SizeOf("digits-epoch").Parameters, Is.EqualTo(445_834));

        static (long Parameters, long MultiplyAdds) SizeOf(string name)
        {
            Graph graph = GraphJson.Load(Repository.Path("examples", "recipes", $"{name}.json"));
            return (graph.ParameterCount, ModelSummary.Of(graph).MultiplyAdds);
        }
    }

    [Test]
    public void ARecipeNamesOptionsOfTrain()
    {
        string[] options = [.. App.Describe().Subcommands.Single(verb => verb.Name == "train").Options
            .Select(option => option.Name[2..])];
        string[] files = Directory.GetFiles(Repository.Path("examples", "recipes"), "*.recipe.json");
        Assert.That(files, Is.Not.Empty);
        foreach (string file in files)
        {
            using var recipe = JsonDocument.Parse(File.ReadAllText(file));
            Assert.That(recipe.RootElement.EnumerateObject().Select(property => property.Name)
                .Except(["format", "version"]).Except(options), Is.Empty, file);
            string model = recipe.RootElement.GetProperty("model").GetString()!;
            Assert.That(File.Exists(Repository.Path(model)) || BuiltInModels.Names.Contains(model), model);
        }
    }

    [Test]
    public void TheNumberOfClassesIsAtLeastOne() => Assert.That(() => BuiltInModels.Create("resnet18", classes: 0),
        Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("at least 1"));

    // Two 3×3 convolutions at each of five widths down, and at four up after a 2×2 convolution to half the channels,
    // whose output is concatenated with features of as many channels; and a 1×1 convolution.
    private static long UNetParameters(int channels, int classes)
    {
        int[] widths = [64, 128, 256, 512, 1024];
        long down = 0, up = 0;
        for (int i = 0; i < widths.Length; i++)
            down += Of(i == 0 ? channels : widths[i - 1], widths[i], 3) + Of(widths[i], widths[i], 3);
        for (int i = 0; i < widths.Length - 1; i++)
            up += Of(widths[i + 1], widths[i], 2) + Of(2 * widths[i], widths[i], 3) + Of(widths[i], widths[i], 3);
        Assert.That((down, up), Is.EqualTo((18_842_048L, 12_188_480L)));
        return down + up + Of(widths[0], classes, 1);

        static long Of(int from, int to, int kernel) => (long)from * to * kernel * kernel + to;
    }
}
