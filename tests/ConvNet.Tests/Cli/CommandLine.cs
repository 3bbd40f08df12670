using System.Text.Json;
using ConvNet.Cli;
using NUnit.Framework;

namespace ConvNet.Tests.Cli;

/// <summary>One run of the command inside the test's process.</summary>
internal sealed record CommandLine(int ExitCode, string Output, string Error)
{
    public static CommandLine Run(params string[] args) => Run(CancellationToken.None, args);

    public static CommandLine Run(CancellationToken cancellation, params string[] args)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        int code = App.Run(args, output, error, cancellation: cancellation);
        return new CommandLine(code, output.ToString(), error.ToString());
    }

    /// <summary>The one document on standard output; a run that went wrong fails the test.</summary>
    public JsonElement Json()
    {
        Assert.That(ExitCode, Is.Zero, Error);
        using var document = JsonDocument.Parse(Output);
        return document.RootElement.Clone();
    }

    /// <summary>Asserts that all went well.</summary>
    public void Succeeds() => Assert.That(ExitCode, Is.Zero, Error);

    /// <summary>The names of an object's properties, in their order.</summary>
    public static string NamesOf(JsonElement element)
        => string.Join(", ", element.EnumerateObject().Select(property => property.Name));

    /// <summary>Asserts exit code 2, no output, and one line of error with the given words and without a stack
    /// trace.</summary>
    public void IsRefusedWith(params string[] words)
    {
        Assert.Multiple(() =>
        {
            Assert.That(ExitCode, Is.EqualTo(global::ConvNet.Cli.ExitCode.WrongUsage), Error);
            Assert.That(Output, Is.Empty);
            Assert.That(Error, Does.StartWith("convnet: ").And.Not.Contain("   at "));
            foreach (string word in words)
                Assert.That(Error, Does.Contain(word));
        });
    }
}
