using System.Text.RegularExpressions;
using NUnit.Framework;

namespace ConvNet.Tests.Docs;

/// <summary>What README.md shows is what runs here.</summary>
public sealed partial class ReadmeTests
{
    private static readonly string s_readme = File.ReadAllText(Repository.Path("README.md"));

    [Test]
    public void TheExampleLearnsTheEdgeDetector()
    {
        // <example>
        // Filters are learned, not designed: from noise and its edges, one 3×3 filter becomes the edge detector.
        float[] sobel = [-1, 0, 1, -2, 0, 2, -1, 0, 1];
        var graph = new Graph(new Shape(1, 16, 16));                  // C, H, W of one image
        graph.Add(new Conv2d(outChannels: 1, kernelSize: 3, bias: false), graph.Input);

        var random = new Random(1);
        float[] images = [.. Enumerable.Range(0, 32 * 16 * 16).Select(_ => random.NextSingle() - 0.5f)];
        float[] edges = new float[32 * 14 * 14], learned = new float[9];
        using var reference = new ManagedBackend();                   // plain C#
        using var teacher = reference.CompileInference(graph, batchSize: 32);
        teacher.Write(graph.Parameters[0], sobel);
        teacher.Infer(images, edges);

        using var backend = new NativeBackend();                      // C, AVX2 or AVX-512
        using var net = backend.Compile(graph, new TrainingSpec(BatchSize: 32, new MeanSquaredError(), new Sgd()));
        net.Initialize(new HeNormal(Seed: 1));
        for (int step = 0; step < 100; step++)
        {
            net.Forward(images);                                      // 1
            net.Loss(edges);                                          // 2
            net.Backward();                                           // 3
            net.Step(learningRate: 1);                                // 4
        }
        net.Read(graph.Parameters[0], learned);
        if (learned.Zip(sobel).Any(w => Math.Abs(w.First - w.Second) > 1e-4f))
            throw new InvalidOperationException($"Not the edge detector: {string.Join(' ', learned)}");
        // </example>
    }

    [Test]
    public void TheReadmeShowsThisExample()
    {
        string source = File.ReadAllText(Repository.Path("tests", "ConvNet.Tests", "Docs", "ReadmeTests.cs"));
        string[] lines = source.Split('\n').SkipWhile(line => line.Trim() != "// <example>").Skip(1)
            .TakeWhile(line => line.Trim() != "// </example>").ToArray();
        string expected = string.Join('\n', lines.Select(line => line.Length > 0 ? line[8..] : line));

        string shown = Usings().Replace(FirstBlock("csharp"), "").Trim();

        Assert.That(shown, Is.EqualTo(expected));
    }

    [Test]
    public void TheFirstShellBlockHoldsTheTwoCommandsOfANewcomer()
        => Assert.That(FirstBlock("sh").Trim().Split('\n'), Is.EqualTo(["./convnet train", "./test.sh"]));

    /// <summary>The first block of README.md in a language.</summary>
    internal static string FirstBlock(string language)
        => Regex.Match(s_readme, $@"^```{language}\n(.*?)^```", RegexOptions.Multiline | RegexOptions.Singleline)
            .Groups[1].Value;

    [GeneratedRegex(@"^using [\w.]+;\n", RegexOptions.Multiline)]
    private static partial Regex Usings();
}
