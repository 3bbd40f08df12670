using System.Runtime.Versioning;

namespace ConvNet.Tests.Packaging;

/// <summary>The launcher and the build files of this repository around a tool of a few lines in C# and C, which they
/// build in seconds.</summary>
[UnsupportedOSPlatform("windows")]
internal sealed class SmallTree : IDisposable
{
    /// <summary>Parts of what the tool prints, and the file that each comes from.</summary>
    public const string CSharp = "src/ConvNet.Cli/Words.cs", Embedded = "src/ConvNet.Cli/words.txt",
        C = "native/answer.c", Header = "native/answer.h";

    private readonly TemporaryFolder _folder = new();

    public SmallTree()
    {
        foreach (string name in (string[])["convnet", "Directory.Build.props", "Directory.Build.targets",
            "Directory.Packages.props", "global.json", ".editorconfig"])
            File.Copy(Repository.Path(name), PathOf(name));
        foreach (string file in Directory.GetFiles(Repository.Path("eng")))
            Write($"eng/{Path.GetFileName(file)}", File.ReadAllText(file));
        foreach (string script in (string[])["convnet", "eng/setup"])
            File.SetUnixFileMode(PathOf(script), File.GetUnixFileMode(Repository.Path(script)));
        Write("src/ConvNet.Cli/ConvNet.Cli.csproj", """
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <OutputType>Exe</OutputType>
                <AssemblyName>convnet</AssemblyName>
                <NoWarn>$(NoWarn);CS1591</NoWarn>
                <EnableNETAnalyzers>false</EnableNETAnalyzers>
                <CMakeTarget>convnet</CMakeTarget>
                <CMakeSource>$(RepositoryRoot).</CMakeSource>
              </PropertyGroup>
              <ItemGroup>
                <CMakeInput Include="../../native/**" />
                <EmbeddedResource Include="words.txt" LogicalName="words.txt" />
              </ItemGroup>
            </Project>
            """);
        Write("src/ConvNet.Cli/Program.cs", """
            using System.Runtime.InteropServices;

            nint library = NativeLibrary.Load(Directory.GetFiles(AppContext.BaseDirectory, "libconvnet.so",
                SearchOption.AllDirectories).Single());
            var answer = Marshal.GetDelegateForFunctionPointer<Answer>(NativeLibrary.GetExport(library, "answer"));
            using var reader = new StreamReader(typeof(Answer).Assembly.GetManifestResourceStream("words.txt")!);
            Console.WriteLine($"{Words.Text} {reader.ReadToEnd()} {answer()}");

            internal delegate int Answer();
            """);
        Write(CSharp, "internal static class Words { public const string Text = \"csharp1\"; }\n");
        Write(Embedded, "embedded1");
        // As in the repository, libconvnet.so is a link to a file with the version in its name.
        Write("CMakeLists.txt", """
            cmake_minimum_required(VERSION 3.21)
            project(Small LANGUAGES C)
            add_library(convnet SHARED native/answer.c)
            set_target_properties(convnet PROPERTIES VERSION 1.0 SOVERSION 1)
            """);
        Write(C, "#include \"answer.h\"\nint answer(void) { return 1000 + OFFSET; }\n");
        Write(Header, "enum { OFFSET = 1 };\n");
    }

    /// <summary>A path in it.</summary>
    public string PathOf(string name) => Path.Combine(_folder.Path, name);

    /// <summary>Runs the launcher.</summary>
    public CommandResult Launch(params string[] arguments) => Repository.Run(_folder.Path, PathOf("convnet"),
        arguments, s_environment);

    /// <summary>What the launcher writes to standard output, and the lines that it writes to standard error.</summary>
    public (string Output, string[] Said) Answer()
    {
        CommandResult run = Repository.Run(_folder.Path, "/bin/bash", ["-c", "./convnet 2>stderr"], s_environment);
        return (run.Output.Trim(), File.ReadAllLines(PathOf("stderr")));
    }

    /// <summary>Builds as `dotnet build` does and tells what the tool then prints.</summary>
    public string BuildAndRun()
    {
        CommandResult built = Repository.Run(_folder.Path, "dotnet", ["build", "src/ConvNet.Cli", "-c", "Release",
            "-v", "quiet", "-nodeReuse:false"], s_environment);
        return built.ExitCode == 0
            ? Repository.Run(_folder.Path, "dotnet", ["src/ConvNet.Cli/bin/Release/net10.0/convnet.dll"]).Output.Trim()
            : throw new InvalidOperationException(built.Output);
    }

    /// <summary>Replaces a text in a file, and gives the file the time of an old archive.</summary>
    public void Edit(string file, string old, string by)
    {
        string text = File.ReadAllText(PathOf(file));
        if (!text.Contains(old, StringComparison.Ordinal))
            throw new InvalidOperationException($"{file} has no {old} in it: {text}");
        File.WriteAllText(PathOf(file), text.Replace(old, by, StringComparison.Ordinal));
        File.SetLastWriteTimeUtc(PathOf(file), new DateTime(2001, 1, 1, 0, 0, 0, DateTimeKind.Utc));
    }

    /// <summary>Gives every source a new time.</summary>
    public void Touch()
    {
        foreach (string file in (string[])[CSharp, Embedded, C, Header])
            File.SetLastWriteTimeUtc(PathOf(file), DateTime.UtcNow);
    }

    public void Dispose() => _folder.Dispose();

    private static readonly Dictionary<string, string?> s_environment = new()
    {
        ["CONVNET_NO_INSTALL"] = "1",
        ["MSBUILDDISABLENODEREUSE"] = "1"
    };

    private void Write(string name, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(PathOf(name))!);
        File.WriteAllText(PathOf(name), text);
    }
}
