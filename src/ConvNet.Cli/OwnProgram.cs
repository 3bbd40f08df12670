using ConvNet.Cli.Verbs;

namespace ConvNet.Cli;

/// <summary>This program, to be started again.</summary>
internal static class OwnProgram
{
    /// <summary>The program and its arguments for a command line of it.</summary>
    public static IReadOnlyList<string> CommandFor(params IReadOnlyList<string> words)
    {
        string program = Environment.ProcessPath ?? "dotnet", library = typeof(Verb).Assembly.Location;
        bool isItself = Path.GetFileNameWithoutExtension(program) == Path.GetFileNameWithoutExtension(library);
        return isItself ? [program, .. words] : ["dotnet", "exec", library, .. words];
    }
}
