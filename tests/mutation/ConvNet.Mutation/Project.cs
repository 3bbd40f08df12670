using System.Reflection;
using System.Runtime.InteropServices;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Diagnostics;
using Microsoft.CodeAnalysis.Emit;

namespace ConvNet.Mutation;

/// <summary>A project of the product, already built in Release, which is recompiled with mutants.</summary>
/// <param name="root">The root of the repository.</param>
/// <param name="name">Its name.</param>
/// <param name="places">The files and folders of it that are mutated.</param>
internal sealed class Project(string root, string name, params string[] places)
{
    private static readonly CSharpParseOptions Parsing = new(LanguageVersion.Preview);

    private readonly string _folder = Path.Combine(root, "src", name);

    /// <summary>The name of its assembly file.</summary>
    public string AssemblyFile => $"{name}.dll";

    /// <summary>Inserts mutants into the sources.</summary>
    /// <param name="first">The number of the first mutant of the project.</param>
    /// <param name="wanted">Whether to insert a mutant.</param>
    /// <returns>Every mutant, inserted or not, and the sources.</returns>
    public (List<Mutant> Mutants, List<SyntaxTree> Trees) Mutate(int first, Func<int, bool> wanted)
    {
        (List<Mutant> mutants, List<SyntaxTree> trees) = ([], []);
        foreach (string path in Sources())
        {
            SyntaxTree tree = CSharpSyntaxTree.ParseText(File.ReadAllText(path), Parsing, path);
            if (places.Any(place => path.StartsWith(Path.Combine(_folder, place), StringComparison.Ordinal)))
            {
                var switches = new Switches(Path.GetRelativePath(root, path), tree, first + mutants.Count, wanted);
                SyntaxNode changed = switches.Visit(tree.GetRoot());
                mutants.AddRange(switches.Mutants);
                if (switches.Mutants.Any(mutant => wanted(mutant.Number)))
                    tree = CSharpSyntaxTree.ParseText(changed.ToFullString(), Parsing, path);
            }
            trees.Add(tree);
        }
        return (mutants, trees);
    }

    /// <summary>Compiles the project with mutants, except those that do not compile.</summary>
    /// <param name="first">The number of the first mutant of the project.</param>
    /// <param name="wanted">The mutants to insert; those that do not compile are removed.</param>
    /// <param name="folder">The folder with the test assemblies, in which the project's assembly is
    /// replaced.</param>
    public void Compile(int first, HashSet<int> wanted, string folder)
    {
        while (true)
        {
            CSharpCompilation compilation = Compilation(Mutate(first, wanted.Contains).Trees, folder);
            using var assembly = new MemoryStream();
            EmitResult result =
                compilation.Emit(assembly, manifestResources: Resources(Path.Combine(folder, AssemblyFile)));
            if (result.Success)
            {
                File.WriteAllBytes(Path.Combine(folder, AssemblyFile), assembly.ToArray());
                return;
            }
            Diagnostic[] errors =
                [.. result.Diagnostics.Where(diagnostic => diagnostic.Severity == DiagnosticSeverity.Error)];
            int before = wanted.Count;
            foreach (Diagnostic error in errors)
                wanted.ExceptWith(MutantsAround(error.Location).Take(1));
            if (wanted.Count == before)
                throw new InvalidOperationException($"{name} does not compile: "
                    + $"{string.Join(Environment.NewLine, errors.Take(5))}");
        }
    }

    private IEnumerable<string> Sources()
    {
        string built = Path.Combine(_folder, "obj", "Release", "net10.0");
        if (!Directory.Exists(built))
            throw new DirectoryNotFoundException($"{name} has not been built: there is no {built}.");
        bool IsSource(string path) => !path.StartsWith(Path.Combine(_folder, "obj"), StringComparison.Ordinal)
            && !path.StartsWith(Path.Combine(_folder, "bin"), StringComparison.Ordinal);
        return Directory.EnumerateFiles(_folder, "*.cs", SearchOption.AllDirectories).Where(IsSource)
            .Concat(Directory.EnumerateFiles(built, "*.cs")).Order(StringComparer.Ordinal);
    }

    private CSharpCompilation Compilation(IEnumerable<SyntaxTree> trees, string folder)
    {
        string[] runtime = Directory.GetFiles(RuntimeEnvironment.GetRuntimeDirectory(), "*.dll");
        IEnumerable<string> files = runtime.Concat(Directory.GetFiles(folder, "*.dll")
            .Where(file => Path.GetFileName(file) != AssemblyFile)).Where(IsAssembly);
        var options = new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary,
            optimizationLevel: OptimizationLevel.Release, allowUnsafe: true,
            nullableContextOptions: NullableContextOptions.Enable);
        var compilation = CSharpCompilation.Create(name, trees.Append(CSharpSyntaxTree.ParseText(Chooser, Parsing)),
            files.Select(file => MetadataReference.CreateFromFile(file)), options);
        CSharpGeneratorDriver.Create(Generators(), parseOptions: Parsing)
            .RunGeneratorsAndUpdateCompilation(compilation, out Compilation generated, out _);
        return (CSharpCompilation)generated;
    }

    private const string Chooser = $$"""
        namespace ConvNet.Mutation
        {
            internal static class Mutants
            {
                private static readonly int Chosen =
                    int.Parse(global::System.Environment.GetEnvironmentVariable("{{Program.Variable}}") ?? "0");

                public static bool Is(int number) => number == Chosen;
            }
        }
        """;

    private static IEnumerable<int> MutantsAround(Location place)
        => from node in place.SourceTree!.GetRoot().FindNode(place.SourceSpan).AncestorsAndSelf()
            .OfType<ConditionalExpressionSyntax>()
           where node.Condition is InvocationExpressionSyntax call && call.Expression.ToString() == Switches.Question
           select int.Parse(((InvocationExpressionSyntax)node.Condition).ArgumentList.Arguments[0].ToString());

    private static bool IsAssembly(string file)
    {
        try
        {
            AssemblyName.GetAssemblyName(file);
            return true;
        }
        catch (BadImageFormatException)
        {
            return false;
        }
    }

    // The generators of the SDK, such as that of LibraryImport.
    private static IEnumerable<ISourceGenerator> Generators()
    {
        string packs = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..",
            "packs", "Microsoft.NETCore.App.Ref"));
        string newest = Directory.GetDirectories(packs, $"{Environment.Version.Major}.*").Order(StringComparer.Ordinal)
            .Last();
        return Directory.GetFiles(Path.Combine(newest, "analyzers", "dotnet", "cs"), "*.dll")
            .SelectMany(file => new AnalyzerFileReference(file, Loader.Instance).GetGenerators(LanguageNames.CSharp));
    }

    private static IEnumerable<ResourceDescription> Resources(string file)
    {
        Assembly built = Assembly.Load(File.ReadAllBytes(file));
        return built.GetManifestResourceNames()
            .Select(resource => new ResourceDescription(resource, () => built.GetManifestResourceStream(resource)!,
            isPublic: true));
    }

    private sealed class Loader : IAnalyzerAssemblyLoader
    {
        public static readonly Loader Instance = new();

        public void AddDependencyLocation(string fullPath)
        {
        }

        public Assembly LoadFromPath(string fullPath) => Assembly.LoadFrom(fullPath);
    }
}
