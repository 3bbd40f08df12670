using NUnit.Framework;

namespace ConvNet.Tests.Docs;

/// <summary>The recipes of docs/gradient-validation.md against the schemas of their CI systems.</summary>
public sealed class RecipeTests
{
    private static readonly string s_document = File.ReadAllText(Repository.Path("docs", "gradient-validation.md"));

    public static IEnumerable<string> Systems => RecipeSchemas.All.Keys;

    [TestCaseSource(nameof(Systems))]
    public void ARecipeIsValid(string system)
        => Assert.That(RecipeSchemas.Errors(system, Recipe(system)), Is.Empty);

    [TestCase("GitHub Actions", "runs-on:", "runs-an:")]
    [TestCase("GitHub Actions", "jobs:", "job:")]
    [TestCase("GitHub Actions", "on: [push", "on: [pusch")]
    [TestCase("GitHub Actions", "      - run: ", "      - runs: ")]
    [TestCase("GitHub Actions", "- if: always()", "- when: always()")]
    [TestCase("GitHub Actions", "        with:\n          submodules: true", "        with: true")]
    [TestCase("GitLab CI", "script:", "scripts:")]
    [TestCase("GitLab CI", "when: always", "when: allways")]
    [TestCase("GitLab CI", "      junit: gradients.xml", "      junit: { gradients: xml }")]
    [TestCase("GitLab CI", "    paths:\n      - gradients.md", "    paths: gradients.md")]
    [TestCase("Azure Pipelines", "vmImage:", "vmimage:")]
    [TestCase("Azure Pipelines", "steps:", "step:")]
    [TestCase("Azure Pipelines", "submodules: true", "submodules: yes please")]
    [TestCase("Azure Pipelines", "testResultsFormat: JUnit", "testResultsFormat: junit5")]
    [TestCase("Azure Pipelines", "testResultsFiles:", "testResultFiles:")]
    [TestCase("Azure Pipelines", "condition: succeededOrFailed()", "condition: succeeded or failed")]
    public void ABrokenRecipeIsNot(string system, string good, string bad)
    {
        string recipe = Recipe(system);
        Assert.That(recipe, Does.Contain(good), "the recipe has what the test breaks");
        Assert.That(RecipeSchemas.Errors(system, recipe.Replace(good, bad, StringComparison.Ordinal)), Is.Not.Empty);
    }

    private static string Recipe(string system) => s_document.Split($"\n{system}:\n\n```yaml\n")[1].Split("```")[0];
}
