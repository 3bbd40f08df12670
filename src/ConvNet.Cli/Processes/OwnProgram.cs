namespace ConvNet.Cli;

/// <summary>Starts this program again.</summary>
internal static class OwnProgram
{
    /// <summary>Returns the executable and arguments that run this program with a command line.</summary>
    public static IReadOnlyList<string> CommandFor(params IReadOnlyList<string> words)
    {
        string program = Environment.ProcessPath ?? "dotnet", library = typeof(OwnProgram).Assembly.Location;
        bool isItself = Path.GetFileNameWithoutExtension(program) == Path.GetFileNameWithoutExtension(library);
        return isItself ? [program, .. words] : ["dotnet", "exec", library, .. words];
    }
}
