using System.Diagnostics;
using System.Runtime.ExceptionServices;
using System.Text.RegularExpressions;
using Onnx;

namespace ConvNet.Onnx;

/// <summary>Runs cases of the ONNX backend tests on a backend.</summary>
/// <param name="backend">The backend.</param>
internal sealed partial class ConformanceRun(IBackend backend)
{
    // The tolerances of the runner of the suite.
    private const double Relative = 1e-3, Absolute = 1e-7;

    private readonly TensorReader _tensors = new(new ExternalData(null));

    /// <summary>Imports the model of a case, runs it and compares the results.</summary>
    public ConformanceResult Run(ConformanceCase each)
    {
        ModelProto model;
        try
        {
            model = ModelFile.Read(each.ModelPath);
        }
        catch (InvalidDataException error)
        {
            return Unsupported(each, [("(file)", error.Message)]);
        }
        if (!ConformanceOperators.Are(model))
            return new ConformanceResult(each, ConformanceOutcome.Other, []);
        ConformanceResult result = Failed(each, "it has no data");
        foreach (string folder in each.DataFolders)
        {
            result = Run(each, model, folder);
            if (result.Outcome != ConformanceOutcome.Passed)
                return result;
        }
        return result;
    }

    private ConformanceResult Run(ConformanceCase each, ModelProto model, string folder)
    {
        ValueInfoProto[] free = [.. model.Graph.Input
            .Where(input => model.Graph.Initializer.All(tensor => tensor.Name != input.Name))];
        string[] names = [.. free.Select(input => input.Name)];
        TensorProto[] inputs, outputs;
        try
        {
            inputs = ConformanceCase.Tensors(folder, "input", free);
            outputs = ConformanceCase.Tensors(folder, "output", model.Graph.Output);
        }
        catch (InvalidDataException error)
        {
            return Failed(each, error.Message);
        }
        if (inputs.Length > names.Length || outputs.Length != model.Graph.Output.Count)
            return Unsupported(each, [("(input)", "its inputs or outputs are not tensors")]);
        ImportedModel imported;
        bool isFolded;
        try
        {
            (imported, isFolded) = Import(each, model, names, inputs);
        }
        catch (OnnxImportException unsupported)
        {
            return Unsupported(each, unsupported.Operators.Select(found => (found.Operator, found.Reason)));
        }
        catch (InvalidDataException error)
        {
            return Unsupported(each, [("(input)", Generalized(error.Message, each))]);
        }
        try
        {
            string failure = Compared(imported,
                names.Zip(inputs).ToDictionary(pair => pair.First, pair => pair.Second),
                [.. model.Graph.Output.Select(output => output.Name).Zip(outputs)]);
            return failure.Length > 0 ? Failed(each, failure) : new ConformanceResult(each, ConformanceOutcome.Passed,
                [], IsFolded: isFolded);
        }
        catch (Exception error) when (error is ArgumentException or NotSupportedException or InvalidOperationException)
        {
            return Failed(each, error.Message);
        }
    }

    // Cases of one operator have its weights as inputs, and often no dimension of samples. All inputs are tried as
    // inputs first, and then all but the first as constants; then both without samples, and at last all as constants,
    // for operators that graphs compute sizes with. The reasons are those of the last attempt with samples.
    private static (ImportedModel Model, bool IsFolded) Import(ConformanceCase each, ModelProto model, string[] names,
        TensorProto[] inputs)
    {
        Dictionary<string, TensorProto> none = [], all = names.Zip(inputs).ToDictionary(pair => pair.First,
            pair => pair.Second, StringComparer.Ordinal), weights = names.Zip(inputs).Skip(1).ToDictionary(
            pair => pair.First, pair => pair.Second, StringComparer.Ordinal);
        (bool IsUnbatched, Dictionary<string, TensorProto> Constants)[] attempts =
            [(false, none), (false, weights), (true, none), (true, weights), (false, all)];
        ExceptionDispatchInfo? reason = null;
        foreach ((bool isUnbatched, Dictionary<string, TensorProto> constants) in attempts)
        {
            try
            {
                return (OnnxImport.Model(model, each.ModelPath, each.Folder,
                    new OnnxImportOptions
                    {
                        Constants = constants,
                        Unbatched = isUnbatched,
                        RefusesTrainingMode = true,
                    }), constants == all);
            }
            catch (Exception error) when (error is OnnxImportException or InvalidDataException)
            {
                reason = isUnbatched || (reason is not null && constants == all) ? reason
                    : ExceptionDispatchInfo.Capture(error);
            }
        }
        reason!.Throw();
        throw new UnreachableException();
    }

