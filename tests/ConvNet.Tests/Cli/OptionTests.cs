using System.CommandLine;
using ConvNet.Cli;
using ConvNet.Cli.Verbs;
using NUnit.Framework;

namespace ConvNet.Tests.Cli;

/// <summary>Every option of every verb, as the command describes itself: what is wrong with its value is said in plain
/// words.</summary>
public sealed class OptionTests
{
    // What a verb needs before it looks at an option.
    private static readonly Dictionary<string, string[]> s_needed = new()
    {
        ["eval"] = ["--load", "x.safetensors"],
        ["compare"] = ["--model", "digits"],
        ["bench"] = ["--model", "digits"],
        ["view"] = ["run1"],
        ["import"] = ["x.onnx"],
        ["onnx-conformance"] = ["cases"],
    };

    // What an option does without a value.
    private static readonly string[] s_needNoValue = ["--serve"];

    private static readonly string[] s_numbersOfSeveral = ["--threads", "--batch"];

    private static IEnumerable<Verb> Verbs => App.Describe().Subcommands.OfType<Verb>().Where(verb => !verb.Hidden);

    private static IEnumerable<TestCaseData> Of(Func<Option, bool> wanted)
        => Verbs.SelectMany(verb => verb.Options.Where(wanted).Select(option
            => new TestCaseData(verb.Name, option.Name).SetArgDisplayNames(verb.Name, option.Name)));

    private static IEnumerable<TestCaseData> WithValue => Of(TakesValue);

    private static IEnumerable<TestCaseData> WithOneValue => Of(option => TakesValue(option)
        && option.Arity.MaximumNumberOfValues == 1);

    private static IEnumerable<TestCaseData> WithNumber => Of(option => IsNumber(option)
        || (option.ValueType == typeof(string[]) && s_numbersOfSeveral.Contains(option.Name)));

    private static IEnumerable<TestCaseData> WithChoice => Of(option => TakesValue(option)
        && option.CompletionSources.Count > 0 && option.ValueType == typeof(string));

    private static bool TakesValue(Option option) => option.ValueType != typeof(bool)
        && option.Arity.MaximumNumberOfValues > 0 && option is not System.CommandLine.Help.HelpOption;

    private static bool IsNumber(Option option) => TakesValue(option)
        && (Nullable.GetUnderlyingType(option.ValueType) ?? option.ValueType).IsPrimitive;

    private static IEnumerable<TestCaseData> WithNeededValue => Of(option => TakesValue(option)
        && !s_needNoValue.Contains(option.Name));

    [TestCaseSource(nameof(WithNeededValue))]
    public void AMissingValueIsNamed(string verb, string option)
    {
        Refused(verb, option).IsRefusedWith($"{option} needs a value");
        Refused(verb, option, "--json").IsRefusedWith(option);
    }

    [TestCaseSource(nameof(WithValue))]
    public void AnEmptyValueIsNamed(string verb, string option)
    {
        foreach (string word in (string[])["", " ", ","])
            Refused(verb, option, word).IsRefusedWith(option);
    }

    [TestCaseSource(nameof(WithOneValue))]
    public void TwoValuesAreRefused(string verb, string option)
        => Refused(verb, option, "1", option, "1").IsRefusedWith($"{option} is given 2 times. Give it once.");

    [TestCaseSource(nameof(WithNumber))]
    public void WhatIsNoSuchNumberIsSaidInPlainWords(string verb, string option)
    {
        List<string> words = ["abc", "NaN", "inf", "Infinity", "-Infinity", "1e999",
            "99999999999999999999999999999999999999999", "0x10", "0,02", "1.5.2", "½", "１２", "1_000",
            new string('9', 1_000)];
        if (option != "--seed")
            words.AddRange(["-1", "-0.5"]);
        Type type = Verbs.Single(of => of.Name == verb).Options.Single(of => of.Name == option).ValueType;
        type = Nullable.GetUnderlyingType(type) ?? type;
        if (type != typeof(float) && type != typeof(double))
            words.AddRange(["1.5", "2147483648"]);
        foreach (string word in words.Where(word => type != typeof(string[])
            || !word.Contains(',', StringComparison.Ordinal)))
        {
            CommandLine run = Refused(verb, option, word);
            run.IsRefusedWith($"{option} is \"{word[..Math.Min(word.Length, 100)]}", "; it takes a ");
            Assert.That(run.Error.Length, Is.LessThan(400), "no long word is repeated as a whole");
        }
    }

    [TestCaseSource(nameof(WithChoice))]
    public void AChoiceNamesItsWordsAndTheNearest(string verb, string option)
    {
        string word = Words(verb, option)[0];
        CommandLine run = Refused(verb, option, word + "x");
        run.IsRefusedWith($"{option} is \"{word}x\"; it takes ", $"Did you mean \"{word}\"");
        foreach (string each in Words(verb, option))
            Assert.That(run.Error, Does.Contain(each));
    }

    [TestCaseSource(nameof(WithValue))]
    public void ANearMissOfAnOptionIsNamed(string verb, string option)
    {
        string wrong = $"{option[..3]}{option[2]}{option[3..]}";
        Refused(verb, wrong, "1").IsRefusedWith($"{verb} has no option \"{wrong}\". Did you mean ", $"\"{option}\"");
    }

    private static string[] Words(string verb, string option)
        => [.. Verbs.Single(of => of.Name == verb).Options.Single(of => of.Name == option)
            .GetCompletions(System.CommandLine.Completions.CompletionContext.Empty).Select(item => item.Label)];

    private static CommandLine Refused(string verb, params string[] words)
    {
        string[] needed = s_needed.TryGetValue(verb, out string[]? before) && !words.Contains(before[0]) ? before : [];
        CommandLine run = CommandLine.Run([verb, .. needed, .. words]);
        Assert.That(run.Error, Does.Not.Contain("System.").And.Not.Contain("Cannot parse")
            .And.Not.Contain("internal error"));
        Assert.That(run.Error.TrimEnd().Split('\n'), Has.Length.LessThanOrEqualTo(2), "one line, and where to look");
        return run;
    }
}
