using ConvNet.Onnx;
using Microsoft.ML.OnnxRuntime;
using NUnit.Framework;
using Onnx;

namespace ConvNet.Tests.Onnx;

/// <summary>The cases of the ONNX backend tests with the operators of convolutional networks, and what ONNX Runtime
/// makes of the same cases, which is the least that the import must pass.</summary>
public sealed class OnnxConformanceTests
{
    /// <summary>Where Debian's package installs the cases.</summary>
    public const string Folder = "/usr/share/libonnx-testdata/data";

    // Of the version of the package that the tests were written with; what is passed may only grow, also without
    // the cases that pass with all inputs as constants.
    private const int FewestPassed = 593, FewestWithInputs = 563;

    [Test]
    public void NoCaseFailsAndOnnxRuntimeAgrees()
    {
        if (!Directory.Exists(Folder))
            Assert.Ignore("The cases are not installed; eng/setup onnx installs libonnx-testdata.");
        using var backend = new ManagedBackend();
        var run = new ConformanceRun(backend);
        ConformanceResult[] results = [.. ConformanceCase.In(Folder).Select(run.Run)
            .Where(result => result.Outcome != ConformanceOutcome.Other)];
        string[] floor = [.. results.Where(result => OnnxRuntimePasses(result.Case))
                .Select(result => result.Case.Name)],
            passed = [.. results.Where(result => result.Outcome == ConformanceOutcome.Passed)
                .Select(result => result.Case.Name)],
            withInputs = [.. results.Where(result => result.Outcome == ConformanceOutcome.Passed && !result.IsFolded)
                .Select(result => result.Case.Name)];
        TestContext.Out.WriteLine($"Of {results.Length} cases, {passed.Length} pass here and {floor.Length} in ONNX "
            + $"Runtime; only here: {string.Join(", ", passed.Except(floor))}; only there: "
            + $"{string.Join(", ", floor.Except(passed))}.");
        Assert.Multiple(() =>
        {
            Assert.That(results.Where(result => result.Outcome == ConformanceOutcome.Failed)
                .Select(result => $"{result.Case.Name}: {result.Failure}"), Is.Empty);
            Assert.That(passed, Has.Length.AtLeast(FewestPassed));
            Assert.That(withInputs, Has.Length.AtLeast(FewestWithInputs));
            Assert.That(floor, Is.Not.Empty);
            Assert.That(passed, Has.Length.AtLeast(floor.Length));
            Assert.That(results.Where(result => result.Outcome == ConformanceOutcome.Unsupported)
                .Select(result => result.Reasons.Count), Has.All.Positive);
        });
    }

    private static bool OnnxRuntimePasses(ConformanceCase each)
    {
        ModelProto model = ModelFile.Read(each.ModelPath);
        var reader = new TensorReader(new ExternalData(null));
        try
        {
            foreach (string folder in each.DataFolders)
            {
                ValueInfoProto[] free = [.. model.Graph.Input.Where(input => model.Graph.Initializer
                    .All(tensor => tensor.Name != input.Name))];
                TensorProto[] inputs = ConformanceCase.Tensors(folder, "input", free),
                    expected = ConformanceCase.Tensors(folder, "output", model.Graph.Output);
                for (int i = 0; i < inputs.Length; i++)
                    inputs[i].Name = free[i].Name;
                TensorProto[] results = OnnxSession.Run(File.ReadAllBytes(each.ModelPath), inputs);
                for (int i = 0; i < expected.Length; i++)
                {
                    if (!results[i].Dims.SequenceEqual(expected[i].Dims))
                        return false;
                    float[] a = reader.Read(results[i], "result").ToReals(), b = reader.Read(expected[i], "truth")
                        .ToReals();
                    if (a.Zip(b).Any(pair => !pair.First.Equals(pair.Second)
                        && !(Math.Abs(pair.First - pair.Second) <= 1e-7 + 1e-3 * Math.Abs(pair.Second))))
                        return false;
                }
            }
            return true;
        }
        catch (Exception error) when (error is OnnxRuntimeException or InvalidDataException or ArgumentException
            or NotSupportedException)
        {
            return false;
        }
    }
}
