using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using System.Xml.Linq;
using ConvNet.Native.Interop;
using ConvNet.Tests.Docs;
using NUnit.Framework;

namespace ConvNet.Tests.Packaging;

/// <summary>The packages, installed from a folder into a project that knows nothing of this repository.</summary>
[Category("Packaging")]
public sealed class PackageTests
{
    private static readonly string[] Packages =
    [
        "ConvNet.Data", "ConvNet.GradientCheck", "ConvNet.Managed", "ConvNet.Mpi", "ConvNet.Native", "ConvNet.Onnx",
        "ConvNet.TorchSharp",
    ];

    [Test]
    public void AFreshProjectTrainsWithThePackages()
    {
        using var folder = new TemporaryFolder();
        // A version that no cache has, above that of the build, which the packages name where they need one another.
        string version =
            $"{typeof(Graph).Assembly.GetName().Version!.ToString(3)}.{Random.Shared.Next(1, int.MaxValue)}";
        CommandResult packed = Dotnet(Repository.Root,
            "pack", "ConvNative.sln", "-c", Repository.Configuration, "--no-build", $"-p:Version={version}", "-o",
                folder.File("feed"));
        Assert.That(packed.ExitCode, Is.Zero, packed.Output);
        // The checks of the checker and the measurements are in none. The symbols of torchsharp are in its assembly.
        string[] all = [.. Packages, "ConvNet.Tool"];
        Assert.That(Directory.GetFiles(folder.File("feed")).Select(Path.GetFileName), Is.EquivalentTo((string[])[
            .. all.Select(package => $"{package}.{version}.nupkg"),
            .. all.Except(["ConvNet.TorchSharp"]).Select(package => $"{package}.{version}.snupkg")]));
        foreach (string package in all)
            AssertDescribesItself(folder.File($"feed/{package}.{version}.nupkg"));
        AssertToolRuns(folder, version);
        AssertHasOneLibrary(folder.File($"feed/ConvNet.Native.{version}.nupkg"));

        AddTorchSharpOfThisPlatform(folder.File("feed"));

        // The packages go into a cache of their own; all others come from the user's.
        string cache = Environment.GetEnvironmentVariable("NUGET_PACKAGES")
            ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
        File.WriteAllText(folder.File("nuget.config"), """
            <configuration>
              <packageSources>
                <clear />
                <add key="convnet" value="feed" />
              </packageSources>
            </configuration>
            """);
        File.WriteAllText(folder.File("Fresh.csproj"), $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <OutputType>Exe</OutputType>
                <TargetFramework>net10.0</TargetFramework>
                <Nullable>enable</Nullable>
                <ImplicitUsings>enable</ImplicitUsings>
                <InvariantGlobalization>true</InvariantGlobalization>
                <CreateHardLinksForCopyLocalIfPossible>true</CreateHardLinksForCopyLocalIfPossible>
                <RestorePackagesPath>packages</RestorePackagesPath>
                <RestoreFallbackFolders>{cache}</RestoreFallbackFolders>
              </PropertyGroup>
              <ItemGroup>
                <PackageReference Include="ConvNet.Data" Version="{version}" />
                <PackageReference Include="ConvNet.GradientCheck" Version="{version}" />
                <PackageReference Include="ConvNet.Managed" Version="{version}" />
                <PackageReference Include="ConvNet.Mpi" Version="{version}" />
                <PackageReference Include="ConvNet.Native" Version="{version}" />
                <PackageReference Include="ConvNet.Onnx" Version="{version}" />
                <PackageReference Include="ConvNet.TorchSharp" Version="{version}" />
              </ItemGroup>
            </Project>
            """);
        File.WriteAllText(folder.File("Program.cs"), ReadmeTests.FirstBlock("csharp"));
        File.WriteAllText(folder.File("Documented.cs"), DocumentedPrograms.Source());

        CommandResult ran = Dotnet(folder.Path, "run");

        Assert.That(ran.ExitCode, Is.Zero, ran.Output);
        using var assets = JsonDocument.Parse(File.ReadAllText(folder.File(Path.Combine("obj",
            "project.assets.json"))));
        string[] taken = [.. assets.RootElement.GetProperty("libraries").EnumerateObject().Select(library
            => library.Name).Where(name => name.StartsWith("ConvNet.", StringComparison.Ordinal))];
        Assert.That(taken, Is.EquivalentTo(Packages.Select(package => $"{package}/{version}")));
        string built = Directory.GetFiles(folder.File("bin"), "ConvNet.Managed.dll",
            SearchOption.AllDirectories).Single();
        Assert.That(File.ReadAllBytes(built), Is.EqualTo(File.ReadAllBytes(Repository.Path("src", "ConvNet.Managed",
            "bin", Repository.Configuration, "net10.0", "ConvNet.Managed.dll"))),
            "the packages of this build");
    }

    private static void AssertDescribesItself(string path)
    {
        using ZipArchive package = ZipFile.OpenRead(path);
        using Stream nuspec = package.Entries.Single(entry => entry.Name.EndsWith(".nuspec", StringComparison.Ordinal))
            .Open();
        var said = XDocument.Load(nuspec).Descendants().ToLookup(element => element.Name.LocalName,
            element => element.Value);
        Assert.Multiple(() =>
        {
            Assert.That(said["license"], Is.EqualTo((string[])["MIT"]), path);
            Assert.That(said["description"].Single(), Is.Not.Empty, path);
            foreach (string file in said["readme"].Concat(said["icon"]).Append("THIRD-PARTY-NOTICES.md"))
                Assert.That(package.GetEntry(file)?.Length, Is.Positive, $"{path}, {file}");
            Assert.That(said["readme"].Concat(said["icon"]).Count(), Is.EqualTo(2), path);
            // So that every machine builds the same bytes.
            foreach (ZipArchiveEntry assembly in package.Entries.Where(IsOwnRelease))
                Assert.That(BytesOf(assembly).AsSpan().IndexOf(Encoding.UTF8.GetBytes(Repository.Root)), Is.Negative,
                    $"{path}, {assembly.FullName} names the folder in which it was built");
        });
    }

    private static bool IsOwnRelease(ZipArchiveEntry entry) => Repository.Configuration == "Release"
        && entry.Name.StartsWith("ConvNet.", StringComparison.Ordinal) && Path.GetExtension(entry.Name) is ".dll";

    private static byte[] BytesOf(ZipArchiveEntry entry)
    {
        using Stream stream = entry.Open();
        using var bytes = new MemoryStream();
        stream.CopyTo(bytes);
        return bytes.ToArray();
    }

    // Installed from the folder, the tool trains and says what it lacks.
    private static void AssertToolRuns(TemporaryFolder folder, string version)
    {
        File.WriteAllText(folder.File("nuget.config"), """
            <configuration><packageSources><clear /><add key="convnet" value="feed" /></packageSources></configuration>
            """);
        CommandResult installed = Dotnet(folder.Path, "tool", "install", "ConvNet.Tool", "--version", version,
            "--configfile", folder.File("nuget.config"), "--tool-path", folder.File("tool"));
        Assert.That(installed.ExitCode, Is.Zero, installed.Output);
        CommandResult trained = Repository.Run(folder.Path, folder.File("tool/convnet"), ["train", "--data", "digits",
            "--fast-dev-run", "--backend", "native"]), asked = Repository.Run(folder.Path, folder.File("tool/convnet"),
            ["eval", "--load", "none.safetensors", "--data", "digits"]);
        Assert.That(trained.ExitCode, Is.Zero, trained.Output);
        Assert.That(asked.ExitCode, Is.EqualTo(2), asked.Output);
    }

    private static void AssertHasOneLibrary(string path)
    {
        using ZipArchive package = ZipFile.OpenRead(path);
        ZipArchiveEntry[] libraries =
            [.. package.Entries.Where(entry => entry.FullName.StartsWith("runtimes/", StringComparison.Ordinal))];
        string name = NativeLibraryFile.FileName;
        Assert.That(libraries.Select(library => library.Name), Is.EqualTo([name]));
        Assert.That(libraries[0].Length, Is.EqualTo(new FileInfo(NativeLibraryFile.Loaded.Path).Length));
    }

    // Users get TorchSharp-cpu, which brings every platform's libtorch. In its place stands a package of its name and
    // version that brings this platform's alone, as the build itself does.
    private static void AddTorchSharpOfThisPlatform(string feed)
    {
        using ZipArchive package = ZipFile.OpenRead(Directory.GetFiles(feed, "ConvNet.TorchSharp.*.nupkg").Single());
        using Stream nuspec = package.GetEntry("ConvNet.TorchSharp.nuspec")!.Open();
        string version = XDocument.Load(nuspec).Descendants().Single(
            element => element.Name.LocalName == "dependency" && element.Attribute("id")!.Value == "TorchSharp-cpu")
            .Attribute("version")!.Value;
        var versions = XDocument.Load(Repository.Path("Directory.Packages.props")).Descendants("PackageVersion")
            .ToDictionary(
            element => element.Attribute("Include")!.Value, element => element.Attribute("Version")!.Value);
        Assert.That(version, Is.EqualTo(versions["TorchSharp"]));
        string libTorch = $"libtorch-cpu-{RuntimeInformation.RuntimeIdentifier}";
        string native = versions.TryGetValue(libTorch, out string? found)
            ? $"""<dependency id="{libTorch}" version="[{found}]" />"""
            : "";
        using ZipArchive platform = ZipFile.Open(
            Path.Combine(feed, $"TorchSharp-cpu.{version}.nupkg"), ZipArchiveMode.Create);
        using var writer = new StreamWriter(platform.CreateEntry("TorchSharp-cpu.nuspec").Open());
        writer.Write($"""
            <package xmlns="http://schemas.microsoft.com/packaging/2013/05/nuspec.xsd">
              <metadata>
                <id>TorchSharp-cpu</id>
                <version>{version}</version>
                <authors>ConvNet.Tests</authors>
                <description>TorchSharp with the libtorch of one platform.</description>
                <dependencies>
                  <group targetFramework="net10.0">
                    <dependency id="TorchSharp" version="[{version}]" />
                    {native}
                  </group>
                </dependencies>
              </metadata>
            </package>
            """);
    }

    private static CommandResult Dotnet(string folder, params string[] arguments)
        => Repository.Run(folder, "dotnet", arguments);
}
