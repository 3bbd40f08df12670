using System.Text.RegularExpressions;
using ConvNet.Tests.Docs;
using NUnit.Framework;

namespace ConvNet.Tests.Packaging;

/// <summary>The packages, installed from a folder into a project that knows nothing of this repository.</summary>
[Category("Packaging")]
public sealed class PackageTests
{
    [Test]
    public void AFreshProjectTrainsWithThePackages()
    {
        using var folder = new TemporaryFolder();
        CommandResult packed = Dotnet(Repository.Root,
            "pack", "ConvNative.sln", "-c", Repository.Configuration, "--no-build", "-o", folder.File("feed"));
        Assert.That(packed.ExitCode, Is.Zero, packed.Output);
        string version = Regex.Match(packed.Output, @"ConvNet\.Native\.(\d+\.\d+\.\d+[-\w.]*)\.nupkg").Groups[1].Value;

        // The packages go into a cache of their own, so that none of an earlier run is taken; all others come from the user's.
        string cache = Environment.GetEnvironmentVariable("NUGET_PACKAGES")
            ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
        File.WriteAllText(folder.File("nuget.config"), """
            <configuration>
              <packageSources>
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
                <PackageReference Include="ConvNet.Managed" Version="{version}" />
                <PackageReference Include="ConvNet.Native" Version="{version}" />
                <PackageReference Include="ConvNet.TorchSharp" Version="{version}" />
              </ItemGroup>
            </Project>
            """);
        File.WriteAllText(folder.File("Program.cs"), ReadmeTests.FirstBlock("csharp"));

        CommandResult ran = Dotnet(folder.Path, "run");

        Assert.That(ran.ExitCode, Is.Zero, ran.Output);
    }

    private static CommandResult Dotnet(string folder, params string[] arguments) => Repository.Run(folder, "dotnet", arguments);
}