    private string Compared(ImportedModel imported, Dictionary<string, TensorProto> inputs,
        (string Name, TensorProto Tensor)[] outputs)
    {
        Dictionary<string, float[]> results = Results(imported, inputs);
        Dictionary<string, long[]> sizes = imported.OutputSizes.ToDictionary(output => output.Name, output
            => imported.IsUnbatched ? output.Sizes : [Batch(imported, inputs), .. output.Sizes[1..]]);
        foreach (ConstantOutput output in imported.ConstantOutputs)
            (results[output.Name], sizes[output.Name]) = (output.ToReals(), output.Tensor.Sizes);
        foreach ((string name, TensorProto tensor) in outputs)
        {
            OnnxTensor expected = _tensors.Read(tensor, name);
            if (!sizes[name].SequenceEqual(expected.Sizes))
                return $"output {name} is {string.Join('×', sizes[name])}; it must be "
                    + $"{string.Join('×', expected.Sizes)}";
            float[] truth = expected.ToReals();
            for (int k = 0; k < truth.Length; k++)
            {
                if (!IsNear(results[name][k], truth[k]))
                    return $"output {name} is {results[name][k]} at index {k}; it must be {truth[k]}";
            }
        }
        return "";
    }

    // The values of the outputs that the graph computes.
    private Dictionary<string, float[]> Results(ImportedModel imported, Dictionary<string, TensorProto> inputs)
    {
        Graph graph = imported.Graph;
        if (imported.OutputSizes.Count == 0)
            return [];
        int batch = (int)Batch(imported, inputs);
        using IExecutable executable = backend.CompileInference(graph, batch);
        imported.CopyTo(executable);
        (string, ReadOnlyMemory<float>)[] values = [.. graph.Inputs.Select(input => (input.Name,
            (ReadOnlyMemory<float>)_tensors.Read(ValueOf(input, inputs), input.Name).ToReals()))];
        float[][] results = [.. graph.Outputs.Select(output => new float[batch * output.Shape.Length])];
        executable.Infer(BatchValues.Of(values), BatchBuffers.Of([.. graph.Outputs.Zip(results)
            .Select(pair => (pair.First.Name, (Memory<float>)pair.Second))]));
        return imported.OutputSizes.Zip(results).ToDictionary(pair => pair.First.Name, pair => pair.Second);
    }

    private static long Batch(ImportedModel imported, Dictionary<string, TensorProto> inputs)
        => imported.IsUnbatched ? 1 : ValueOf(imported.Graph.Inputs[0], inputs).Dims[0];

    private static TensorProto ValueOf(Node input, Dictionary<string, TensorProto> inputs)
        => inputs.GetValueOrDefault(input.Name) ?? throw new InvalidOperationException(
            $"there is no file with the value of the input {input.Name}");

    private static bool IsNear(float actual, float expected) => actual.Equals(expected)
        || Math.Abs((double)actual - expected) <= Absolute + Relative * Math.Abs((double)expected);

    private static ConformanceResult Failed(ConformanceCase each, string failure)
        => new(each, ConformanceOutcome.Failed, [], failure);

    private static ConformanceResult Unsupported(ConformanceCase each, IEnumerable<(string, string)> reasons)
        => new(each, ConformanceOutcome.Unsupported, [.. reasons]);

    // The same reason for inputs of any name.
    private static string Generalized(string message, ConformanceCase each)
        => QuotedName().Replace(message.Replace($"{each.ModelPath}: ", "", StringComparison.Ordinal), "").TrimEnd('.');

    [GeneratedRegex(" \"[^\"]*\"")]
    private static partial Regex QuotedName();
}
