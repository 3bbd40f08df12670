using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace ConvNet.Mutation;

/// <summary>
/// Finds the mutants of a file and inserts the selected ones, each behind a switch: a + b becomes
/// (Mutants.Is(7) ? a - b : a + b). One build contains them all.
/// </summary>
/// <param name="file">The file's path, relative to the root of the repository.</param>
/// <param name="tree">Its syntax tree.</param>
/// <param name="first">The number of its first mutant.</param>
/// <param name="wanted">Whether to insert a mutant.</param>
internal sealed class Switches(string file, SyntaxTree tree, int first, Func<int, bool> wanted) : CSharpSyntaxRewriter
{
    /// <summary>The method that tests at run time whether a mutant is selected.</summary>
    public const string Question = "global::ConvNet.Mutation.Mutants.Is";

    private static readonly Dictionary<string, string> Swaps = new()
    {
        ["+"] = "-", ["-"] = "+", ["*"] = "/", ["/"] = "*", ["%"] = "*",
        ["<"] = "<=", ["<="] = "<", [">"] = ">=", [">="] = ">", ["=="] = "!=", ["!="] = "==", ["&&"] = "||",
            ["||"] = "&&",
        ["+="] = "-=", ["-="] = "+=", ["++"] = "--", ["--"] = "++", ["is"] = "is not",
    };

    private readonly string[] _lines = tree.ToString().Split('\n');

    /// <summary>Every mutant of the file, inserted or not.</summary>
    public List<Mutant> Mutants { get; } = [];

    public override SyntaxNode? VisitBinaryExpression(BinaryExpressionSyntax node)
    {
        if (!Swaps.TryGetValue(node.OperatorToken.Text, out string? swap) || !CanStandTwice(node) || JoinsText(node))
            return base.VisitBinaryExpression(node);
        int number = Add(node.OperatorToken, swap);
        var inside = (BinaryExpressionSyntax)base.VisitBinaryExpression(node)!;
        return Switch(number, $"{inside.Left} {swap} {inside.Right}", inside);
    }

    public override SyntaxNode? VisitIsPatternExpression(IsPatternExpressionSyntax node)
    {
        if (!CanStandTwice(node))
            return base.VisitIsPatternExpression(node);
        int number = Add(node.IsKeyword, "is not");
        var inside = (IsPatternExpressionSyntax)base.VisitIsPatternExpression(node)!;
        return Switch(number, $"!({inside})", inside);
    }

    public override SyntaxNode? VisitPrefixUnaryExpression(PrefixUnaryExpressionSyntax node)
    {
        if (!node.IsKind(SyntaxKind.UnaryMinusExpression) || !CanStandTwice(node))
            return base.VisitPrefixUnaryExpression(node);
        int number = Add(node.OperatorToken, "+");
        var inside = (PrefixUnaryExpressionSyntax)base.VisitPrefixUnaryExpression(node)!;
        return Switch(number, $"+{inside.Operand}", inside);
    }

    // i++ as a statement.
    public override SyntaxNode? VisitPostfixUnaryExpression(PostfixUnaryExpressionSyntax node)
    {
        bool steps = node.Kind() is SyntaxKind.PostIncrementExpression or SyntaxKind.PostDecrementExpression;
        if (!steps || node.Parent is not (ExpressionStatementSyntax or ForStatementSyntax))
            return base.VisitPostfixUnaryExpression(node);
        int number = Add(node.OperatorToken, Swaps[node.OperatorToken.Text]), step = node.OperatorToken.Text == "++" ? 1
            : -1;
        return wanted(number) ? Parse($"{node.Operand} += ({Question}({number}) ? {-step} : {step})", node)
            : base.VisitPostfixUnaryExpression(node);
    }

    public override SyntaxNode? VisitAssignmentExpression(AssignmentExpressionSyntax node)
    {
        if (node.OperatorToken.Text is not ("+=" or "-=") || !CanStandTwice(node.Right))
            return base.VisitAssignmentExpression(node);
        int number = Add(node.OperatorToken, Swaps[node.OperatorToken.Text]);
        var inside = (AssignmentExpressionSyntax)base.VisitAssignmentExpression(node)!;
        return wanted(number) ? inside.WithRight(
            Parse($"({Question}({number}) ? -({inside.Right}) : ({inside.Right}))", inside.Right)) : inside;
    }

    public override SyntaxNode? VisitElementAccessExpression(ElementAccessExpressionSyntax node)
    {
        if (node.ArgumentList.Arguments is not [{ Expression: not RangeExpressionSyntax } argument]
            || !CanStandTwice(argument.Expression))
            return base.VisitElementAccessExpression(node);
        bool fromEnd = argument.Expression is PrefixUnaryExpressionSyntax { OperatorToken.Text: "^" };
        int number = Add(argument.Expression, fromEnd ? $"{argument.Expression} − 1" : $"{argument.Expression} + 1");
        var inside = (ElementAccessExpressionSyntax)base.VisitElementAccessExpression(node)!;
        ExpressionSyntax index = inside.ArgumentList.Arguments[0].Expression;
        ExpressionSyntax next = fromEnd && wanted(number)
            ? Parse($"^({Question}({number}) ? 1 + {((PrefixUnaryExpressionSyntax)index).Operand} : "
                + $"{((PrefixUnaryExpressionSyntax)index).Operand})", index)
            : Switch(number, $"({index}) + 1", index);
        return inside.WithArgumentList(SyntaxFactory.BracketedArgumentList([SyntaxFactory.Argument(next)]));
    }

    private ExpressionSyntax Switch(int number, string mutated, ExpressionSyntax original)
        => wanted(number) ? Parse($"({Question}({number}) ? {mutated} : {original})", original) : original;

    private static ExpressionSyntax Parse(string text, SyntaxNode original) => SyntaxFactory.ParseExpression(text)
        .WithTriviaFrom(original);

    private int Add(SyntaxNodeOrToken location, string after)
    {
        int number = first + Mutants.Count, line = tree.GetLineSpan(location.Span).StartLinePosition.Line;
        Mutants.Add(new Mutant(number, file, line + 1, location.Span.Start, location.ToString(), after,
            _lines[line].Trim()));
        return number;
    }

    // A constant cannot contain a switch, and a variable declared inside would be declared twice.
    private static bool CanStandTwice(ExpressionSyntax node)
        => !node.DescendantNodes().Any(n => n is VariableDesignationSyntax or DeclarationExpressionSyntax)
            && !node.Ancestors().Any(n => n is AttributeSyntax or EnumMemberDeclarationSyntax or ParameterSyntax
                or PatternSyntax or CaseSwitchLabelSyntax
                || n is FieldDeclarationSyntax field && field.Modifiers.Any(SyntaxKind.ConstKeyword)
                || n is LocalDeclarationStatementSyntax local && local.IsConst);

    private static bool JoinsText(BinaryExpressionSyntax node)
        => node.DescendantNodesAndSelf().Any(n => n.IsKind(SyntaxKind.StringLiteralExpression)
            || n is InterpolatedStringExpressionSyntax) && node.OperatorToken.Text == "+";
}
