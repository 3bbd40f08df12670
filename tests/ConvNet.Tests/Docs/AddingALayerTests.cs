using System.Text.RegularExpressions;
using NUnit.Framework;

namespace ConvNet.Tests.Docs;

/// <summary>docs/adding-a-layer.md names the files that a layer touches: those in which the name of its example
/// occurs.</summary>
public sealed partial class AddingALayerTests
{
    [Test]
    public void TheTableListsEveryFileThatKnowsGelu()
    {
        string page = File.ReadAllText(Repository.Path("docs", "adding-a-layer.md"));
        string[] listed = [.. Row().Matches(page).Select(row => row.Groups[1].Value)];
        // ActivationNodes.cs is for operators that ONNX has only since a later version than the oldest one exported,
        // and ActivationPatterns.cs reads them. The import of operators is in the text below the table.
        Assert.That(listed, Is.EquivalentTo(SourceFiles.With("gelu", "Airbench.cs", "ConvNeXt.cs",
            "ActivationNodes.cs", "ActivationPatterns.cs", "ActivationImports.cs", "OperatorTable.cs",
            "PatternTable.cs", "OnnxExportTests.cs", "OnnxOperatorTests.cs",
            "LayerCases.cs", "GraphCases.cs", "TracedOperations.cs", "ForwardModeCanaryTests.cs", "AssertionTests.cs",
            "GeluForRelu.cs", "Assertions.csproj", "GradientTests.cs", "optimizers.py",
            "OptimizerTruthTests.cs")).And.Length.AtMost(10));
    }

    [GeneratedRegex(@"^\| `([\w./]+)` \|", RegexOptions.Multiline)]
    private static partial Regex Row();
}
