using NUnit.Framework;

namespace ConvNet.Tests.Packaging;

/// <summary>
/// The libraries in a program that is compiled ahead of time, without a runtime that could compile or reflect.
/// </summary>
[Category("Packaging")]
public sealed class AheadOfTimeTests
{
    [Test]
    [Platform("Linux")]
    public void AProgramThatIsCompiledAheadOfTimeTrainsSavesAndLoads()
    {
        using var folder = new TemporaryFolder();
        string runtime =
            $"linux-{System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture}".ToLowerInvariant();
        string targets = Repository.Path("src", "ConvNet.Native", "buildTransitive", "ConvNet.Native.targets");
        File.WriteAllText(folder.File("Sample.csproj"), $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <OutputType>Exe</OutputType>
                <TargetFramework>net10.0</TargetFramework>
                <RuntimeIdentifier>{runtime}</RuntimeIdentifier>
                <Nullable>enable</Nullable>
                <ImplicitUsings>enable</ImplicitUsings>
                <InvariantGlobalization>true</InvariantGlobalization>
                <PublishAot>true</PublishAot>
                <ConvNetInProgram>true</ConvNetInProgram>
                <ConvNetArchive>{Repository.Path("build", "convnet", runtime, "libconvnet.a")}</ConvNetArchive>
                <TrimmerSingleWarn>false</TrimmerSingleWarn>
                <TreatWarningsAsErrors>true</TreatWarningsAsErrors>
              </PropertyGroup>
              <ItemGroup>
                <Reference Include="{Path.Combine(AppContext.BaseDirectory, "ConvNet.GradientCheck.dll")}" />
                <Reference Include="{Path.Combine(AppContext.BaseDirectory, "ConvNet.Managed.dll")}" />
                <Reference Include="{Path.Combine(AppContext.BaseDirectory, "ConvNet.Native.dll")}" />
                <Reference Include="{Path.Combine(AppContext.BaseDirectory, "ConvNet.Onnx.dll")}" />
                <Reference Include="{Path.Combine(AppContext.BaseDirectory, "Google.Protobuf.dll")}" />
                <Reference Include="{Path.Combine(AppContext.BaseDirectory, "MathNet.Numerics.dll")}" />
                <Reference Include="{Path.Combine(AppContext.BaseDirectory, "System.Numerics.Tensors.dll")}" />
              </ItemGroup>
              <Import Project="{targets}" />
            </Project>
            """);
        File.WriteAllText(folder.File("Program.cs"), """
            using ConvNet;
            using ConvNet.Data;
            using ConvNet.GradientChecking;
            using ConvNet.Models;
            using ConvNet.Native;
            using ConvNet.Onnx;
            using ConvNet.Serialization;
            using ConvNet.Training;

            var data = ImageData.Digits();
            var normalization = Normalization.Of(data.Train);
            var train = new DataLoader(data.Train, 32, new DataLoaderOptions
            {
                Shuffle = true,
                Transforms = [new RandomHorizontalFlip(), normalization],
            });
            var test = new DataLoader(data.Test, 32, new DataLoaderOptions { Transforms = [normalization] });
            foreach (IBackend backend in (IBackend[])[new ManagedBackend(threads: 1), new NativeBackend(threads: 1)])
            {
                Graph graph = BuiltInModels.Create("digits");
                using IExecutable net =
                    backend.Compile(graph, new TrainingSpec(32, new SoftmaxCrossEntropy(), new Sgd(0.9f)));
                net.Initialize(new HeNormal(1));
                TrainingResult result =
                    new Trainer(net, new TrainerOptions { Epochs = 1, LearningRate = 0.02f }).Train(train, test);
                string path = Path.Combine(args[0], $"{backend.Info.Name}.safetensors");
                SavedModel.CheckPath(path, graph);
                SavedModel.Save(path, net, normalization);
                SavedModel saved = SavedModel.Load(path);
                using IExecutable copy = backend.CompileInference(saved.Graph, 64);
                saved.CopyTo(copy);
                Evaluation again = Evaluation.Of(copy, new DataLoader(data.Test, 64,
                    new DataLoaderOptions { Transforms = [saved.Normalization!] }));
                if (again.Correct != result.Test!.Correct)
                    throw new InvalidOperationException(
                        $"{again.Correct} are right after loading, {result.Test.Correct} before saving.");
                string onnx = Path.Combine(args[0], $"{backend.Info.Name}.onnx");
                float[] ValuesOf(Parameter parameter)
                {
                    var values = new float[parameter.Length];
                    copy.Read(parameter, values);
                    return values;
                }
                File.WriteAllBytes(onnx, OnnxExport.Write(saved.Graph, ValuesOf));
                ImportedModel imported = OnnxImport.Read(onnx);
                if (!imported.Graph.Parameters.All(parameter => imported.ValuesOf(parameter).SequenceEqual(
                    ValuesOf(copy.Graph.Parameters.Single(own => own.Name == parameter.Name)))))
                    throw new InvalidOperationException("The weights do not come back from ONNX.");
                GradientCase made = new LayerGradientCase(new Linear(2), [Shape.Vector(3)], new GradientCheckOptions());
                if ($"{GradientCaseFile.Read(GradientCaseFile.Write(made))}" != $"{made}")
                    throw new InvalidOperationException("The case does not come back.");
                Console.WriteLine($"{backend.Info.Name}: {again.Accuracy > 0.5}");
                backend.Dispose();
            }
            """);

        CommandResult published =
            Repository.Run(folder.Path, "dotnet", ["publish", "-c", "Release", "-o", folder.File("out")]);
        if (published.ExitCode != 0 && published.Output.Contains("NU1101", StringComparison.Ordinal))
            Assert.Ignore("The compiler's package, Microsoft.DotNet.ILCompiler, cannot be restored here.");
        Assert.That(published.ExitCode, Is.Zero, published.Output);
        Assert.That(published.Output, Does.Not.Contain("warning"));

        // The kernels are in the program.
        Assert.That(Directory.GetFiles(folder.File("out"), "*.so"), Is.Empty);
        CommandResult ran = Repository.Run(folder.Path, folder.File(Path.Combine("out", "Sample")), [folder.Path]);
        Assert.That(ran.ExitCode, Is.Zero, ran.Output);
        Assert.That(ran.Output.Trim().Split('\n'), Is.EqualTo((string[])["managed: True", "native: True"]));
    }
}
