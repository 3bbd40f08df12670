using System.Text.RegularExpressions;
using ConvNet.GradientChecking;
using NUnit.Framework;

namespace ConvNet.Tests.Properties;

/// <summary>The machinery of the properties: what is wrong is found, made small and replayed.</summary>
public sealed partial class RandomPropertyTests
{
    [Test]
    public void AFalsePropertyIsShrunkAndItsSeedReplaysIt()
    {
        string message = MessageOf(null);
        Assert.That(message, Does.Contain("Conv2d { OutChannels = 1,")
            .And.Contain("Kernel = 1×3,").And.Contain("BatchSize = 1,"), "the smallest case");
        Match seeds = Seeds().Match(message);
        Assert.That(seeds.Success, Is.True, message);
        Assert.That(MessageOf(seeds.Groups[1].Value), Does.Contain("Falsifiable, after 1 test"),
            "and nothing before it");
    }

    private static string MessageOf(string? seed)
    {
        try
        {
            RandomProperty.Holds(number => RandomCases.Layer(number), made => made.Layer is Conv2d, HasNarrowKernel,
                seed);
        }
        catch (Exception failure)
        {
            return failure.Message;
        }
        throw new InvalidOperationException("The property held.");
    }

    private static void HasNarrowKernel(LayerGradientCase made)
    {
        if (((Conv2d)made.Layer).Window.Kernel.W > 2)
            throw new InvalidOperationException("a kernel of more than two columns");
    }

    [GeneratedRegex(@"failing step with \(([\d,]+)\)")]
    private static partial Regex Seeds();
}
