using System.Reflection;
using System.Text.RegularExpressions;
using NUnit.Framework;

namespace ConvNet.Tests.Reference;

/// <summary>Every optimiser of the library declares all that others need to know of it, and nobody else asks for its
/// type.</summary>
[TestFixtureSource(nameof(Types))]
public sealed class EveryOptimizerTests(Type type)
{
    public static IEnumerable<Type> Types => typeof(Optimizer).Assembly.GetTypes()
        .Where(type => type.IsSubclassOf(typeof(Optimizer)) && !type.IsAbstract && type != typeof(Lookahead));

    private OptimizerDeclaration Declared => (OptimizerDeclaration)type.GetProperty("Declared")!.GetValue(null)!;

    private IEnumerable<Optimizer> Cases
        => OptimizerCases.All.Select(each => each.Optimizer).Where(each => each.GetType() == type);

    [Test]
    public void ItIsInTheSetOnceAndHasACase()
    {
        Assert.That(OptimizerSet.BuiltIn.Declarations.Count(each => each == Declared), Is.EqualTo(1));
        Assert.That(Cases, Is.Not.Empty);
        Assert.That(Cases.Select(each => each.Declaration), Is.All.SameAs(Declared));
        Assert.That(Declared.Usual, Is.TypeOf(type));
        Assert.That(Declared.Summary, Is.Not.Empty);
        Assert.That(Declared.Attributes.Select(each => each.Summary), Is.All.Not.Empty);
    }

    [Test]
    public void ItsConstructorTakesWhatIsDeclaredWithTheSameDefaults()
    {
        ParameterInfo[] parameters = type.GetConstructors().MaxBy(each => each.GetParameters().Length)!.GetParameters();
        Assert.That(parameters.Select(each => each.Name), Is.EqualTo(Declared.Attributes.Select(each => each.Name)));
        Assert.That(parameters.Select(each => FormattableString.Invariant($"{each.DefaultValue}").ToLowerInvariant()),
            Is.EqualTo(Declared.Attributes.Select(each => each.Default!.ToLowerInvariant())));
    }

    [Test]
    public void ItIsMadeOfItsValues()
    {
        foreach (Optimizer optimizer in Cases)
            Assert.That(Declared.Make(Declared.ValuesOf(optimizer)), Is.EqualTo(optimizer));
    }

    [Test]
    public void NoFileOutsideTheTablesAsksForItsType()
    {
        string[] tables = ["ConvNet.Native/Steps/OptimizerKernels.cs", "ConvNet.TorchSharp/TorchOptimizers.cs"];
        var asks = new Regex(
            $@"\b(is|as|case|or|and|not|typeof\(|OfType<)\s*\(?{type.Name}\b(?!\()|^\s*{type.Name}\s+\w+\s*=>",
            RegexOptions.Multiline);
        foreach (string file in Directory.EnumerateFiles(Repository.Path("src"), "*.cs", SearchOption.AllDirectories))
        {
            string path = file.Replace('\\', '/');
            if (path.Contains("/obj/", StringComparison.Ordinal) || tables.Any(path.EndsWith))
                continue;
            Match found = asks.Match(string.Join('\n', File.ReadLines(file)
                .Where(line => !line.TrimStart().StartsWith("//", StringComparison.Ordinal))));
            Assert.That(found.Success, Is.False, $"{path}: {found.Value}");
        }
    }
}
