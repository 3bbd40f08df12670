using System.Xml.Linq;
using System.Xml.XPath;
using Microsoft.CodeAnalysis;
using NUnit.Framework;

namespace ConvNet.Tests.Structure;

/// <summary>The XML comments of what the packages offer: every member has a summary, names the exceptions that it
/// throws, and refers to nothing that its reader cannot see.</summary>
public sealed class PublicCommentTests
{
    private static readonly Lazy<ApiSources> s_packages = new(ApiSources.OfPackages);

    [Test]
    public void EveryTypeAndMemberHasASummary() => None(WithoutSummary(s_packages.Value));

    [Test]
    public void ExceptionsAreDocumented() => None(Undocumented(s_packages.Value));

    [Test]
    public void CommentsReferToWhatTheirReaderCanSee() => None(HiddenReferences(s_packages.Value));

    [Test]
    public void ShortcomingsAreFound()
    {
        var text = ApiSources.Of("""
            /// <summary>A type.</summary>
            public class Shown
            {
                public void WithoutSummary() { }

                /// <summary>Checks with .NET.</summary>
                public void Checks(object x) => ArgumentNullException.ThrowIfNull(x);

                /// <summary>Calls what throws, <see cref="Throws"/>.</summary>
                /// <exception cref="ArgumentException">Not this one.</exception>
                public int Calls => Throws() + 1;

                /// <summary>Names it.</summary>
                /// <exception cref="InvalidOperationException">Always.</exception>
                public virtual int Documented() => Throws();

                /// <summary>Takes what it documents from a member, but for one.</summary>
                /// <inheritdoc cref="Documented" path="/exception[not(@cref='T:System.InvalidOperationException')]"/>
                public int Filters() => Throws();

                /// <summary>Catches it.</summary>
                public void Catches()
                {
                    try
                    {
                        Throws();
                    }
                    catch (InvalidOperationException)
                    {
                    }
                }

                private static int Throws() => throw new InvalidOperationException();
            }

            /// <summary>A derived type.</summary>
            public class Derived : Shown
            {
                /// <inheritdoc/>
                public override int Documented() => throw new InvalidOperationException();
            }

            /// <summary>A record.</summary>
            /// <param name="Value">A value.</param>
            public record Positional(int Value)
            {
                /// <summary>A value.</summary>
                public int Value { get; } = Value > 0 ? Value : throw new ArgumentOutOfRangeException(nameof(Value));
            }
            """);
        Assert.Multiple(() =>
        {
            Assert.That(WithoutSummary(text), Is.EqualTo(new[] { "Text.cs:4 Shown.WithoutSummary() has no summary" }));
            Assert.That(Undocumented(text).Select(line => line.Split(" (")[0]), Is.EquivalentTo(new[]
            {
                "Text.cs:7 Shown.Checks(object) throws an undocumented System.ArgumentNullException",
                "Text.cs:11 Shown.Calls throws an undocumented System.InvalidOperationException",
                "Text.cs:19 Shown.Filters() throws an undocumented System.InvalidOperationException",
                "Text.cs:45 Positional.Positional(int) throws an undocumented System.ArgumentOutOfRangeException",
            }));
            Assert.That(HiddenReferences(text),
                Is.EqualTo(new[] { "Text.cs:11 Shown.Calls refers to Shown.Throws()" }));
        });
    }

    private static IEnumerable<string> WithoutSummary(ApiSources sources)
        => from symbol in sources.Visible
           let comment = ApiSources.CommentOf(symbol)
           where comment.Element("summary") is null && comment.Element("inheritdoc") is null
           select $"{Place(symbol)} has no summary";

    private static IEnumerable<string> Undocumented(ApiSources sources)
    {
        var thrown = new ThrownExceptions(sources);
        return from symbol in sources.Visible
               where symbol is not ITypeSymbol
               let documented = Documented(sources, symbol).Select(each => each.Attribute("cref")!.Value).ToHashSet()
               from exception in thrown.Of(symbol)
               where !NamesOf(exception.Key).Any(documented.Contains)
               select $"{Place(symbol)} throws an undocumented {exception.Key} ({exception.Value})";
    }

    // The many ways in which files fail are all documented as IOException.
    private static IEnumerable<string> NamesOf(INamedTypeSymbol exception)
        => exception.BaseType?.ToDisplayString() == "System.IO.IOException"
            ? [exception.GetDocumentationCommentId()!, exception.BaseType.GetDocumentationCommentId()!]
            : [exception.GetDocumentationCommentId()!];

    private static IEnumerable<string> HiddenReferences(ApiSources sources)
        => from symbol in sources.Visible
           from reference in ApiSources.CommentOf(symbol).Descendants().Attributes("cref")
           let named = sources.Find(reference.Value)
           where named is not null && !ApiSources.IsVisible(named)
           select $"{Place(symbol)} refers to {named}";

    // Those of the comment, and those of the comments that it inherits, as far as its path selects them.
    private static IEnumerable<XElement> Documented(ApiSources sources, ISymbol symbol)
    {
        XElement comment = ApiSources.CommentOf(symbol);
        IEnumerable<XElement> own = comment.Elements("exception");
        return own.Concat(from inherited in comment.Elements("inheritdoc")
                          from ancestor in inherited.Attribute("cref") is { } name
                              ? [sources.Find(name.Value)] : Ancestors(symbol)
                          where ancestor is not null
                          let exceptions = new XElement("member", Documented(sources, ancestor))
                          let path = inherited.Attribute("path")?.Value ?? "/exception"
                          from exception in exceptions.XPathSelectElements($".{path}")
                          select exception);
    }

    private static IEnumerable<ISymbol?> Ancestors(ISymbol symbol)
    {
        if (symbol is INamedTypeSymbol type)
            return type.AllInterfaces.Append(type.BaseType);
        ISymbol? overridden = symbol switch
        {
            IMethodSymbol method => method.OverriddenMethod,
            IPropertySymbol property => property.OverriddenProperty,
            _ => null,
        };
        return symbol.ContainingType.AllInterfaces.SelectMany(contract => contract.GetMembers())
            .Where(member => SymbolEqualityComparer.Default.Equals(
                symbol.ContainingType.FindImplementationForInterfaceMember(member), symbol))
            .Append(overridden);
    }

    private static string Place(ISymbol symbol)
    {
        FileLinePositionSpan place = symbol.Locations[0].GetLineSpan();
        return $"{place.Path}:{place.StartLinePosition.Line + 1} {symbol}";
    }

    private static void None(IEnumerable<string> shortcomings)
    {
        string[] all = [.. shortcomings];
        Assert.That(all, Is.Empty, string.Join('\n', all));
    }
}
