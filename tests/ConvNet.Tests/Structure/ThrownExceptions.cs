using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace ConvNet.Tests.Structure;

/// <summary>The exceptions that members throw, as far as the source says so: those that their own code throws, the
/// checks of .NET that it calls, and the same for all code that only the package itself can call.</summary>
/// <remarks>What a call of another visible member throws is not followed, because the arguments usually exclude it;
/// nor are anonymous functions, which run elsewhere, and calls whose target depends on the object.</remarks>
internal sealed class ThrownExceptions(ApiSources sources)
{
    // What cannot happen, and an exception of another place, of which only that is known.
    private static readonly string[] s_unknown = ["System.Diagnostics.UnreachableException", "System.Exception"];

    private readonly Dictionary<ISymbol, IReadOnlyDictionary<INamedTypeSymbol, string>> _known
        = new(SymbolEqualityComparer.Default);

    private readonly HashSet<ISymbol> _open = new(SymbolEqualityComparer.Default);

    /// <summary>The exceptions of a member, each with the code that throws it.</summary>
    public IReadOnlyDictionary<INamedTypeSymbol, string> Of(ISymbol member)
    {
        if (_known.TryGetValue(member, out IReadOnlyDictionary<INamedTypeSymbol, string>? known))
            return known;
        var found = new Dictionary<INamedTypeSymbol, string>(SymbolEqualityComparer.Default);
        // Recursive code throws nothing that its other parts do not.
        if (!_open.Add(member))
            return found;
        foreach (SyntaxNode declared in member.DeclaringSyntaxReferences.Select(reference => reference.GetSyntax()))
        {
            foreach (SyntaxNode code in CodeOf(declared, member))
                Add(found, In(code, sources.ModelOf(code.SyntaxTree)));
        }
        _open.Remove(member);
        _known[member] = found;
        return found;
    }

    // A type stands for its primary constructor, which runs the initialisers of the instance.
    private static IEnumerable<SyntaxNode> CodeOf(SyntaxNode declared, ISymbol member) => declared switch
    {
        TypeDeclarationSyntax type when member is IMethodSymbol => [
            .. type.Members.OfType<FieldDeclarationSyntax>().Where(field => !IsStatic(field.Modifiers)),
            .. type.Members.OfType<PropertyDeclarationSyntax>().Where(property => !IsStatic(property.Modifiers))
                .Select(property => property.Initializer).OfType<SyntaxNode>()],
        PropertyDeclarationSyntax property => [.. new SyntaxNode?[] { property.AccessorList, property.ExpressionBody }
            .OfType<SyntaxNode>()],
        TypeDeclarationSyntax or VariableDeclaratorSyntax => [],
        LocalFunctionStatementSyntax local => [.. new SyntaxNode?[] { local.Body, local.ExpressionBody }
            .OfType<SyntaxNode>()],
        _ => [declared],
    };

    private static bool IsStatic(SyntaxTokenList modifiers) => modifiers.Any(SyntaxKind.StaticKeyword);

    private Dictionary<INamedTypeSymbol, string> In(SyntaxNode code, SemanticModel model)
    {
        var found = new Dictionary<INamedTypeSymbol, string>(SymbolEqualityComparer.Default);
        foreach (SyntaxNode node in code.DescendantNodesAndSelf(inner => inner == code
            || inner is not (AnonymousFunctionExpressionSyntax or LocalFunctionStatementSyntax or TryStatementSyntax)))
        {
            if (node is TryStatementSyntax attempt && node != code)
                Add(found, InAttempt(attempt, model));
            else
                Add(found, At(node, model));
        }
        return found;
    }

    private Dictionary<INamedTypeSymbol, string> InAttempt(TryStatementSyntax attempt, SemanticModel model)
    {
        Dictionary<INamedTypeSymbol, string> found = In(attempt.Block, model);
        foreach (CatchClauseSyntax clause in attempt.Catches.Where(clause => clause.Filter is null))
        {
            ITypeSymbol? caught = clause.Declaration is { } declaration ? model.GetTypeInfo(declaration.Type).Type
                : null;
            bool again = clause.Block.DescendantNodes().Any(node => node is ThrowStatementSyntax { Expression: null });
            foreach (INamedTypeSymbol type in again ? [] : found.Keys.Where(type => caught is null
                || IsA(type, caught)).ToArray())
                found.Remove(type);
        }
        foreach (SyntaxNode further in attempt.Catches.Select(clause => (SyntaxNode)clause.Block)
            .Concat(attempt.Finally is { } last ? [last] : []))
            Add(found, In(further, model));
        return found;
    }

    private IEnumerable<KeyValuePair<INamedTypeSymbol, string>> At(SyntaxNode node, SemanticModel model)
    {
        ExpressionSyntax? thrown = node switch
        {
            ThrowStatementSyntax statement => statement.Expression,
            ThrowExpressionSyntax expression => expression.Expression,
            _ => null,
        };
        if (thrown is not null)
            return model.GetTypeInfo(thrown).Type is INamedTypeSymbol type && !s_unknown.Contains($"{type}")
                ? [KeyValuePair.Create(type, Line(node))] : [];
        // The name alone stands for a property, and its parent for a call or a construction.
        ISymbol? used = node switch
        {
            InvocationExpressionSyntax or BaseObjectCreationExpressionSyntax or ConstructorInitializerSyntax
                or ElementAccessExpressionSyntax => model.GetSymbolInfo(node).Symbol,
            IdentifierNameSyntax => model.GetSymbolInfo(node).Symbol as IPropertySymbol,
            _ => null,
        };
        if (used is not (IMethodSymbol or IPropertySymbol))
            return [];
        if (used is IMethodSymbol { IsStatic: true } check
            && check.Name.StartsWith("ThrowIf", StringComparison.Ordinal) && IsException(check.ContainingType))
            return [KeyValuePair.Create(check.ContainingType, Line(node))];
        used = (used as IMethodSymbol)?.ReducedFrom ?? used;
        return used.IsAbstract || ApiSources.IsVisible(used) ? [] : Of(used.OriginalDefinition);
    }

    /// <summary>Whether a type is an exception.</summary>
    public static bool IsException(ITypeSymbol type)
        => type.ToDisplayString() == "System.Exception" || type.BaseType is { } parent && IsException(parent);

    private static bool IsA(ITypeSymbol type, ITypeSymbol ancestor)
        => SymbolEqualityComparer.Default.Equals(type, ancestor) || type.BaseType is { } parent
            && IsA(parent, ancestor);

    private static void Add(Dictionary<INamedTypeSymbol, string> found,
        IEnumerable<KeyValuePair<INamedTypeSymbol, string>> further)
    {
        foreach ((INamedTypeSymbol type, string line) in further)
            found.TryAdd(type, line);
    }

    private static string Line(SyntaxNode node)
    {
        FileLinePositionSpan place = node.SyntaxTree.GetLineSpan(node.Span);
        return $"{place.Path}:{place.StartLinePosition.Line + 1} {node}".ReplaceLineEndings(" ");
    }
}
