using ConvNet.Data;
using ConvNet.Tests.Data;
using NUnit.Framework;
using SkiaSharp;

namespace ConvNet.Tests.Docs;

/// <summary>What docs/data.md says about transforms, mixing and samplers is so.</summary>
public sealed class DataPageTests
{
    private static readonly string s_page = File.ReadAllText(Repository.Path("docs", "data.md"));

    [Test]
    public void TheTableHasEveryTransformWithItsAttributes()
    {
        string[] rows = [.. s_page.Split('\n').Where(line => line.StartsWith("| `", StringComparison.Ordinal))];
        foreach (Declaration<Transform> kind in Transform.BuiltIn.Declarations)
        {
            string row = rows.Single(line => line.Contains($"`{kind.Kind}`", StringComparison.Ordinal));
            foreach (AttributeDeclaration attribute in kind.Attributes)
                Assert.That(row, Does.Contain($" {attribute.Name}"), kind.Kind);
        }
        foreach (string kind in BatchTransform.BuiltIn.Declarations.Select(each => each.Kind)
            .Concat(Sampler.BuiltIn.Declarations.Select(each => each.Kind)))
            Assert.That(s_page, Does.Contain($"- `{kind}`"));
    }

    [Test]
    public void TheExampleMakesBatches()
    {
        using var folder = new TemporaryFolder();
        byte[] image = MadeImages.Encode(SKEncodedImageFormat.Png, 40, 30, MadeImages.Ramp);
        for (int i = 0; i < 12; i++)
        {
            Directory.CreateDirectory(folder.File($"class{i % 2}"));
            File.WriteAllBytes(folder.File($"class{i % 2}/{i}.png"), image);
        }
        var photos = ImageSource.Open(folder.Path, new ImageSourceOptions { Shape = new Shape(3, 32, 32) });
        var normalization = Normalization.Of(photos.Train, photos.MaxValue);
        // <example>
        var augmented = new DataLoader(photos.Train, 32, new()
        {
            Seed = 1,
            Sampler = new ClassBalancedSampler(),
            Transforms =
            [
                new RandomResizedCrop(32, scale: (0.3, 1)), new AlternatingFlip(), new ColorJitter(0.4, 0.4, 0.4),
                normalization,
            ],
            BatchTransforms = [new MixUp(0.2), new CutMix()],
        });
        // </example>
        using Batch batch = augmented.Epoch(1).Single();
        Assert.That(batch.Values.Length, Is.EqualTo(2 * batch.Count), "a probability for each class");
        Assert.That(batch.Input.ToArray(), Has.All.InRange(-20, 20));
        string source = File.ReadAllText(Repository.Path("tests", "ConvNet.Tests", "Docs", "DataPageTests.cs"));
        string[] lines = [.. source.Split('\n').SkipWhile(line => line.Trim() != "// <example>").Skip(1)
            .TakeWhile(line => line.Trim() != "// </example>").Select(line => line[8..])];
        Assert.That(s_page, Does.Contain(string.Join('\n', lines)));
    }
}
