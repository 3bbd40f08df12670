using System.Xml.Linq;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace ConvNet.Tests.Structure;

/// <summary>The sources of all packages, as the compiler understands them.</summary>
internal sealed class ApiSources
{
    // What the project files say.
    private static readonly string s_shared = $$"""
        global using System;
        global using System.Collections.Generic;
        global using System.IO;
        global using System.Linq;
        global using System.Threading;
        global using System.Threading.Tasks;
        {{string.Join('\n', Packages.Select(package
            => $"[assembly: System.Runtime.CompilerServices.InternalsVisibleTo(\"{package}\")]"))}}
        """;

    private readonly Dictionary<SyntaxTree, Compilation> _compilations = [];
    private readonly Dictionary<string, ISymbol?> _named = [];

    private ApiSources()
    {
    }

    /// <summary>The projects, each after those that it references.</summary>
    public static IReadOnlyList<string> Packages
        => ["ConvNet.Managed", "ConvNet.Data", "ConvNet.Native", "ConvNet.TorchSharp", "ConvNet.GradientCheck",
            "ConvNet.Mpi"];

    /// <summary>Reads the sources of the packages.</summary>
    public static ApiSources OfPackages()
    {
        var sources = new ApiSources();
        foreach (string project in Packages)
        {
            string folder = Repository.Path("src", project);
            sources.Add(project, Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories).Order()
                .Where(file => Path.GetRelativePath(folder, file).Split(Path.DirectorySeparatorChar)[0]
                    is not ("obj" or "bin") && !file.EndsWith(".None.cs", StringComparison.Ordinal))
                .Select(file => (Path.GetRelativePath(Repository.Root, file), File.ReadAllText(file))));
        }
        return sources;
    }

    /// <summary>Reads one text, as an assembly of its own.</summary>
    public static ApiSources Of(string text)
    {
        var sources = new ApiSources();
        sources.Add("Text", [("Text.cs", text)]);
        return sources;
    }

    /// <summary>The types and members that users can see, in the order of their files.</summary>
    public IEnumerable<ISymbol> Visible => _compilations.Values.Distinct()
        .SelectMany(compilation => Within(compilation.Assembly.GlobalNamespace)).Where(IsVisible);

    /// <summary>The meaning of a piece of source.</summary>
    public SemanticModel ModelOf(SyntaxTree tree) => _compilations[tree].GetSemanticModel(tree);

    /// <summary>Whether a user can see a type or a member.</summary>
    public static bool IsVisible(ISymbol symbol) => symbol switch
    {
        INamespaceSymbol => true,
        ITypeParameterSymbol or IParameterSymbol => true,
        IArrayTypeSymbol array => IsVisible(array.ElementType),
        _ => IsVisible(symbol.ContainingSymbol) && (symbol.DeclaredAccessibility is Accessibility.Public
            || symbol.DeclaredAccessibility is Accessibility.Protected or Accessibility.ProtectedOrInternal
                && !symbol.ContainingType.IsSealed),
    };

    /// <summary>The XML comment of a type or member.</summary>
    public static XElement CommentOf(ISymbol symbol)
    {
        // A primary constructor has the comment of its type.
        ISymbol commented = symbol is IMethodSymbol { MethodKind: MethodKind.Constructor } constructor
            && constructor.DeclaringSyntaxReferences.Any(declared => declared.GetSyntax() is TypeDeclarationSyntax)
            ? constructor.ContainingType : symbol;
        string xml = commented.GetDocumentationCommentXml() ?? "";
        return XElement.Parse(xml.Length == 0 ? "<member />" : xml, LoadOptions.PreserveWhitespace);
    }

    /// <summary>The type or member that a comment names; null if there is none.</summary>
    public ISymbol? Find(string id)
    {
        if (!_named.TryGetValue(id, out ISymbol? named))
        {
            _named[id] = named = _compilations.Values.Distinct()
                .Select(compilation => DocumentationCommentId.GetFirstSymbolForDeclarationId(id, compilation))
                .FirstOrDefault(found => found is not null);
        }
        return named;
    }

    private static IEnumerable<ISymbol> Within(INamespaceOrTypeSymbol parent)
    {
        foreach (ISymbol member in parent.GetMembers())
        {
            if (member is INamespaceOrTypeSymbol inner)
            {
                if (inner is INamedTypeSymbol)
                    yield return inner;
                foreach (ISymbol further in Within(inner))
                    yield return further;
            }
            else if (!member.IsImplicitlyDeclared && member is not IMethodSymbol { AssociatedSymbol: not null })
            {
                yield return member;
            }
        }
    }

    private void Add(string assembly, IEnumerable<(string Path, string Text)> files)
    {
        CSharpParseOptions options = CSharpParseOptions.Default.WithLanguageVersion(LanguageVersion.Latest)
            .WithDocumentationMode(DocumentationMode.Parse);
        SyntaxTree[] trees = [CSharpSyntaxTree.ParseText(s_shared, options),
            .. files.Select(file => CSharpSyntaxTree.ParseText(file.Text, options, file.Path))];
        var others = _compilations.Values.Distinct().ToDictionary(compilation => $"{compilation.AssemblyName}.dll");
        string[] known = [.. others.Keys, $"{assembly}.dll"];
        IEnumerable<MetadataReference> references =
        [
            .. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator)
                .Where(path => !known.Contains(Path.GetFileName(path)))
                .Select(path => MetadataReference.CreateFromFile(path)),
            .. others.Values.Select(compilation => compilation.ToMetadataReference()),
        ];
        CSharpCompilation compilation = CSharpCompilation.Create(assembly, trees, references,
            new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary, allowUnsafe: true));
        foreach (SyntaxTree tree in trees)
            _compilations.Add(tree, compilation);
    }
}
